"""Soft targets keep a network that sees 3 % of the training images from overfitting.

    python applications/soft_targets_regularise.py --size cpu --data idx:FOLDER

Hinton, Vinyals and Dean 2015, "Distilling the Knowledge in a Neural Network", section
6: an acoustic model that learns from 3 % of the speech fits it and errs on the rest;
taught by one that learned from all of it, it hardly errs more than that one.
``--publish docs/literature`` writes the page.
"""

from kerasnets.studies import Claim, Row, Size, Study, main

ABOUT = """Hinton et al. 2015 print, of frames of speech, 63.4 and 58.9 % right of
training and test frames for a network that learned from all of them, 67.3 and 44.5 %
for one that learned from 3 %, stopped early, and 65.4 and 57.0 % for one that learned
the soft targets of the first from that 3 %. Here the frames are MNIST's digits, as many
of each class among the 3 %; the networks are two layers of 800 units, and none is
stopped early. A tenth of the training images is kept for validation."""

SOURCE = "Hinton et al. 2015, Table 5, of speech"
ALL, HARD, SOFT = "all images, labels", "3 %, labels", "3 %, soft targets"
# 3 % of 54,000, in as many steps
PART, LONGER = 1_620, {"augment": "none", "epochs": "200", "batch_size": "50"}


def published(training: float, test: float) -> dict[str, str]:
    """Errors, where the paper prints what is right."""
    return {
        "training_error": f"{100 - training:.1f}",
        "test_error": f"{100 - test:.1f}",
    }


STUDY = Study(
    name="soft_targets_regularise",
    title="Soft targets as a regulariser: 3 % of the images",
    about=ABOUT,
    data="idx:mnist",
    rows=(
        Row(
            ALL,
            "mlp800",
            "mlp",
            {"augment": "none", "epochs": "30"},
            published(63.4, 58.9),
            SOURCE,
        ),
        Row(HARD, "mlp800", "mlp", LONGER, published(67.3, 44.5), SOURCE, PART),
        Row(
            SOFT,
            "mlp800",
            "mlp",
            {**LONGER, "temperature": "4", "soft_weight": "1"},
            published(65.4, 57.0),
            SOURCE,
            PART,
            taught_by=ALL,
        ),
    ),
    claims=(
        Claim(
            "A network that sees 3 % of the images errs less when it learns the soft "
            "targets of one that saw all.",
            SOURCE,
            "test_error",
            (HARD, SOFT),
        ),
        Claim(
            "It fits the labels of its images less well than one that learned them.",
            SOURCE,
            "training_error",
            (SOFT, HARD),
        ),
    ),
    sizes={
        "smoke": Size(
            "The built-in digits at 8 pixels: nothing but that it runs.",
            seeds=1,
            changes={"epochs": "3", "batch_size": "25"},
            side=8,
        ),
        "cpu": Size("All of MNIST, and 3 % of it in as many steps.", seeds=3),
        "paper": Size("1,000 epochs of each.", seeds=3, changes={"epochs": "1000"}),
    },
)

if __name__ == "__main__":
    main(STUDY)
