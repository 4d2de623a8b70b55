"""A tree of the classes helps a network that sees few images, soft targets help more.

    python applications/label_tree.py --size cpu --data idx:FOLDER --out RUNS

Hinton 2014, lecture "Dark Knowledge": that classes are alike can be told by a tree of
labels, too, but which images of a class are like those of another is told by soft
targets alone. ``--publish docs/literature`` writes the page.
"""

from kerasnets.studies import Claim, Row, Size, Study, main

ABOUT = """In his lecture of 2014 Hinton says that a tree of labels helps, and less than
soft targets do; no figures are printed. Here LeNet-5 learns from 3,000 of
Fashion-MNIST's images: from their labels, from a tree that has shirts and tops,
pullovers and coats, and all kinds of shoes close together (a fifth of the probability
goes up at each level), and from the soft targets of a LeNet-5 that learned from all of
them, at a temperature of 4; all three at a fifth of the recipe's rate. A tenth of the
training images is kept for validation."""

LECTURE = "Hinton 2014, lecture"
ALL, LABELS, TREE, SOFT = "all images, labels", "labels", "tree", "soft targets"
FEW = 3_000
# T-shirt and shirt, pullover and coat, dress; trousers; sandal, sneaker, boot; bag
KINDS = ((("0", "6"), ("2", "4"), "3"), "1", ("5", "7", "9"), "8")
LONGER = {
    "augment": "none",
    "epochs": "60",
    "batch_size": "50",
    # soft targets of a high temperature want a small one
    "learning_rate": "0.01",
}


def row(name: str, images: int | None, changes: dict[str, str], **taught) -> Row:
    """LeNet-5."""
    return Row(name, "lenet5", "lenet5", changes, train_images=images, **taught)


STUDY = Study(
    name="label_tree",
    title="A tree of labels against soft targets",
    about=ABOUT,
    data="idx:fashion_mnist",
    rows=(
        row(ALL, None, {"augment": "none", "epochs": "10"}),
        row(LABELS, FEW, LONGER),
        row(
            TREE,
            FEW,
            {**LONGER, "temperature": "1", "soft_weight": "1"},
            teaching={"tree": KINDS, "tree_share": 0.2},
        ),
        row(
            SOFT,
            FEW,
            {**LONGER, "temperature": "4", "soft_weight": "1"},
            taught_by=ALL,
        ),
    ),
    claims=(
        Claim(
            "A network that sees few images errs less when it learns a tree of labels.",
            LECTURE,
            "test_error",
            (LABELS, TREE),
        ),
        Claim(
            "It errs less again when it learns the soft targets of one that saw all.",
            LECTURE,
            "test_error",
            (TREE, SOFT),
        ),
    ),
    sizes={
        "smoke": Size(
            "The built-in digits: nothing but that it runs.",
            seeds=1,
            changes={"epochs": "6", "batch_size": "16"},
        ),
        "cpu": Size("3,000 of Fashion-MNIST's images; all for the teacher.", seeds=3),
        "paper": Size("600 epochs.", seeds=3, changes={"epochs": "600"}),
    },
)

if __name__ == "__main__":
    main(STUDY)
