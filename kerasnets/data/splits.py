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
    the images of each class. Equal images stay together, so that none is judged that
    was trained on.

    Args:
        labels: int64 (n,).
        parts: for each image train, validation, test or "".
        groups: for each image a hash of its pixels.
        class_names: names of the classes, for the error.
        seed: of the shuffle.

    Returns:
        For "train", "validation" and "test" the indices, ascending.

    Raises:
        KerasnetsError: a class has too few images for one in each split.
    """
    given = np.asarray(parts)
    random = np.random.default_rng(seed)
    chosen: dict[str, list[int]] = {
        part: np.flatnonzero(given == part).tolist() for part in ("validation", "test")
    }
    cuts = {
        part: share
        for part, share in (("test", TEST_SHARE), ("validation", VALIDATION_SHARE))
        if not chosen[part]
    }
    chosen["train"] = []
    for label, name in enumerate(class_names):
        free = np.flatnonzero(
            (labels == label) & ~np.isin(given, ("validation", "test"))
        )
        rest = _shuffled_groups(free, groups, random)
        for part, share in cuts.items():
            wanted = max(1, round(share * len(free)))
            while rest and wanted > 0:
                group = rest.pop()
                chosen[part] += group
                wanted -= len(group)
        if not rest:
            raise KerasnetsError(
                f"class {name!r} has {len(free)} different images to train on: "
                f"{len(cuts) + 1} or more are needed, one for each split"
            )
        chosen["train"] += [index for group in rest for index in group]
    return {part: np.sort(chosen[part]) for part in ("train", "validation", "test")}


def _shuffled_groups(
    indices: np.ndarray, groups: Sequence[str], random: np.random.Generator
) -> list[list[int]]:
    """The indices in random order, those of equal images in one list."""
    members: dict[str, list[int]] = {}
    for index in indices.tolist():
        members.setdefault(groups[index], []).append(index)
    lists = list(members.values())
    return [lists[i] for i in random.permutation(len(lists))]
