"""The layers of MobileNet v3 in keras.applications."""

from collections.abc import Sequence
from functools import partial

from kerasnets.pixels import UNIT
from kerasnets.pretrained.counterpart import Counterpart
from kerasnets.pretrained.names.mobilenet import block_number

_ALONE = {
    "stem_conv": "conv",
    "stem_bn": "conv_bn",
    "head_conv": "conv_1",
    "head_bn": "conv_1_bn",
    "fc1": "conv_2",
    "logits": "logits",
}
_GATE = {
    "squeeze_conv": "squeeze_excite_conv",
    "excite_conv": "squeeze_excite_conv_1",
}


def keras_layer(name: str, depths: Sequence[int]) -> str:
    """stage2_block1_project_conv is expanded_conv_1_project there."""
    if name in _ALONE:
        return _ALONE[name]
    number, part = block_number(name, depths)
    block = f"expanded_conv_{number - 1}" if number > 1 else "expanded_conv"
    return f"{block}_{_GATE.get(part, part.removesuffix('_conv'))}"


def counterparts(depths: Sequence[int]) -> tuple[Counterpart, ...]:
    """The counterpart of a network with so many blocks in each stage."""
    layer = partial(keras_layer, depths=depths)
    top = ("conv_2/", "logits/")
    return (Counterpart(library="keras", layer=layer, preprocessing=UNIT, top=top),)
