"""Which way of transfer learning suits a set of images.

The five cases of the usual lecture on convolutional networks (Stanford's CS231n, notes
on transfer learning): how many images there are, and how like those they are that the
network was trained on. The likeness is measured: early stages tell any images apart,
the last ones those of their own kind (Yosinski et al. 2014, arXiv 1411.1792).
"""

from dataclasses import dataclass
from typing import Literal

import keras
import numpy as np

from kerasnets.data import Split, spread
from kerasnets.errors import KerasnetsError
from kerasnets.pixels import Preprocessing
from kerasnets.progress import Progress, silent
from kerasnets.transfer.features import body, features
from kerasnets.transfer.linear import fit_linear
from kerasnets.transfer.stages import stages

Way = Literal["linear", "earlier", "top", "all"]

# Training images a class below which a set is small. Measured once, MobileNet 0.25 of
# 128 pixels on five flowers: tuned through it was right 2 points more often than the
# linear classifier with 10 of each (within the error), 5 points with 30, judged by 900
# others; fewer than 10 were not tried.
SMALL = 10
# and from which a set unlike the network's own is large: a convention
LARGE = 100
# the last of up to ten stages must separate the classes best
SIMILAR = 0.9
# of cross-validation, spread over the classes
_IMAGES, _FOLDS = 500, 3


@dataclass(frozen=True)
class Recommendation:
    """A way of transfer learning, and why.

    Attributes:
        case: Of the five: "small and similar", "large and similar", "small and very
            different", "medium and very different" or "large and very different".
        way: "linear", a linear classifier on the codes; "earlier", one on the codes of
            an earlier stage; "top", the last stage fine-tuned; "all", the whole network
            fine-tuned.
        reason: One sentence.
    """

    case: str
    way: Way
    reason: str


@dataclass(frozen=True)
class Similarity:
    """How like a set of images is to those that a network was trained on.

    Attributes:
        accuracies: Of a linear classifier on the codes of each stage, in
            cross-validation, by the name of the stage's last layer.
        best: That of the stage that separates best: the last one that is within two
            standard errors of the highest accuracy.
        value: 0 where that is the first stage, 1 where it is the last.
    """

    accuracies: dict[str, float]
    best: str
    value: float


def recommend(
    images_per_class: float, classes: int, similarity: float
) -> Recommendation:
    """Say which way of transfer learning suits a set of images.

    Args:
        images_per_class: Training images of a class, on average.
        classes: Number of classes.
        similarity: 0 to 1, as ``similarity`` measures it.

    Raises:
        KerasnetsError: A number is out of range.
    """
    for name, value, valid, accepted in (
        ("images_per_class", images_per_class, images_per_class >= 2, "2 or more"),
        ("classes", classes, classes >= 2, "2 or more"),
        ("similarity", similarity, 0 <= similarity <= 1, "0 to 1"),
    ):
        if not valid:
            raise KerasnetsError(f"{name} {value}: {accepted} is accepted")
    how_many = f"{images_per_class:.0f} images of each of {classes} classes are"
    if similarity >= SIMILAR:
        known = "the network's last codes tell them apart best"
        if images_per_class < SMALL:
            return Recommendation(
                "small and similar",
                "linear",
                f"{how_many} few, and {known}: tuning it would fit their accidents.",
            )
        return Recommendation(
            "large and similar",
            "all",
            f"{how_many} enough to tune the whole network, and {known}.",
        )
    other = "codes of an earlier stage tell them apart better than the last"
    if images_per_class < SMALL:
        return Recommendation(
            "small and very different", "earlier", f"{how_many} few, and {other}."
        )
    if images_per_class < LARGE:
        return Recommendation(
            "medium and very different",
            "top",
            f"{how_many} enough to learn the last stage anew, not those below, and "
            f"{other}.",
        )
    return Recommendation(
        "large and very different",
        "all",
        f"{how_many} enough to tune the whole network, and {other}.",
    )


def similarity(
    model: keras.Model,
    split: Split,
    *,
    size: int | None = None,
    pixels: Preprocessing | None = None,
    seed: int = 0,
    progress: Progress = silent,
) -> Similarity:
    """Measure how well the codes of each stage of a network separate the classes.

    Three-fold cross-validation of ``fit_linear`` on up to 500 images. An earlier stage
    counts as better than a later one only by more than two standard errors of an
    accuracy of that many images: by one, the highest of several is often ahead by
    chance where images are few (of three draws of 50 flowers, once).

    Args:
        model: As for ``body``.
        split: Training images, three or more of each class.
        size: As for ``body``.
        pixels: As for ``features``.
        seed: Of the images and the folds.
        progress: Told how many stages are done.

    Raises:
        KerasnetsError: As for ``body``; or a class has fewer images.
    """
    from sklearn.model_selection import StratifiedKFold

    counts = np.bincount(split.labels)
    if counts.min() < _FOLDS:
        raise KerasnetsError(
            f"class {counts.argmin()} has {counts.min()} training images; {_FOLDS} or "
            "more of each class are needed to measure the similarity"
        )
    chosen = spread(split.labels, max(_IMAGES, _FOLDS * len(counts)), seed)
    few = split.picked(chosen)
    folds = list(
        StratifiedKFold(_FOLDS, shuffle=True, random_state=seed).split(
            chosen, few.labels
        )
    )
    codes_of = body(model, size=size)
    ends = [stage[-1] for stage in stages(codes_of)]
    accuracies = {}
    for done, name in enumerate(ends, start=1):
        codes = features(codes_of, few, layer=name, pixels=pixels)
        right = [
            fit_linear(
                (codes[learned], few.labels[learned]),
                (codes[asked], few.labels[asked]),
                seed=seed,
            ).accuracy
            for learned, asked in folds
        ]
        accuracies[name] = float(np.mean(right))
        progress(done, len(ends), f"{name} {accuracies[name]:.1%}")
    highest = max(accuracies.values())
    spare = 2 * np.sqrt(highest * (1 - highest) / len(chosen))
    best = [i for i, name in enumerate(ends) if accuracies[name] >= highest - spare][-1]
    return Similarity(accuracies, ends[best], best / max(1, len(ends) - 1))
