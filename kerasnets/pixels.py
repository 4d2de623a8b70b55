"""What a network wants done to pixels before it sees them, and who says so.

The fact travels in the graph: an identity layer, ``Pixels``, right behind the input of
every network of the zoo. Of other models ``pixels_of`` looks at what reads the input;
what cannot be known is an error, never a guess.
"""

import dataclasses
import re
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import ops

from kerasnets.errors import KerasnetsError
from kerasnets.graph import Call, consumers, graph_of, leaf_layers
from kerasnets.grey import LUMA


@dataclass(frozen=True)
class Preprocessing:
    """From an image, RGB pixels of 0 to 255, to the input of a network.

    The image is resized so that its shorter side has ``size / crop`` pixels, the
    middle ``size`` x ``size`` are cut out, the channels brought into order, ``mean``
    subtracted and the rest divided by ``std``. Calling it does the last three steps.

    Attributes:
        mean: Of each channel in the order of ``channels``, in units of 0 to 255.
        std: Likewise, the divisor.
        channels: "RGB" or "BGR".
        size: Side of the image that the network gets, in pixels.
        crop: Share of the resized image's shorter side that is kept.
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

    def __call__(self, pixels, width: int | None = None):
        """Order, centre and scale the channels.

        Args:
            pixels: (..., 3) RGB from 0 to 255, or as many channels as the network
                takes: an array, a tensor of the backend or a Keras tensor.
            width: Of the images, where they come fast: TensorFlow subtracts a whole row
                in a fifth of the time that it takes pixel by pixel.

        Returns:
            A float32 tensor of the network's channels: of one, grey by ITU-R BT.601 in
            whole levels, as an image of one channel has them.
        """
        x: Any = self._ordered(ops.cast(pixels, "float32"))
        if len(self.mean) == 1 and x.shape[-1] == 3:
            x = ops.round(ops.sum(x * np.array(LUMA, "float32"), -1, keepdims=True))
        mean, std = np.array(self.mean, "float32"), np.array(self.std, "float32")
        if width is not None:
            mean, std = np.tile(mean, (width, 1)), np.tile(std, (width, 1))
        return x / std - mean / std

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


# how a convention is said on the command line
_STATED = {
    "0..255": RAW,
    "0..1": Preprocessing((0.0,) * 3, (255.0,) * 3),
    "-1..1": UNIT,
    "torch": TORCH,
    "caffe": CAFFE,
}
ACCEPTED = "0..255, 0..1, -1..1, torch, caffe or MEAN:STD (R,G,B:R,G,B)"


def parse_pixels(text: str, channels: int = 3) -> Preprocessing:
    """The convention that a user states.

    Args:
        text: "0..255" (the model takes pixels as they are), "0..1", "-1..1", "torch",
            "caffe", or MEAN:STD in units of 0 to 255: one number for all channels or
            as many as there are, with commas between.
        channels: Those of the model's images.

    Raises:
        KerasnetsError: The text is none of these.
    """
    if text in _STATED:
        return _STATED[text].fitted(None, channels)
    mean, colon, std = text.partition(":")
    try:
        means, stds = (_numbers(part, channels) for part in (mean, std))
    except ValueError:
        means, stds = (), ()
    if not colon or not stds or min(stds) <= 0:
        raise KerasnetsError(f"pixels {text!r} are not known; accepted: {ACCEPTED}")
    return Preprocessing(means, stds)


def _numbers(text: str, channels: int) -> tuple[float, ...]:
    """A finite number for each channel, from one or all of them."""
    values = [float(part) for part in text.split(",")]
    if len(values) not in (1, channels) or not np.isfinite(values).all():
        raise ValueError(text)
    return tuple(values * (channels // len(values)))


def describe(given: Preprocessing, *, inside: bool = True) -> str:
    """One line on what a file does to its pixels.

    Args:
        given: What the network wants.
        inside: Whether the file does it itself; else whoever calls it must.
    """
    if not any(given.mean) and set(given.std) == {1.0} and given.channels == "RGB":
        return "pixels 0 to 255, taken as they are"
    order = "" if given.channels == "RGB" else f"{given.channels}, "
    mean, std = (_shown(values) for values in (given.mean, given.std))
    formula = "x" if not any(given.mean) else f"x - {mean}"
    if set(given.std) != {1.0}:
        formula = f"({formula}) / {std}" if "-" in formula else f"{formula} / {std}"
    place = "inside" if inside else "outside, before the file"
    return f"pixels 0 to 255, normalised {place}: {order}{formula}"


def _shown(values: tuple[float, ...]) -> str:
    different = [f"{value:.7g}" for value in dict.fromkeys(values)]
    return different[0] if len(different) == 1 else f"[{' '.join(different)}]"


@keras.saving.register_keras_serializable("kerasnets")
class Pixels(keras.layers.Layer):
    """Passes images on as they are, and says what was to be done to their pixels.

    It survives saving, cloning, renaming and nesting, and costs no operation in an
    exported file. Input and output (batch, height, width, channels).

    Args:
        mean: Of each channel in the order of ``channels``, in units of 0 to 255.
        std: The divisor of each channel.
        channels: "RGB" or "BGR".
        size: Side of the images, in pixels.
        crop: Share of the resized image's shorter side that is kept.
    """

    def __init__(self, mean, std, channels="RGB", size=224, crop=0.875, **kwargs):
        super().__init__(**{"autocast": False, **kwargs})
        self.preprocessing = Preprocessing(
            tuple(mean), tuple(std), channels, size, crop
        )

    def call(self, inputs):
        return inputs

    def compute_output_spec(self, inputs):
        return keras.KerasTensor(inputs.shape, dtype=inputs.dtype)

    def get_config(self):
        return {**super().get_config(), **dataclasses.asdict(self.preprocessing)}


def carry(inputs, given: Preprocessing):
    """The images ``inputs``, a Keras tensor, with what is to be done to them."""
    given = given.fitted(inputs.shape[1], inputs.shape[3])
    return Pixels(**dataclasses.asdict(given), name="pixels")(inputs)


def pixels_of(model: keras.Model, stated: Preprocessing | None = None) -> Preprocessing:
    """What must be done to pixels before a model sees them.

    Args:
        model: Any model that takes one batch of images.
        stated: What its owner says; it goes before all that can be seen.

    Returns:
        ``stated``; else what a ``Pixels`` layer behind the input carries; else pixels
        as they are, where the model scales them itself (``Rescaling``,
        ``Normalization``, a constant factor or summand) or takes integers; else the
        convention of keras.applications, for a network with the layers of one of its
        own. Fitted to the model's size and channels.

    Raises:
        KerasnetsError: None of these: the convention cannot be known.
    """
    shapes = [tensor.shape for tensor in getattr(model, "inputs", None) or ()]
    if len(shapes) != 1 or len(shapes[0]) != 4:
        raise KerasnetsError(
            f"model {model.name!r} has inputs of shapes {shapes}: one batch of images,"
            " (None, height, width, channels), has pixels"
        )
    found = stated if stated is not None else _seen(model)
    if found is None:
        raise KerasnetsError(
            f"what model {model.name!r} wants done to its pixels is not known: say"
            f" --pixels, or pixels= in Python, with {ACCEPTED}"
        )
    _, height, _, channels = shapes[0]
    return found.fitted(height, channels)


def with_pixels(model: keras.Model, given: Preprocessing) -> keras.Model:
    """The model with a layer that carries what is to be done to its pixels.

    The other layers are shared: they become those of a nested model, or, where the
    model carries something else by now, stay where they are.

    Args:
        model: Functional or sequential, from one batch of images.
        given: What its owner says.
    """
    given = pixels_of(model, given)
    if any(isinstance(layer, Pixels) for layer in leaf_layers(model).values()):

        def other(layer):
            if not isinstance(layer, Pixels):
                return layer
            return Pixels(**dataclasses.asdict(given), name=layer.name)

        return keras.models.clone_model(model, clone_function=other, recursive=True)
    image = model.inputs[0]
    new = keras.Input(batch_shape=image.shape, dtype=image.dtype, name="image")
    return keras.Model(new, model(carry(new, given)), name=model.name)


def _seen(model: keras.Model) -> Preprocessing | None:
    """What the graph itself says; None where it says nothing, or two things."""
    image = model.inputs[0]
    if "int" in keras.backend.standardize_dtype(image.dtype):
        return RAW
    sides = [side or _SIDE for side in image.shape[1:3]]
    probes = np.array(_PROBES, "float32").reshape(-1, 1, 1, 1)
    images = np.broadcast_to(probes, (len(_PROBES), *sides, image.shape[3]))
    found = _behind(graph_of(model), images, image)
    return found or _of_keras_applications(model)


def _behind(graph: Any, images: Any, tensor: Any) -> Preprocessing | None:
    """What all that reads a tensor agrees on; None where it does not.

    Args:
        graph: A functional graph.
        images: What its input gets for images of the constant values ``_PROBES``.
        tensor: Of ``graph``, images still.
    """
    found = {_reader(graph, images, tensor, call) for call in consumers(graph, tensor)}
    return found.pop() if len(found) == 1 else None


def _reader(graph: Any, images: Any, tensor: Any, call: Call) -> Preprocessing | None:
    """What one reader of images says about their pixels."""
    operation, inner = call.operation, graph_of(call.operation)
    carries = isinstance(operation, Pixels)
    # three: channels may be taken apart and stacked again
    if not carries and not _learns(operation) and len(call.outputs[0].shape) > 2:
        return _behind(graph, images, call.outputs[0])
    values = images
    if tensor is not graph.inputs[0]:
        values = keras.Model(graph.inputs[0], tensor)(images, training=False)
    if carries:
        return operation.preprocessing if _is_same(values) else _scaled(values)
    if inner is not None and len(inner.inputs) == 1:
        return _behind(inner, values, inner.inputs[0])
    return _scaled(values) if len(tensor.shape) == 4 else None


def _learns(operation: Any) -> bool:
    """Whether an operation has weights that training finds."""
    layers = [operation]
    if isinstance(operation, keras.Model):
        layers = list(leaf_layers(operation).values())
    return any(
        getattr(layer, "weights", ())
        for layer in layers
        if not isinstance(layer, keras.layers.Normalization)
    )


def _middles(values: Any) -> np.ndarray:
    """The middle pixel of what became of each probe (probes, channels)."""
    values = keras.ops.convert_to_numpy(values)
    return values[:, values.shape[1] // 2, values.shape[2] // 2].astype("float64")


def _is_same(values: Any) -> bool:
    """Whether the probes are as they were."""
    middles = _middles(values)
    return np.allclose(middles, np.array(_PROBES)[:, None], atol=1e-2)


def _scaled(values: Any) -> Preprocessing | None:
    """Pixels as they are, where what became of 0 to 255 is what networks learn from.

    A model that takes 0 to 1 and scales that would turn 255 into hundreds.
    """
    low, middle, high = _middles(values)
    span = np.abs(high - low)
    share = (_PROBES[1] - _PROBES[0]) / (_PROBES[2] - _PROBES[0])
    if not np.allclose(middle, low + share * (high - low), rtol=1e-3, atol=1e-3):
        return None
    centred = np.allclose(span, 255, atol=0.5) and np.all((low < -31) & (high > 31))
    return RAW if centred or np.all((span > 0) & (span <= _WIDEST)) else None


def _of_keras_applications(model: keras.Model) -> Preprocessing | None:
    """The convention of the keras.applications network whose stem a model has."""
    learning = [layer for layer in leaf_layers(model).values() if layer.weights]
    stem = " ".join(_in_stem(layer) for layer in learning[:9])
    return next((said for key, said in _STEMS.items() if stem.startswith(key)), None)


def _in_stem(layer: keras.layers.Layer) -> str:
    """The name of a layer, and its kernel where Keras made the name up."""
    made_up = type(layer).__name__ == "Conv2D" and layer.name.startswith("conv2d")
    if not made_up:
        return re.sub(r"^(batch_normalization)_[0-9]+$", r"\1", layer.name)
    height, width, _, filters = layer.weights[0].shape
    return f"conv2d:{height}x{width}x{filters}"


# the side of a probe where a model leaves it open
_SIDE = 64
_PROBES = (0.0, 128.0, 255.0)
# of the interval that pixels of 0 to 255 become: deviations are some 16 and more
_WIDEST = 16.0
# the first layers with weights of those networks of keras.applications that take
# preprocessed images
_STEMS = {
    # VGG
    "block1_conv1 block1_conv2 block2_conv1 block2_conv2 block3_conv1": CAFFE,
    # ResNet
    "conv1_conv conv1_bn conv2_block1_1_conv conv2_block1_1_bn": CAFFE,
    # ResNet v2
    "conv1_conv conv2_block1_preact_bn conv2_block1_1_conv": UNIT,
    # DenseNet
    "conv1_conv conv1_bn conv2_block1_0_bn conv2_block1_1_conv": TORCH,
    # MobileNet
    "conv1 conv1_bn conv_dw_1 conv_dw_1_bn conv_pw_1 conv_pw_1_bn": UNIT,
    # MobileNet v2
    "Conv1 bn_Conv1 expanded_conv_depthwise expanded_conv_depthwise_BN": UNIT,
    # MobileNet v3 without the scaling that it has by default
    "conv conv_bn expanded_conv_depthwise expanded_conv_depthwise_bn": UNIT,
    # MobileNet v3 large begins with a block that does not expand its maps
    "conv conv_bn expanded_conv_depthwise expanded_conv_project": UNIT,
    # Xception
    "block1_conv1 block1_conv1_bn block1_conv2 block1_conv2_bn block2_sepconv1": UNIT,
    # NASNet
    "stem_conv1 stem_bn1 reduction_conv_1_stem_1 reduction_bn_1_stem_1": UNIT,
    # Inception v3 and Inception-ResNet v2
    "conv2d:3x3x32 batch_normalization conv2d:3x3x32 batch_normalization"
    " conv2d:3x3x64 batch_normalization conv2d:1x1x80 batch_normalization"
    " conv2d:3x3x192": UNIT,
}
