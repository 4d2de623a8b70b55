"""A deep, thin network learns with a hint of what it does not learn from labels.

    python applications/fitnets.py --size cpu --out RUNS

Romero et al. 2015, "FitNets: Hints for Thin Deep Nets", sections 2 and 3: the first
part of a student learns to give what the first half of its teacher gives, then all of
it is distilled. ``--publish docs/literature`` writes the page.
"""

from kerasnets.studies import Claim, Row, Size, Study, main

ABOUT = """Romero et al. 2015 print, for MNIST, errors of 0.55 % for a teacher of
361,000 weights, and of 1.9, 0.65 and 0.51 % for a student twice as deep of 30,000 that
learned from labels, from soft targets, and from a hint before these. Here the teacher
is ResNet-20 and the student a plain network of 56 layers, which is hard to train
without shortcuts; the images are scikit-learn's 1,797 digits of 8 pixels. The hint is
the middle of the teacher's second stage, the guided layer the end of the third block of
the student's. All students take as many steps, those of the hint among them."""

SOURCE = "Romero et al. 2015, Table 4"
LABELS, SOFT, HINT = "plain-56, labels", "plain-56, soft targets", "plain-56, hint"
TEACHER = "ResNet-20"
HINTS = ("stage2_block2_relu=stage2_block3_relu",)


def row(name: str, network: str, error: str, epochs: int, **taught) -> Row:
    """A network with the recipe of residual networks on small images."""
    changes = {"epochs": f"{epochs}"}
    return Row(
        name, network, "resnet-cifar", changes, {"test_error": error}, SOURCE, **taught
    )


STUDY = Study(
    name="fitnets",
    title="FitNets: a hint for a thin, deep student",
    about=ABOUT,
    data="digits",
    rows=(
        row(TEACHER, "resnet20", "0.55", 60),
        row(LABELS, "plain56", "1.9", 80),
        row(SOFT, "plain56", "0.65", 80, taught_by=TEACHER),
        # as long for the hint, and as long for all that follows
        row(
            HINT,
            "plain56",
            "0.51",
            40,
            taught_by=TEACHER,
            teaching={"hints": HINTS},
        ),
    ),
    claims=(
        Claim(
            "A deep, thin student errs less when it learns soft targets, too.",
            SOURCE,
            "test_error",
            (LABELS, SOFT),
        ),
        Claim(
            "It errs less again when a hint comes before.",
            SOURCE,
            "test_error",
            (SOFT, HINT),
        ),
    ),
    sizes={
        "smoke": Size(
            "20 layers in all rows: nothing but that it runs.",
            seeds=1,
            changes={
                "epochs": "3",
                "batch_size": "32",
                "learning_rate": "0.02",
                "augment.pad": "1",
                "augment.flip": "false",
            },
            side=8,
            networks={"plain56": "plain20"},
        ),
        "cpu": Size(
            "All of the digits.",
            seeds=3,
            changes={
                "batch_size": "32",
                "learning_rate": "0.02",
                "augment.pad": "1",
                "augment.flip": "false",
            },
            side=8,
        ),
        "paper": Size("500 epochs.", seeds=5, changes={"epochs": "500"}, side=8),
    },
)

if __name__ == "__main__":
    main(STUDY)
