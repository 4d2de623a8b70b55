"""A wide network that begins as a trained narrow one is sooner as good as from scratch.

    python applications/net2net.py --size cpu --out RUNS

Chen, Goodfellow and Shlens 2016, "Net2Net: Accelerating Learning via Knowledge
Transfer", sections 2.2 and 3.1 (Net2WiderNet). ``--publish docs/literature`` writes the
page.
"""

from kerasnets.studies import Claim, Row, Size, Study, main

ABOUT = """Chen et al. 2016 show curves (Figure 6): an Inception network that begins as
a trained narrower one is as good as one from random weights much sooner, and ends no
worse, at a tenth of the learning rate. Here MobileNet of alpha 0.5 begins as one of
alpha 0.25 that learned scikit-learn's 1,797 digits; noise of 1 % parts its copies. The
deeper form (Net2DeeperNet, `kerasnets grow --deepen`) was not run."""

SOURCE = "Chen et al. 2016, section 3.1 and Figure 6"
NARROW, SCRATCH, GROWN = "alpha 0.25", "alpha 0.5", "alpha 0.5, grown"


def row(name: str, alpha: float, rate: float, grown_from: str = "") -> Row:
    """MobileNet of some width."""
    changes = {"network.alpha": f"{alpha}", "learning_rate": f"{rate}"}
    return Row(
        name,
        "mobilenet",
        "resnet-cifar",
        changes,
        {},
        SOURCE,
        grown_from=grown_from,
    )


DIGITS = {"batch_size": "64", "augment.flip": "false"}

STUDY = Study(
    name="net2net",
    title="Net2Net: a wider network that begins as a narrower one",
    about=ABOUT,
    data="digits",
    rows=(
        row(NARROW, 0.25, 0.05),
        row(SCRATCH, 0.5, 0.05),
        row(GROWN, 0.5, 0.005, grown_from=NARROW),
    ),
    claims=(
        Claim(
            "A wide network is sooner as good as from random weights when it begins as "
            "a trained narrow one.",
            SOURCE,
            "epochs",
            (SCRATCH, GROWN),
        ),
        Claim(
            "It errs less than the narrow one in the end.",
            SOURCE,
            "test_error",
            (NARROW, GROWN),
        ),
    ),
    sizes={
        "smoke": Size(
            "Two epochs: nothing but that it runs.",
            seeds=1,
            changes={**DIGITS, "epochs": "2"},
            side=32,
        ),
        "cpu": Size("40 epochs.", seeds=3, changes={**DIGITS, "epochs": "40"}, side=32),
        "paper": Size(
            "400 epochs.", seeds=5, changes={**DIGITS, "epochs": "400"}, side=32
        ),
    },
    as_good_as=SCRATCH,
)

if __name__ == "__main__":
    main(STUDY)
