"""Pictures moved and recoloured by given numbers, on any backend and in tf.data."""

from collections.abc import Mapping
from typing import Any

from keras import ops

# as Keras calls what shows where an image has moved away
_FILL_MODES = {"repeat": "nearest", "mirror": "reflect", "black": "constant"}


def changed(images: Any, drawn: Mapping[str, Any], border: str) -> Any:
    """Return changed copies of images.

    Args:
        images: Float32 (batch, side, side, 3) with values 0 to 255.
        drawn: Numbers of each image: "affine" (batch, 8), where its pixels come from;
            "shifts" (batch, side, side, 2), how much farther across and down;
            "contrast" and "brightness" (batch,), relative change and share of the
            range; "colour" (batch, 3), likewise a share. Each may be missing.
        border: As of ``Augment``.
    """
    if "shifts" in drawn:
        images = _drawn_about(images, drawn["shifts"], drawn.get("affine"), border)
    elif "affine" in drawn:
        images = ops.image.affine_transform(
            images,
            drawn["affine"],
            fill_mode=_FILL_MODES[border],
            data_format="channels_last",
        )
    if "contrast" in drawn:
        mean = ops.mean(images, axis=(1, 2, 3), keepdims=True)
        images = mean + (images - mean) * (1.0 + _of_images(drawn["contrast"]))
    if "brightness" in drawn:
        images = images + 255.0 * _of_images(drawn["brightness"])
    if "colour" in drawn:
        # a row of them: TensorFlow adds that in a fourth of the time
        colour: Any = ops.repeat(drawn["colour"][:, None, None, :], images.shape[2], 2)
        images = images + 255.0 * colour
    return ops.clip(images, 0.0, 255.0)


def _of_images(numbers: Any) -> Any:
    return numbers[:, None, None, None]


def _drawn_about(images: Any, shifts: Any, matrix: Any, border: str) -> Any:
    """Images moved by an affine map and a shift of each pixel, in one bilinear step."""
    side = images.shape[1]
    places: Any = ops.arange(side, dtype="float32")
    x, y = places[None, None, :], places[None, :, None]
    if matrix is not None:
        a, b, c, d, e, f = (matrix[:, i, None, None] for i in range(6))
        x, y = a * x + b * y + c, d * x + e * y + f
    return sampled(images, x + shifts[..., 0], y + shifts[..., 1], border)


def sampled(images: Any, x: Any, y: Any, border: str) -> Any:
    """Return bilinear samples of images.

    Args:
        images: Float32 (batch, side, side, channels).
        x: Columns of the samples, (batch, height, width).
        y: Rows of the samples, likewise.
        border: As of ``Augment``.
    """
    left: Any = ops.floor(x)
    top: Any = ops.floor(y)
    right, bottom = x - left, y - top
    total: Any = 0.0
    for row, of_row in ((top, 1.0 - bottom), (top + 1.0, bottom)):
        for column, of_column in ((left, 1.0 - right), (left + 1.0, right)):
            weight = ops.expand_dims(of_row * of_column, -1)
            total = total + weight * _pixels_at(images, column, row, border)
    return total


def _pixels_at(images: Any, x: Any, y: Any, border: str) -> Any:
    """Pixels in whole places, which may lie beyond the border."""
    side, channels = images.shape[1], images.shape[-1]
    rows: Any = ops.cast(_inside(y, side, border), "int32")
    columns: Any = ops.cast(_inside(x, side, border), "int32")
    count: Any = ops.shape(images)
    numbers: Any = ops.arange(count[0], dtype="int32")
    first = numbers[:, None, None] * side**2
    flat: Any = ops.reshape(images, (-1, channels))
    found: Any = ops.take(flat, first + rows * side + columns, axis=0)
    if border == "black":
        seen = (x >= 0) & (x < side) & (y >= 0) & (y < side)
        found = found * ops.cast(ops.expand_dims(seen, -1), found.dtype)
    return found


def _inside(at: Any, side: int, border: str) -> Any:
    """A place in the picture whose pixel shows at a place that may be beyond it."""
    if border == "mirror":
        # the last pixel is repeated: 2 1 0 | 0 1 2 | 2 1 0
        at = ops.mod(at, 2.0 * side)
        at = ops.minimum(at, 2.0 * side - 1.0 - at)
    return ops.clip(at, 0.0, side - 1.0)
