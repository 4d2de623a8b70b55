"""The layers of Inception-v3 in keras.applications and torchvision."""

import re
from collections.abc import Callable

from kerasnets.pixels import Preprocessing
from kerasnets.pretrained.counterpart import AUXILIARY, HEAD, Counterpart

_TORCH_STEM = ("1a_3x3", "2a_3x3", "2b_3x3", "3b_1x1", "4a_3x3")


def keras_layer(layer: str, convs: list[str]) -> str:
    """All but the last are counted there."""
    if layer == HEAD:
        return "predictions"
    if layer.rpartition("_")[0] not in convs:
        return layer  # the auxiliary classifier, which Keras has not
    return counted_layer(layer, convs)


def counted_layer(layer: str, convs: list[str]) -> str:
    """conv2d_3 there is the fourth convolution that was built."""
    title, _, part = layer.rpartition("_")
    kind = {"conv": "conv2d", "bn": "batch_normalization"}[part]
    return f"{kind}_{convs.index(title)}"


def torch_layer(layer: str) -> str:
    """mixed5b_1x1_conv is Mixed_5b.branch1x1.conv there."""
    if layer == HEAD:
        return "fc"
    title, _, part = layer.rpartition("_")
    if title == f"{AUXILIARY}1":
        return "AuxLogits.fc"
    where, _, branch = title.partition("_")
    if where == f"{AUXILIARY}1":
        return f"AuxLogits.{branch}.{part}"
    if where == "stem":
        return f"Conv2d_{_TORCH_STEM[int(branch) - 1]}.{part}"
    branch = re.sub("^pool", "_pool", branch)
    return f"{where.replace('mixed', 'Mixed_')}.branch{branch}.{part}"


def in_keras(
    layer: Callable[[str, list[str]], str],
    convs: list[str],
    preprocessing: Preprocessing,
) -> Counterpart:
    """The counterpart in keras.applications, where layers are counted.

    Args:
        layer: From the name of our layer and those of the convolutions to the name
            there.
        convs: Our names of the convolutions, in their order.
        preprocessing: With which its weights were trained.
    """
    return Counterpart(
        library="keras",
        layer=lambda name: layer(name, convs),
        preprocessing=preprocessing,
    )


def counterparts(
    convs: list[str], preprocessing: Preprocessing
) -> tuple[Counterpart, ...]:
    """The counterparts, from our names of the convolutions in their order."""
    return (
        in_keras(keras_layer, convs, preprocessing),
        Counterpart(
            library="torchvision",
            layer=torch_layer,
            # torchvision's own network brings its images to [-1, 1] itself
            preprocessing=preprocessing,
            extras=("AuxLogits.",),
        ),
    )
