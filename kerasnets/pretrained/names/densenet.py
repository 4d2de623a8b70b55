"""The layers of DenseNet in keras.applications and torchvision."""

import re

from kerasnets.pixels import TORCH
from kerasnets.pretrained.counterpart import Counterpart

_INNER = re.compile(r"(?:stage(\d)_block(\d+)_(\d)|transition(\d))_(bn|conv)")


def keras_layer(name: str) -> str:
    """The layer's name in keras.applications, where the first BN of a layer is 0."""
    found = _INNER.fullmatch(name)
    if found is None:
        others = {"stem_conv": "conv1_conv", "stem_bn": "conv1_bn", "final_bn": "bn"}
        return others.get(name, "predictions")
    stage, block, number, between, kind = found.groups()
    if between:
        return f"pool{int(between) + 1}_{kind}"
    part = f"{number}_conv" if kind == "conv" else f"{int(number) - 1}_bn"
    return f"conv{int(stage) + 1}_block{block}_{part}"


def torch_layer(name: str) -> str:
    """The module's path in torchvision."""
    found = _INNER.fullmatch(name)
    if found is None:
        others = {"stem_conv": "conv0", "stem_bn": "norm0", "final_bn": "norm5"}
        return f"features.{others[name]}" if name in others else "classifier"
    stage, block, number, between, kind = found.groups()
    kind = {"bn": "norm", "conv": "conv"}[kind]
    if between:
        return f"features.transition{between}.{kind}"
    return f"features.denseblock{stage}.denselayer{block}.{kind}{number}"


COUNTERPARTS = (
    Counterpart(library="keras", layer=keras_layer, preprocessing=TORCH),
    Counterpart(library="torchvision", layer=torch_layer, preprocessing=TORCH),
)
