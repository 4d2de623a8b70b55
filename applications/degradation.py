"""Deeper plain networks train worse, deeper residual ones better.

    python applications/degradation.py --size cpu --data cifar:FOLDER --out RUNS

He et al. 2015, "Deep Residual Learning for Image Recognition", sections 1 and 4.2,
Figures 1 and 6, Table 6: on CIFAR-10 a plain network of 56 layers has a higher error
than one of 20, on the training images too, so it is no overfitting; with shortcuts the
order turns round. ``--publish docs/literature`` writes the page.
"""

from kerasnets.studies import Claim, Row, Size, Study, main

ABOUT = """He et al. 2015 show the plain networks as curves only (Figures 1 and 6);
Table 6 prints test errors of the residual ones, trained on all 50,000 images. Here a
tenth of them is kept for validation. Other departures are those of the recipe
`resnet-cifar`, which [papers.toml](../../kerasnets/training/papers.toml) states."""

FIGURE, TABLE = "He et al. 2015, Figure 6", "He et al. 2015, Table 6"


def row(name: str, network: str, **published: str) -> Row:
    """A network with the paper's recipe."""
    return Row(name, network, "resnet-cifar", {}, published, TABLE if published else "")


STUDY = Study(
    name="degradation",
    title="Degradation: plain and residual networks of 20 and 56 layers",
    about=ABOUT,
    data="cifar:cifar-10-batches-bin",
    rows=(
        row("plain-20", "plain20"),
        row("plain-56", "plain56"),
        row("ResNet-20", "resnet20", test_error="8.75"),
        row("ResNet-56", "resnet56", test_error="6.97"),
    ),
    claims=(
        Claim(
            "A plain network of 56 layers fits training images worse than one of 20.",
            f"{FIGURE} (left), Figure 1 (left)",
            "training_error",
            ("plain-56", "plain-20"),
        ),
        Claim(
            "A plain network of 56 layers errs more on test images than one of 20.",
            f"{FIGURE} (left), Figure 1 (right)",
            "test_error",
            ("plain-56", "plain-20"),
        ),
        Claim(
            "A residual one of 56 layers fits training images better than one of 20.",
            f"{FIGURE} (middle)",
            "training_error",
            ("ResNet-20", "ResNet-56"),
        ),
        Claim(
            "A residual one of 56 layers errs less on test images than one of 20.",
            TABLE,
            "test_error",
            ("ResNet-20", "ResNet-56"),
        ),
    ),
    sizes={
        "smoke": Size(
            "The built-in digits at 8 pixels, 20 layers in all rows: nothing but that "
            "it runs.",
            seeds=1,
            changes={
                "epochs": "4",
                "batch_size": "16",
                "learning_rate": "0.02",
                "augment.pad": "1",
                "augment.flip": "false",
            },
            side=8,
            networks={"plain56": "plain20", "resnet56": "resnet20"},
        ),
        "cpu": Size(
            "All of CIFAR-10, but 2 epochs of the paper's 182, in which 56 layers "
            "hardly begin to learn, with shortcuts or without: the rate falls at the "
            "same shares of the training.",
            seeds=2,
            changes={"epochs": "2"},
        ),
        "paper": Size("The paper's 182 epochs.", seeds=5),
    },
)

if __name__ == "__main__":
    main(STUDY)
