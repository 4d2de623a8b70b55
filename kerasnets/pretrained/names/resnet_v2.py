"""The layers of ResNet v2 in keras.applications and timm."""

import re

from kerasnets.pixels import UNIT
from kerasnets.pretrained.counterpart import Counterpart

_UNIT_LAYER = re.compile(r"stage(\d)_block(\d+)_(\d|shortcut)_(bn|conv)")


def keras_layer(name: str) -> str:
    """The layer's name in keras.applications, where a BN counts with the last conv."""
    found = _UNIT_LAYER.fullmatch(name)
    if found is None:
        others = {"stem_conv": "conv1_conv", "final_bn": "post_bn"}
        return others.get(name, "predictions")
    stage, block, number, kind = found.groups()
    if number == "shortcut":
        part = "0_conv"
    elif kind == "conv":
        part = f"{number}_conv"
    else:
        part = "preact_bn" if number == "1" else f"{int(number) - 1}_bn"
    return f"conv{int(stage) + 1}_block{block}_{part}"


def timm_layer(name: str) -> str:
    """The module's path in timm."""
    found = _UNIT_LAYER.fullmatch(name)
    if found is None:
        return {"stem_conv": "stem.conv", "final_bn": "norm"}.get(name, "head.fc")
    stage, block, number, kind = found.groups()
    part = {"bn": "norm", "conv": "conv"}[kind] + number
    if number == "shortcut":
        part = "downsample.conv"
    return f"stages.{int(stage) - 1}.blocks.{int(block) - 1}.{part}"


COUNTERPARTS = (
    Counterpart(library="keras", layer=keras_layer, preprocessing=UNIT),
    Counterpart(library="timm", layer=timm_layer, preprocessing=UNIT),
)
