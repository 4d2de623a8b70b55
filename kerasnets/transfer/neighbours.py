"""The nearest images in the space of CNN codes, and the labels that they doubt.

Krizhevsky et al. 2012, section 6.1 and Figure 4: images are alike where the Euclidean
distance of their last hidden layers is small.
"""

from dataclasses import dataclass

import keras
import numpy as np

from kerasnets.data import Split
from kerasnets.errors import KerasnetsError
from kerasnets.pixels import Preprocessing
from kerasnets.progress import Progress, silent
from kerasnets.transfer.features import features

# distances in memory at once: 64 MB of float64
_AT_ONCE = 8_000_000


@dataclass(frozen=True)
class Neighbours:
    """For each of some images the k nearest ones of a split, the nearest first.

    Attributes:
        indices: Int64 (images, k), places in the split.
        distances: Float64 (images, k), Euclidean, of codes.
        labels: Int64 (images, k).
        ids: For each image the k names of its neighbours in their source.
    """

    indices: np.ndarray
    distances: np.ndarray
    labels: np.ndarray
    ids: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Suspect:
    """An image of a split that lies among images of another label.

    Attributes:
        index: Its place in the split.
        id: Its name in the source.
        label: What it is called.
        other: The label of most of its neighbours.
        share: Share of the k neighbours that have it.
        ratio: Mean distance of the k nearest images of that label, divided by that of
            the k nearest others of its own. The smaller, the clearer.
        neighbours: Places of its k neighbours in the split, the nearest first.
        distances: Their distances.
    """

    index: int
    id: str
    label: int
    other: int
    share: float
    ratio: float
    neighbours: tuple[int, ...]
    distances: tuple[float, ...]


def neighbours(
    model: keras.Model,
    images: Split | np.ndarray,
    split: Split,
    k: int = 6,
    *,
    layer: str | None = None,
    size: int | None = None,
    batch_size: int | None = None,
    pixels: Preprocessing | None = None,
    codes: np.ndarray | None = None,
    progress: Progress = silent,
) -> Neighbours:
    """Find the images of a split that are nearest to others.

    Args:
        model: As for ``features``.
        images: A split; or uint8 pixels, (height, width, 3) of one image or (images,
            height, width, 3). An image that is in ``split`` too finds itself.
        split: Where neighbours are looked for, usually the training images.
        k: How many for each image.
        layer: As for ``features``: by default the last hidden one.
        size: As for ``features``.
        batch_size: Likewise.
        pixels: Likewise.
        codes: Those of ``split``, where they are known.
        progress: Told how many batches have their codes.

    Returns:
        The neighbours, of equally near ones that first which comes first in the split.

    Raises:
        KerasnetsError: As for ``features``; the split has fewer than ``k`` images, or
            ``images`` are no pixels.
    """
    _check_count(k, len(split.labels))
    if not isinstance(images, Split):
        images = _as_split(images)

    def codes_of(part: Split) -> np.ndarray:
        return features(
            model,
            part,
            layer=layer,
            size=size,
            batch_size=batch_size,
            pixels=pixels,
            progress=progress,
        )

    own = codes_of(images)  # the shorter work first: what is wrong shows there too
    indices, distances = nearest(own, codes_of(split) if codes is None else codes, k)
    return Neighbours(
        indices=indices,
        distances=distances,
        labels=split.labels[indices],
        ids=tuple(tuple(split.ids[i] for i in row) for row in indices),
    )


