"""Larger LeNets err less on MNIST, and less again when training images are distorted.

    python applications/distortions.py --size cpu --data idx:FOLDER --out RUNS

LeCun et al. 1998, "Gradient-Based Learning Applied to Document Recognition", section
III; Simard et al. 2003, "Best Practices for Convolutional Neural Networks Applied to
Visual Document Analysis", Table 1. ``--publish docs/literature`` writes the page.
"""

from kerasnets.studies import Claim, Row, Size, Study, main

ABOUT = """LeCun et al. 1998 print 1.7 % for LeNet-1, 1.1 % for LeNet-4, 0.95 % for
LeNet-5 and 0.8 % for LeNet-5 with nine affinely distorted copies of each training
image: the 82 errors of their Figure 8. Both trainings are of 20 passes over 60,000
images, so that each of the distorted ones is seen only twice. The 40 errors (0.4 %)
that elastic distortions leave are Simard et al.'s, of another network with 5 and 50
maps where LeNet-5 has 6 and 16, which has 0.6 % with affine ones; here LeNet-5 stands
in for it. The networks are the modern forms (ReLU, pooling, softmax): there is no
original LeNet-4. Distortions are drawn anew for each image and epoch. MNIST's images
are scaled to 32 pixels where LeCun et al. pad them, and a tenth of the training images
is kept for validation."""

LECUN = "LeCun et al. 1998, section III"
PLAIN = {f"augment.{name}": "0" for name in ("translate", "zoom", "squeeze", "shear")}


def pair(name: str, network: str, plain: str, **affine: str) -> tuple[Row, Row]:
    """A network without and with affine distortions."""
    return (
        Row(name, network, "lenet5", PLAIN, {"test_error": plain}, LECUN),
        Row(f"{name}, affine", network, "lenet5", {}, affine, LECUN),
    )


STUDY = Study(
    name="distortions",
    title="Distortions: LeNet-1, LeNet-4 and LeNet-5 on MNIST",
    about=ABOUT,
    data="idx:mnist",
    rows=(
        *pair("LeNet-1", "lenet1", "1.7"),
        *pair("LeNet-4", "lenet4", "1.1"),
        *pair("LeNet-5", "lenet5", "0.95", test_error="0.8"),
        Row("LeNet-5, elastic", "lenet5", "simard"),
    ),
    claims=(
        Claim(
            "LeNet-1 errs more than LeNet-4, LeNet-4 more than LeNet-5.",
            "LeCun et al. 1998, sections III.B, III.C.7 and III.C.8, Figure 9",
            "test_error",
            ("LeNet-1", "LeNet-4", "LeNet-5"),
        ),
        Claim(
            "LeNet-5 errs less when its training images are distorted affinely.",
            "LeCun et al. 1998, section III.B",
            "test_error",
            ("LeNet-5", "LeNet-5, affine"),
        ),
        Claim(
            "Elastic distortions leave a convolutional network fewer errors.",
            "Simard et al. 2003, Table 1",
            "test_error",
            ("LeNet-5, affine", "LeNet-5, elastic"),
        ),
    ),
    sizes={
        "smoke": Size(
            "The built-in digits: nothing but that it runs.",
            seeds=1,
            changes={"epochs": "2", "batch_size": "16"},
        ),
        "cpu": Size(
            "20 epochs, as many as LeCun et al. train, with distortions and without.",
            seeds=5,
            changes={"epochs": "20"},
        ),
        "paper": Size(
            "200 epochs, ten times as many as LeCun et al. train; Simard et al. tell "
            "of hundreds.",
            seeds=5,
            changes={"epochs": "200"},
        ),
    },
)

if __name__ == "__main__":
    main(STUDY)
