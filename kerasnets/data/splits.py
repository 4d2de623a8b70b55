"""Which images train, which choose, which judge."""

from collections.abc import Sequence

import numpy as np

from kerasnets.errors import KerasnetsError

VALIDATION_SHARE = 0.1
TEST_SHARE = 0.2


def split_indices(
    labels: np.ndarray,
    parts: Sequence[str],
    groups: Sequence[str],
    class_names: Sequence[str],
    seed: int,
) -> dict[str, np.ndarray]:
    """Divide the images of each class into train, validation and test.

    What the set itself calls train, validation or test stays that; a test or
    validation split that it lacks is cut from the rest by the seed: 20 % and 10 % of
    the different images of each class. Equal images stay together, so that none is
    judged that was trained on; they go to train where there are others to judge by.

    Args:
        labels: Int64 (n,).
        parts: For each image train, validation, test or "".
        groups: For each image a hash of its pixels.
        class_names: Names of the classes, for the error.
        seed: Of the shuffle.

    Returns:
        For "train", "validation" and "test" the indices, ascending.

    Raises:
        KerasnetsError: A class has too few images for one in each split.
    """
    given = np.asarray(parts)
    random = np.random.default_rng(seed)
    chosen: dict[str, list[int]] = {
        part: np.flatnonzero(given == part).tolist()
        for part in ("train", "validation", "test")
    }
    cuts = {
        part: share
        for part, share in (("test", TEST_SHARE), ("validation", VALIDATION_SHARE))
        if not chosen[part]
    }
    chosen["train"] = []
    free = np.flatnonzero(~np.isin(given, ("validation", "test")))
    for lists in _groups_of_classes(free, labels, groups, len(class_names)):
        rest = [lists[i] for i in random.permutation(len(lists))]
        # taken from the end: single images first
        rest.sort(key=len, reverse=True)
        for part, share in cuts.items():
            for _ in range(min(len(rest), max(1, round(share * len(lists))))):
                chosen[part] += rest.pop()
        chosen["train"] += [index for group in rest for index in group]
    _check_classes(chosen, labels, class_names)
    return {part: np.sort(np.array(chosen[part], "int64")) for part in chosen}


def _groups_of_classes(
    indices: np.ndarray, labels: np.ndarray, groups: Sequence[str], classes: int
) -> list[list[list[int]]]:
    """For each class its images, equal ones in one list.

    A picture that lies in two classes counts where it comes first.
    """
    members: dict[str, list[int]] = {}
    for index in indices.tolist():
        members.setdefault(str(groups[index]), []).append(index)
    of_class: list[list[list[int]]] = [[] for _ in range(classes)]
    for group in members.values():
        of_class[labels[group[0]]].append(group)
    return of_class


def _check_classes(
    chosen: dict[str, list[int]], labels: np.ndarray, class_names: Sequence[str]
) -> None:
    total = np.bincount(labels, minlength=len(class_names))
    for part, indices in chosen.items():
        counts = np.bincount(labels[indices], minlength=len(class_names))
        if not counts.all():
            label = int(np.argmin(counts))
            raise KerasnetsError(
                f"class {class_names[label]!r} has {total[label]} images and none is "
                f"left for {part}: train, validation and test need a different one each"
            )


def spread(labels: np.ndarray, count: int, seed: int) -> np.ndarray:
    """Draw images at random, the classes taking turns.

    Args:
        labels: (n,), the class of each image.
        count: How many images; all of them where there are fewer.
        seed: Of the draw: which images of a class, and where there are more classes
            than images to draw, which classes.

    Returns:
        Their indices, ascending. The numbers of images of two classes differ by 1 at
        most, unless a class has no more.

    Raises:
        KerasnetsError: ``count`` is below 1.
    """
    if count < 1:
        raise KerasnetsError(f"{count} images: 1 or more are accepted")
    shuffled = np.random.default_rng(seed).permutation(len(labels))
    by_class = np.argsort(labels[shuffled], kind="stable")
    sorted_labels = labels[shuffled][by_class]
    turns = np.empty(len(labels), "int64")
    turns[by_class] = np.arange(len(labels)) - np.searchsorted(
        sorted_labels, sorted_labels, side="left"
    )
    return np.sort(shuffled[np.argsort(turns, kind="stable")][:count])