def suspects(
    model: keras.Model,
    split: Split,
    k: int = 10,
    *,
    layer: str | None = None,
    size: int | None = None,
    batch_size: int | None = None,
    pixels: Preprocessing | None = None,
    codes: np.ndarray | None = None,
    progress: Progress = silent,
) -> list[Suspect]:
    """Find the images whose label may be wrong: most neighbours have one other label.

    Args:
        model: As for ``features``.
        split: Images with labels; each is judged by the others.
        k: How many neighbours are asked.
        layer: As for ``features``: by default the last hidden one.
        size: As for ``features``.
        batch_size: Likewise.
        pixels: Likewise.
        codes: Those of ``split``, where they are known.
        progress: Told how many batches have their codes.

    Returns:
        The suspects, the clearest first.

    Raises:
        KerasnetsError: As for ``features``; or the split has not ``k`` others.
    """
    _check_count(k, len(split.labels) - 1)
    if codes is None:
        codes = features(
            model,
            split,
            layer=layer,
            size=size,
            batch_size=batch_size,
            pixels=pixels,
            progress=progress,
        )
    indices, distances = nearest(codes, None, k)
    found = []
    for index, label in enumerate(split.labels.tolist()):
        counts = np.bincount(split.labels[indices[index]])
        other = int(counts.argmax())
        if other == label or 2 * counts[other] <= k:
            continue
        found.append(
            Suspect(
                index=index,
                id=split.ids[index],
                label=label,
                other=other,
                share=float(counts[other] / k),
                ratio=_ratio(codes, split.labels, index, other, k),
                neighbours=tuple(indices[index].tolist()),
                distances=tuple(distances[index].tolist()),
            )
        )
    return sorted(found, key=lambda one: (one.ratio, one.index))


def nearest(
    codes: np.ndarray, references: np.ndarray | None, k: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return indices and Euclidean distances of the k nearest references.

    Exact; of equally near ones the first counts. No more than 64 MB of distances are in
    memory at once, unless one code has more of them.

    Args:
        codes: (n, features).
        references: (m, features); None for the others among ``codes``.
        k: How many.

    Returns:
        int64 and float64 (n, k), the nearest first.

    Raises:
        KerasnetsError: There are fewer references, or codes that are not finite.
    """
    from scipy.spatial.distance import cdist

    among = codes if references is None else references
    _check_count(k, len(among) - (references is None))
    if not (np.isfinite(codes).all() and np.isfinite(among).all()):
        raise KerasnetsError("the codes are not all finite: they have no distances")
    indices = np.empty((len(codes), k), "int64")
    distances = np.empty((len(codes), k))
    rows = max(1, _AT_ONCE // len(among))
    for start in range(0, len(codes), rows):
        part = cdist(codes[start : start + rows], among)
        if references is None:
            own = np.arange(len(part))
            part[own, start + own] = np.inf
        chosen = part.argsort(axis=1, kind="stable")[:, :k]
        indices[start : start + rows] = chosen
        distances[start : start + rows] = np.take_along_axis(part, chosen, axis=1)
    return indices, distances


def _ratio(
    codes: np.ndarray, labels: np.ndarray, index: int, other: int, k: int
) -> float:
    """How far the k nearest of another label are, beside those of its own."""
    from scipy.spatial.distance import cdist

    def mean_distance(label: int) -> float:
        members = np.flatnonzero(labels == label)
        members = members[members != index]
        distances = np.sort(cdist(codes[index : index + 1], codes[members])[0])
        return float(distances[:k].mean()) if len(members) else np.inf

    own = mean_distance(int(labels[index]))
    return mean_distance(other) / own if own else 1.0


def _as_split(images: np.ndarray) -> Split:
    """Pixels of one image or several as a split, without labels."""
    images = np.asarray(images)
    if images.ndim == 3:
        images = images[None]
    if images.ndim != 4 or images.shape[3] != 3 or images.dtype != np.uint8:
        raise KerasnetsError(
            f"images of shape {images.shape} and type {images.dtype}: uint8 (height, "
            "width, 3) of one image, or (images, height, width, 3), is accepted"
        )
    return Split(images, np.zeros(len(images), "int64"), ("",) * len(images))


def _check_count(k: int, images: int) -> None:
    if not 1 <= k <= images:
        raise KerasnetsError(
            f"{k} neighbours among {images:,} images: 1 to {images:,} are accepted"
        )
