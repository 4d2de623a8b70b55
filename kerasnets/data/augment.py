"""Random changes of training images: what is drawn for each of them.

The numbers come from NumPy and depend on a generator only, so that a training can go on
at any step; ``warping`` does with the pixels what they say.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol, runtime_checkable

import numpy as np

from kerasnets.data.image_store import ImageStore
from kerasnets.errors import KerasnetsError

# numbers of each image of a batch, by what they are for
Drawn = dict[str, np.ndarray]

BORDERS = ("repeat", "mirror", "black")
# images from which the colours of a set are told, and pixels of each
_SOME_IMAGES, _SOME_PIXELS = 2_000, 1_024


@runtime_checkable
class View(Protocol):
    """Random changes of images."""

    def draw(self, generator: np.random.Generator, count: int, side: int) -> Drawn:
        """Draw the numbers of ``count`` images: arrays with a row for each."""
        ...

    def __call__(self, images: Any, drawn: Mapping[str, Any]) -> Any:
        """Return changed copies of images.

        Args:
            images: Float32 (batch, side, side, 3) with values 0 to 255.
            drawn: What ``draw`` gave, as tensors.
        """
        ...


@dataclass(frozen=True)
class Augment:
    """Random changes of the training images, a ``View``; 0 leaves a change out.

    Attributes:
        translate: Largest shift, as a share of the side.
        pad: Largest shift in whole pixels, each as likely: as if the image was cut out
            of one that is padded by so many.
        rotate: Largest turn in degrees, to either side.
        zoom: Largest relative change of scale, up or down.
        squeeze: Largest relative change of the width, with the height changed the
            other way (LeCun et al. 1998, section III.A, as ``shear``).
        shear: Largest slant, pixels across for each pixel down.
        elastic: How far the pixels of a rubber sheet are drawn about, in pixels: a
            field of random shifts, uniform on +-1 and smoothed, times this number
            (Simard et al. 2003, section 2, where it is 34 for digits of 29 pixels).
        smoothness: Standard deviation of the Gaussian that smooths it, in pixels.
        flip: Mirror half of the images left to right.
        brightness: Largest shift of the pixel values, as a share of their range.
        contrast: Largest relative change of the distance from the image's mean.
        colour: Standard deviation of shifts along the main colours of the set, in
            their eigenvalues (Krizhevsky et al. 2012, section 4.1, where it is 0.1);
            it needs ``colours``.
        colours: The main colours: of each the direction (red, green, blue) times its
            eigenvalue in pixels of 0 to 1; see ``fitted``.
        border: What shows where the image has moved away: "repeat" its last pixels,
            "mirror" it, or "black".
    """

    translate: float = 0.0
    pad: int = 0
    rotate: float = 0.0
    zoom: float = 0.0
    squeeze: float = 0.0
    shear: float = 0.0
    elastic: float = 0.0
    smoothness: float = 4.0
    flip: bool = False
    brightness: float = 0.0
    contrast: float = 0.0
    colour: float = 0.0
    colours: tuple[tuple[float, ...], ...] = ()
    border: str = "mirror"

    def __post_init__(self):
        shares = ("translate", "zoom", "squeeze", "shear", "brightness", "contrast")
        limits = {**dict.fromkeys(shares, 1), "rotate": 180, "pad": 128}
        for name, limit in {**limits, "elastic": 1_000, "colour": 10}.items():
            value = getattr(self, name)
            if not 0 <= value <= limit:
                raise KerasnetsError(
                    f"augmentation {name} is {value}; 0 to {limit} is accepted"
                )
        if not 0 < self.smoothness <= 100:
            raise KerasnetsError(
                f"augmentation smoothness is {self.smoothness}; above 0 to 100 is "
                "accepted"
            )
        if self.border not in BORDERS:
            raise KerasnetsError(
                f"augmentation border is {self.border!r}; {', '.join(BORDERS)} are "
                "accepted"
            )

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> "Augment":
        """Return the augmentation whose ``dataclasses.asdict`` was written as JSON."""
        colours = tuple(tuple(colour) for colour in record.get("colours", ()))
        return cls(**{**record, "colours": colours})

    def fitted(self, images: ImageStore) -> "Augment":
        """Return the same with the main colours of a set, where it needs them."""
        if not self.colour:
            return self
        return replace(self, colours=main_colours(images))

    def draw(self, generator: np.random.Generator, count: int, side: int) -> Drawn:
        """Draw the numbers of ``count`` images of a side in pixels.

        Raises:
            KerasnetsError: The colours are not known that ``colour`` needs.
        """

        def uniform(limit: float) -> np.ndarray:
            return generator.uniform(-limit, limit, count)

        drawn: Drawn = {}
        if self._moves:
            shifts = [uniform(self.translate * side) for _ in range(2)]
            if self.pad:
                whole = generator.integers(-self.pad, self.pad + 1, (2, count))
                shifts = [a + b for a, b in zip(shifts, whole, strict=True)]
            drawn["affine"] = affine(
                side,
                angle=uniform(np.deg2rad(self.rotate)),
                zoom=uniform(self.zoom),
                across=shifts[0],
                down=shifts[1],
                squeeze=uniform(self.squeeze),
                shear=uniform(self.shear),
                mirror=generator.integers(2, size=count) == 1 if self.flip else False,
            )
        if self.elastic:
            drawn["shifts"] = self.elastic * rubber_sheet(
                generator, count, side, self.smoothness
            )
        if self.contrast:
            drawn["contrast"] = uniform(self.contrast)
        if self.brightness:
            drawn["brightness"] = uniform(self.brightness)
        if self.colour:
            drawn["colour"] = generator.normal(0, self.colour, (count, 3)) @ (
                self._known_colours()
            )
        return {name: values.astype("float32") for name, values in drawn.items()}

    def __call__(self, images: Any, drawn: Mapping[str, Any]) -> Any:
        """Return changed copies of images: see ``View``."""
        from kerasnets.data.warping import changed

        return changed(images, drawn, self.border)

    @property
    def _moves(self) -> bool:
        names = ("translate", "pad", "rotate", "zoom", "squeeze", "shear", "flip")
        return any(getattr(self, name) for name in names)

    def _known_colours(self) -> np.ndarray:
        if not self.colours:
            raise KerasnetsError(
                f"augmentation colour is {self.colour}, and the main colours of the "
                "images are not known: Augment.fitted tells them"
            )
        return np.array(self.colours)


def affine(
    side: int,
    *,
    angle: Any = 0.0,
    zoom: Any = 0.0,
    across: Any = 0.0,
    down: Any = 0.0,
    squeeze: Any = 0.0,
    shear: Any = 0.0,
    mirror: Any = False,
) -> np.ndarray:
    """Return where each pixel comes from, as ``keras.ops.image`` takes it.

    Around the middle of the picture; arguments are numbers or arrays (n,).

    Args:
        side: Of the pictures, in pixels.
        angle: Turn in radians, against the clock.
        zoom: Relative growth of the part that shows.
        across: Pixels by which the part that shows lies farther right.
        down: Pixels by which it lies farther down.
        squeeze: Relative growth of its width, while the height falls.
        shear: Its slant, pixels across for each pixel down.
        mirror: Whether left and right change places.

    Returns:
        (n, 8): a to f of x' = a x + b y + c, y' = d x + e y + f, then 0, 0.
    """
    given = (angle, zoom, across, down, squeeze, shear, mirror)
    angle, zoom, across, down, squeeze, shear, mirror = np.broadcast_arrays(
        *map(np.atleast_1d, given)
    )
    width, height = (1 + zoom) * (1 + squeeze), (1 + zoom) / (1 + squeeze)
    sign = np.where(mirror, -1.0, 1.0)
    cos, sin = np.cos(angle), np.sin(angle)
    a, b = cos * width * sign, cos * width * shear - sin * height
    d, e = sin * width * sign, sin * width * shear + cos * height
    middle = (side - 1) / 2
    rows = (
        *(a, b, middle * (1 - a - b) + across),
        *(d, e, middle * (1 - d - e) + down),
        *(np.zeros_like(a), np.zeros_like(a)),
    )
    return np.stack(rows, axis=1)


def rubber_sheet(
    generator: np.random.Generator, count: int, side: int, deviation: float
) -> np.ndarray:
    """Draw smooth random shifts, (count, side, side, 2): across and down.

    Uniform on +-1 for each pixel, then smoothed by a Gaussian; beyond the picture they
    are 0.
    """
    places = np.arange(side)
    smooth = np.exp(-0.5 * ((places[:, None] - places) / deviation) ** 2)
    smooth = (smooth / (deviation * np.sqrt(2 * np.pi))).astype("float32")
    rough = generator.random((count, 2, side, side), "float32") * 2 - 1
    return np.moveaxis(smooth @ rough @ smooth, 1, -1)


def main_colours(images: ImageStore) -> tuple[tuple[float, ...], ...]:
    """Return the main colours of a set: directions times eigenvalues.

    Of the covariance of red, green and blue, in units of 0 to 1, of ``some_pixels``.
    """
    values, vectors = np.linalg.eigh(np.cov(some_pixels(images).T / 255.0))
    # a direction has two signs; the numbers that multiply it are as often below 0
    return tuple(
        tuple(float(x) for x in value * vector)
        for value, vector in zip(values[::-1], vectors.T[::-1], strict=True)
    )


def some_pixels(images: ImageStore) -> np.ndarray:
    """Return pixels of up to 2,000 images spread over a set, about 1,024 of each.

    Returns:
        Uint8 (pixels, 3).
    """
    chosen = np.unique(np.linspace(0, len(images.ids) - 1, _SOME_IMAGES).astype(int))
    pixels = []
    for index in chosen:
        flat = images.read(int(index)).reshape(-1, 3)
        pixels.append(flat[:: max(1, len(flat) // _SOME_PIXELS)])
    return np.concatenate(pixels)
