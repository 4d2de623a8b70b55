"""The layers of MobileNet v2 in keras.applications."""

from kerasnets.pixels import UNIT
from kerasnets.pretrained.counterpart import Counterpart
from kerasnets.pretrained.names.mobilenet import block_number

_DEPTHS = (1, 2, 3, 4, 3, 3, 1)
_ALONE = {
    "stem_conv": "Conv1",
    "stem_bn": "bn_Conv1",
    "head_conv": "Conv_1",
    "head_bn": "Conv_1_bn",
    "logits": "predictions",
}


def keras_layer(name: str) -> str:
    """stage2_block1_expand_bn is block_1_expand_BN there."""
    if name in _ALONE:
        return _ALONE[name]
    number, part = block_number(name, _DEPTHS)
    block = f"block_{number - 1}" if number > 1 else "expanded_conv"
    return f"{block}_{part.removesuffix('_conv').replace('_bn', '_BN')}"


COUNTERPARTS = (Counterpart(library="keras", layer=keras_layer, preprocessing=UNIT),)
