"""The layers of InceptionResNetV2 in keras.applications and timm."""

import dataclasses

from kerasnets.pixels import Preprocessing
from kerasnets.pretrained.counterpart import HEAD, Counterpart
from kerasnets.pretrained.names.inception_v3 import counted_layer, in_keras
from kerasnets.pretrained.names.inception_v4 import torch_branch

_KERAS_BLOCKS = {"1": "block35", "2": "block17", "3": "block8", "4": "block8"}
_TORCH_BLOCKS = {"1": "repeat", "2": "repeat_1", "3": "repeat_2"}
_TORCH_STEM = ("1a", "2a", "2b", "3b", "4a")
_TORCH_MODULES = {
    "mixed5b": "mixed_5b",
    "reduction_a": "mixed_6a",
    "reduction_b": "mixed_7a",
}


def keras_layer(layer: str, convs: list[str]) -> str:
    """Most convolutions have no names there and are counted."""
    fixed = {HEAD: "predictions", "last_conv": "conv_7b", "last_bn": "conv_7b_bn"}
    if layer in fixed:
        return fixed[layer]
    title, _, part = layer.rpartition("_")
    if part == "linear":
        stage, block = _place(title)
        block = 10 if stage == "4" else block  # the last one counts on from the third
        return f"{_KERAS_BLOCKS[stage]}_{block}_conv"
    return counted_layer(layer, convs)


def torch_layer(layer: str) -> str:
    """stage2_block3_branch0_conv is repeat_1.2.branch0.conv there."""
    if layer == HEAD:
        return "classif"
    title, _, part = layer.rpartition("_")
    if title == "last":
        return f"conv2d_7b.{part}"
    if title.startswith("stem_"):
        return f"conv2d_{_TORCH_STEM[int(title[5:]) - 1]}.{part}"
    for ours, theirs in _TORCH_MODULES.items():
        if title.startswith(ours):
            return f"{theirs}.{torch_branch(title[len(ours) + 1 :])}.{part}"
    stage, block = _place(title)
    where = "block8" if stage == "4" else f"{_TORCH_BLOCKS[stage]}.{block - 1}"
    if part == "linear":
        return f"{where}.conv2d"
    return f"{where}.{torch_branch(title.split('_', 2)[2])}.{part}"


def _place(title: str) -> tuple[str, int]:
    """Stage and number of a block, from the name of a layer of it."""
    stage, block, *_ = title.split("_")
    return stage.removeprefix("stage"), int(block.removeprefix("block"))


def counterparts(
    convs: list[str], preprocessing: Preprocessing
) -> tuple[Counterpart, ...]:
    """The counterparts, from our names of the convolutions in their order."""
    return (
        in_keras(keras_layer, convs, preprocessing),
        Counterpart(
            library="timm",
            layer=torch_layer,
            preprocessing=dataclasses.replace(preprocessing, crop=0.8975),
            top=("classif.",),
        ),
    )
