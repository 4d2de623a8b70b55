"""The layers of MobileNet in keras.applications."""

import re
from collections.abc import Sequence

from kerasnets.pixels import UNIT
from kerasnets.pretrained.counterpart import Counterpart

_DEPTHS = (1, 2, 2, 6, 2)


def block_number(name: str, depths: Sequence[int]) -> tuple[int, str]:
    """Of the name of a layer in a block: the block, counted from 1, and the rest.

    ``depths`` are the blocks of each stage: with (1, 2), stage2_block2_add is block 3.
    """
    match = re.fullmatch(r"stage(\d+)_block(\d+)_(\w+)", name)
    if match is None:
        raise ValueError(f"layer {name!r} is in no block")
    stage, block, part = match.groups()
    return sum(depths[: int(stage) - 1]) + int(block), part


def keras_layer(name: str) -> str:
    """stage2_block1_pointwise_conv is conv_pw_2 there."""
    alone = {"stem_conv": "conv1", "stem_bn": "conv1_bn", "logits": "conv_preds"}
    if name in alone:
        return alone[name]
    number, part = block_number(name, _DEPTHS)
    return {
        "depthwise_conv": f"conv_dw_{number}",
        "depthwise_bn": f"conv_dw_{number}_bn",
        "pointwise_conv": f"conv_pw_{number}",
        "pointwise_bn": f"conv_pw_{number}_bn",
    }[part]


COUNTERPARTS = (
    Counterpart(
        library="keras", layer=keras_layer, preprocessing=UNIT, top=("conv_preds/",)
    ),
)
