"""What a run tells besides its figures, a sentence each."""

from collections.abc import Mapping


def left_out_line(left_out: Mapping[str, int]) -> str:
    """Of what kind the files are that are not among the images.

    Args:
        left_out: How many files of each kind.
    """
    kinds = ", ".join(f"{count:,} {kind}" for kind, count in left_out.items())
    return f"left out of the images: {kinds}"


def mirroring_line(mirroring: Mapping[str, float]) -> str:
    """Why training images are not mirrored.

    Args:
        mirroring: ``Mirroring`` as JSON.
    """
    return (
        "training images are not mirrored, which confuses classes: a small classifier"
        f" gets {mirroring['accuracy']:.0%} of images right, and"
        f" {mirroring['mirrored']:.0%} of their mirror images"
    )


def not_taken_line(stage: str, before: Mapping, after: Mapping) -> str:
    """Why the outcome of a stage is not taken.

    Args:
        stage: What the stage did: "pruning".
        before: ``accuracy`` on the validation images without it.
        after: The same with it.
    """
    return (
        f"{stage} is not taken: {after['accuracy']:.2%} of the validation images are"
        f" right, {before['accuracy']:.2%} without it"
    )
