"""Networks that each know some confusable classes well, beside one that knows all.

Hinton, Vinyals and Dean 2015, "Distilling the Knowledge in a Neural Network" (arXiv
1503.02531), section 5. A specialist tells its classes apart and has one more, the
dustbin, for all others. It starts from the generalist's weights and is trained on
images of which half are of its classes; that is put right in its answers afterwards.

Departure: the joint answer is found by steps that each come closer (those of the EM
algorithm: what is minimised is convex in the probabilities), where the paper descends
along the gradient of logits.
"""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from kerasnets.errors import KerasnetsError


def confusable_classes(
    probabilities: np.ndarray, groups: int, *, seed: int = 0
) -> tuple[tuple[int, ...], ...]:
    """Divide the classes into groups that a network takes for each other.

    K-means on the columns of the covariance matrix of its answers: classes that are
    often probable together have like columns (section 5.2).

    Args:
        probabilities: Of the generalist, (images, classes), better at a high
            temperature.
        groups: How many, 2 up to the number of classes.
        seed: Of the first centres.

    Returns:
        The classes of each group, ascending; groups by their first class.

    Raises:
        KerasnetsError: There are not so many classes.
    """
    from sklearn.cluster import KMeans

    classes = probabilities.shape[-1]
    if not 2 <= groups <= classes:
        raise KerasnetsError(f"{groups} groups of {classes} classes: 2 to {classes}")
    covariance = np.cov(np.asarray(probabilities, "float64"), rowvar=False)
    means = KMeans(groups, random_state=seed).fit_predict(covariance)
    found = {
        tuple(np.flatnonzero(means == group).tolist()) for group in set(means.tolist())
    }
    return tuple(sorted(found))


def specialist_labels(labels: np.ndarray, classes: Sequence[int]) -> np.ndarray:
    """Give each label as its place among the classes, or as the dustbin behind them."""
    places = {label: place for place, label in enumerate(classes)}
    flat = [places.get(label, len(classes)) for label in np.ravel(labels).tolist()]
    return np.reshape(np.array(flat, "int32"), np.shape(labels))


def enriched(labels: np.ndarray, classes: Sequence[int], *, seed: int) -> np.ndarray:
    """Choose images of which half are of these classes: all of them, as many others.

    Args:
        labels: Of the training images, (images,).
        classes: Of the specialist.
        seed: Of the choice of the others.

    Returns:
        Positions among the images, ascending.

    Raises:
        KerasnetsError: No image is of these classes, or of any other.
    """
    own = np.isin(labels, list(classes))
    others = np.flatnonzero(~own)
    if not own.any() or not len(others):
        raise KerasnetsError(
            f"{int(own.sum())} images are of the classes {tuple(classes)} and "
            f"{len(others)} of others: some of each are needed"
        )
    count = min(int(own.sum()), len(others))
    chosen = np.random.default_rng(seed).choice(others, count, replace=False)
    return np.sort(np.concatenate([np.flatnonzero(own), chosen]))


def with_natural_dustbin(logits: Any, *, natural: float, trained: float) -> Any:
    """Put right what a specialist expects after it was trained on more of its classes.

    The dustbin's logit grows by the log of how much more often its classes were there
    than they are, beside the others (section 5.3).

    Args:
        logits: Of the specialist, (batch, its classes and the dustbin).
        natural: Share of the images that are of its classes, between 0 and 1.
        trained: That of those it was trained on.

    Returns:
        Logits of the same shape.

    Raises:
        KerasnetsError: A share is none between 0 and 1.
    """
    for name, share in (("natural", natural), ("trained", trained)):
        if not 0 < share < 1:
            raise KerasnetsError(f"share {name} {share}: between 0 and 1 is accepted")
    grown = np.log((1 - natural) / natural) - np.log((1 - trained) / trained)
    shift = np.zeros(logits.shape[-1])
    shift[-1] = grown
    return logits + ops.cast(ops.convert_to_tensor(shift), logits.dtype)


def joint_answer(
    generalist: Any,
    specialists: Sequence[tuple[Sequence[int], Any]],
    *,
    steps: int = 100,
) -> Any:
    """Return the probabilities nearest to those of a generalist and its specialists.

    q that minimises KL(g, q) + sum_m KL(p_m, q_m) for each image, where q_m is q with
    all classes that a specialist does not know added up to its dustbin, over those
    specialists that know the generalist's likeliest class (section 5.5, equation 5).

    Args:
        generalist: Probabilities g, (batch, classes).
        specialists: The classes of each, and its probabilities p_m, (batch, its classes
            and the dustbin).
        steps: The more, the nearer.

    Returns:
        Probabilities q, (batch, classes).

    Raises:
        KerasnetsError: A specialist's answers do not fit its classes.
    """
    general: Any = ops.convert_to_tensor(generalist)
    count = general.shape[-1]
    likeliest = ops.argmax(general, axis=-1)
    inside: list[Any] = []
    outside: list[Any] = []
    known: list[Any] = []
    for classes, given in specialists:
        answers: Any = ops.convert_to_tensor(given)
        if answers.shape[-1] != len(classes) + 1:
            raise KerasnetsError(
                f"a specialist of the classes {tuple(classes)} gives "
                f"{answers.shape[-1]} probabilities: {len(classes)} and one for the "
                "dustbin are accepted"
            )
        mine = np.isin(np.arange(count), list(classes)).astype("float32")
        place = np.zeros((len(classes), count), "float32")
        place[np.arange(len(classes)), list(classes)] = 1
        asked: Any = ops.take(ops.convert_to_tensor(mine), likeliest)
        asked = ops.expand_dims(asked, -1)
        known.append(ops.convert_to_tensor(1 - mine))
        inside.append(asked * ops.matmul(answers[:, :-1], place))
        outside.append(asked * answers[:, -1:])
        # (a specialist that is not asked adds nothing)
    q = general
    for _ in range(steps if specialists else 0):
        total = general + sum(inside)
        for others, dustbin in zip(known, outside, strict=True):
            rest = q * others
            total = total + dustbin * rest / ops.maximum(
                ops.sum(rest, axis=-1, keepdims=True), keras.config.epsilon()
            )
        q = total / ops.sum(total, axis=-1, keepdims=True)
    return q
