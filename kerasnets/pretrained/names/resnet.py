"""The layers of ResNet in keras.applications, torchvision and timm."""

from kerasnets.pixels import CAFFE, TORCH
from kerasnets.pretrained.counterpart import Counterpart


def torch_layer(layer: str) -> str:
    """stage1_block2_3_conv is layer1.1.conv3 there."""
    outside = {"stem_conv": "conv1", "stem_bn": "bn1", "logits": "fc"}
    if layer in outside:
        return outside[layer]
    stage, block, part, kind = layer.split("_")
    number = int(block.removeprefix("block")) - 1
    module = f"layer{stage.removeprefix('stage')}.{number}"
    if part == "shortcut":
        return f"{module}.downsample.{'01'[kind == 'bn']}"
    return f"{module}.{kind}{part}"


def keras_layer(layer: str) -> str:
    """stage1_block2_3_conv is conv2_block2_3_conv there."""
    outside = {"stem_conv": "conv1_conv", "stem_bn": "conv1_bn"}
    outside["logits"] = "predictions"
    if layer in outside:
        return outside[layer]
    stage, block, part, kind = layer.split("_")
    number = int(stage.removeprefix("stage")) + 1
    return f"conv{number}_{block}_{part.replace('shortcut', '0')}_{kind}"


COUNTERPARTS = (
    Counterpart(library="keras", layer=keras_layer, preprocessing=CAFFE),
    Counterpart(library="torchvision", layer=torch_layer, preprocessing=TORCH),
    Counterpart(library="timm", layer=torch_layer, preprocessing=TORCH),
)
