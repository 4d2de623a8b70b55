"""Images of which nobody knows what they show."""

from collections import Counter
from pathlib import Path

import numpy as np

from kerasnets.data.decoded import Split, decoded, load_decoded
from kerasnets.data.formats import kinds_read
from kerasnets.data.sources.source import BAD_IMAGE, Source, complaint, count_kinds
from kerasnets.errors import KerasnetsError
from kerasnets.progress import Progress, silent

_PART = "unlabelled"


def prepare_unlabelled(
    source: Source,
    folder: Path,
    *,
    resolution: int,
    skip_bad_images: bool = False,
    progress: Progress = silent,
) -> dict[str, int]:
    """Decode all images of a set to squares, and write them into a folder.

    Args:
        source: As ``sources.open_unlabelled`` gives it.
        folder: Made if it is missing; see ``UNLABELLED_FILES``.
        resolution: Side of the squares in pixels.
        skip_bad_images: Leave out files that are called like images and are none, and
            images that cannot be read.
        progress: Told how many images are read.

    Returns:
        How many files of each kind were left out.

    Raises:
        KerasnetsError: There is no image, or a bad one.
    """
    examples = source.load()
    faults = [each.fault for each in examples.left_out if each.fault]
    if faults and not skip_bad_images:
        raise KerasnetsError(complaint(faults))
    count = len(examples.ids)
    if not count:
        raise KerasnetsError(
            f"{source.spec}: there is no image in it; {kinds_read()} are read"
        )
    folder.mkdir(parents=True, exist_ok=True)
    with decoded(examples, folder, resolution, progress) as found:
        if found.bad and not skip_bad_images:
            raise KerasnetsError(complaint([found.bad[i] for i in sorted(found.bad)]))
        good = np.array([i for i in range(count) if i not in found.bad], "int64")
        if not len(good):
            raise KerasnetsError(f"{source.spec}: no image in it can be read")
        found.save(_PART, good)
    left_out = Counter(count_kinds(examples.left_out))
    left_out.update([BAD_IMAGE] * len(found.bad))
    return dict(left_out)


def load_unlabelled(folder: Path, labels: np.ndarray | None = None) -> Split:
    """Open what ``prepare_unlabelled`` wrote.

    Args:
        folder: Where.
        labels: What someone says that they show; None for class 0 of all.
    """
    split = load_decoded(folder, _PART, ())
    told = split.labels if labels is None else labels
    return Split(split.images, told, tuple(f"{i}" for i in range(len(told))))


UNLABELLED_FILES = (f"{_PART}_images.npy", f"{_PART}_labels.npy")
