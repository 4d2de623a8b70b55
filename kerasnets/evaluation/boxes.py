"""Scores of those who say where things are: ILSVRC's localisation, and detection.

A box is (left, top, right, bottom) in pixels; its right and bottom edges are no part of
it. Sources: Russakovsky et al. 2015, "ImageNet Large Scale Visual Recognition
Challenge", sections 4.2 and 4.3, and the development kits of the challenge.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from kerasnets.errors import KerasnetsError

# the first so many guesses of an image count
_GUESSES = 5
_OVERLAP = 0.5
# by so many pixels, in each direction, a small box may be off
_SLACK = 10


@dataclass(frozen=True)
class Detection:
    """A box that is said to hold a thing of some class.

    Attributes:
        image: The name of the image.
        box: Where, (left, top, right, bottom).
        score: How sure one is of it.
    """

    image: str
    box: tuple[float, float, float, float]
    score: float


def overlaps(boxes: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Return intersection over union of each pair of boxes.

    Args:
        boxes: (n, 4).
        others: (m, 4).

    Returns:
        Float64 (n, m).

    Raises:
        KerasnetsError: What is given are no boxes, or one has no area.
    """
    ours, theirs = _checked(boxes), _checked(others)
    low = np.maximum(ours[:, None, :2], theirs[None, :, :2])
    high = np.minimum(ours[:, None, 2:], theirs[None, :, 2:])
    common = np.prod(np.maximum(0, high - low), axis=2)
    areas = [np.prod(each[:, 2:] - each[:, :2], axis=1) for each in (ours, theirs)]
    return common / (areas[0][:, None] + areas[1][None, :] - common)


def localisation_error(
    guesses: Sequence[Sequence[tuple[int, Sequence[float]]]],
    labels: Sequence[int],
    boxes: Sequence[np.ndarray],
) -> float:
    """Return the share of images of which no guess has the label and its place.

    A guess is right where its class is the label and its box overlaps one of the boxes
    of that label by more than a half. The first five of an image count (ILSVRC's top-5
    localisation error).

    Args:
        guesses: Of each image, the best first: class and box.
        labels: The class of each image.
        boxes: Of each image (n, 4): all things of that class.

    Raises:
        KerasnetsError: There are no images, or not as many of one as of the others.
    """
    if not len(guesses) == len(labels) == len(boxes) or not len(labels):
        raise KerasnetsError(
            f"guesses of {len(guesses)} images, {len(labels)} labels and boxes of "
            f"{len(boxes)}: as many of each, and one at least, are accepted"
        )
    wrong = 0
    for said, label, there in zip(guesses, labels, boxes, strict=True):
        named = [box for each, box in said[:_GUESSES] if each == label]
        wrong += not (named and (overlaps(np.array(named), there) > _OVERLAP).any())
    return wrong / len(labels)


def average_precision(
    detections: Sequence[Detection], boxes: Mapping[str, np.ndarray]
) -> float:
    """Return the average precision of the detections of one class.

    The surest comes first. It is right where it overlaps a box of its image enough that
    no surer one has; what finds a box that is found already is wrong. Enough is a half,
    and less for small boxes: w h / ((w + 10) (h + 10)). The average is the area under
    the precision, made to fall with the recall.

    Args:
        detections: In any order; equally sure ones count as they come.
        boxes: For each image that has any (n, 4): all things of the class.

    Raises:
        KerasnetsError: There is no box to be found.
    """
    total = sum(len(each) for each in boxes.values())
    if not total:
        raise KerasnetsError("no box is there to be found: one or more are accepted")
    found = {name: np.zeros(len(each), bool) for name, each in boxes.items()}
    right = np.zeros(len(detections), bool)
    order = sorted(range(len(detections)), key=lambda i: -detections[i].score)
    for place, i in enumerate(order):
        one = detections[i]
        if not len(boxes.get(one.image, ())):
            continue
        there = _checked(boxes[one.image])
        overlap = overlaps(np.array([one.box]), there)[0]
        width, height = (there[:, 2:] - there[:, :2]).T
        enough = width * height / ((width + _SLACK) * (height + _SLACK))
        free = (overlap >= np.minimum(_OVERLAP, enough)) & ~found[one.image]
        if free.any():
            found[one.image][np.where(free, overlap, -1).argmax()] = True
            right[place] = True
    hits = np.cumsum(right)
    precision = hits / np.arange(1, len(right) + 1)
    # no lower than what a larger recall has
    falling = np.maximum.accumulate(precision[::-1])[::-1]
    return float(falling[right].sum() / total)


def _checked(boxes: np.ndarray) -> np.ndarray:
    found = np.asarray(boxes, "float64")
    if found.ndim != 2 or found.shape[1] != 4 or (found[:, 2:] <= found[:, :2]).any():
        raise KerasnetsError(
            f"boxes of shape {found.shape}: (n, 4), left, top, right and bottom of "
            "each with some area, are accepted"
        )
    return found
