"""The layers of Inception-v3 in keras.applications and torchvision."""

import re
from functools import partial

from kerasnets.pixels import Preprocessing
from kerasnets.pretrained.counterpart import AUXILIARY, HEAD, Counterpart

_TORCH_STEM = ("1a_3x3", "2a_3x3", "2b_3x3", "3b_1x1", "4a_3x3")


def keras_layer(layer: str, convs: list[str]) -> str:
    """conv2d_3 there is the fourth convolution that was built."""
    if layer == HEAD:
        return "predictions"
    title, _, part = layer.rpartition("_")
    if title not in convs:  # the auxiliary classifier, which Keras has not
        return layer
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


def counterparts(
    convs: list[str], preprocessing: Preprocessing
) -> tuple[Counterpart, ...]:
    """The counterparts, from our names of the convolutions in their order."""
    return (
        Counterpart(
            library="keras",
            layer=partial(keras_layer, convs=convs),
            preprocessing=preprocessing,
        ),
        Counterpart(
            library="torchvision",
            layer=torch_layer,
            # torchvision's own network brings its images to [-1, 1] itself
            preprocessing=preprocessing,
            extras=("AuxLogits.",),
        ),
    )
