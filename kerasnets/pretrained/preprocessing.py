"""What is done to pixels before a network sees them, so that nobody mixes it up."""

import dataclasses
from dataclasses import dataclass

import numpy as np
from keras import ops


@dataclass(frozen=True)
class Preprocessing:
    """From an image, RGB pixels of 0 to 255, to the input of a network.

    The image is resized so that its shorter side has ``size / crop`` pixels, the
    middle ``size`` x ``size`` are cut out, the channels brought into order, ``mean``
    subtracted and the rest divided by ``std``. Calling it does the last three steps.

    Attributes:
        mean: of each channel in the order of ``channels``, in units of 0 to 255.
        std: likewise, the divisor.
        channels: "RGB" or "BGR".
        size: side of the image that the network gets, in pixels.
        crop: share of the resized image's shorter side that is kept.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]
    channels: str = "RGB"
    size: int = 224
    crop: float = 0.875

    @property
    def resize(self) -> int:
        """The shorter side to which an image is resized before the crop, in pixels."""
        return round(self.size / self.crop)

    def fitted(self, side: int | None, channels: int = 3) -> "Preprocessing":
        """The same for a network that takes other images.

        Where these have not three channels, each gets the average of mean and std.
        """
        changes: dict = {} if side is None else {"size": side}
        if channels != len(self.mean):
            for name, values in (("mean", self.mean), ("std", self.std)):
                changes[name] = (sum(values) / len(values),) * channels
            changes["channels"] = "RGB"
        return dataclasses.replace(self, **changes)

    def __call__(self, pixels):
        """Order, centre and scale the channels.

        Args:
            pixels: (..., 3) RGB from 0 to 255: an array, a tensor of the backend or a
                Keras tensor.

        Returns:
            A float32 tensor of the same shape.
        """
        x = self._ordered(ops.cast(pixels, "float32"))
        std = np.array(self.std, "float32")
        return x / std - np.array(self.mean, "float32") / std

    def pixels(self, x):
        """The pixels that ``x`` came from: the inverse of calling."""
        std = np.array(self.std, "float32")
        return self._ordered(x * std + np.array(self.mean, "float32"))

    def converted(self, x, other: "Preprocessing"):
        """Images that were preprocessed like this, as ``other`` would have them."""
        ours = (self.mean, self.std, self.channels)
        if ours == (other.mean, other.std, other.channels):
            return x
        return other(self.pixels(x))

    def _ordered(self, x):
        return ops.flip(x, axis=-1) if self.channels == "BGR" else x

    def __str__(self):
        mean, std = (
            " ".join(f"{value:.7g}" for value in dict.fromkeys(values))
            for values in (self.mean, self.std)
        )
        return f"{self.channels}, (x - [{mean}]) / [{std}]"


# [-1, 1]: TensorFlow's networks, and the house's own trainings
UNIT = Preprocessing((127.5,) * 3, (127.5,) * 3)
# Torch's normalisation by mean and deviation of ImageNet
TORCH = Preprocessing((123.675, 116.28, 103.53), (58.395, 57.12, 57.375))
# Caffe's networks: the mean pixel of ImageNet subtracted, blue first
CAFFE = Preprocessing((103.939, 116.779, 123.68), (1.0,) * 3, channels="BGR")
# pixels as they are: the network scales them itself
RAW = Preprocessing((0.0,) * 3, (1.0,) * 3)
# mean and deviation of CIFAR-10, as fb.resnet.torch and those who follow it have them
CIFAR = Preprocessing((125.3, 123.0, 113.9), (63.0, 62.1, 66.7), size=32, crop=1.0)
