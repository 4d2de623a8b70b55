"""The layers of GoogLeNetBN in torchvision."""

from kerasnets.pixels import UNIT
from kerasnets.pretrained.counterpart import HEAD, Counterpart

_STEM_IN_TORCH = {"conv1": "conv1", "conv2_reduce": "conv2", "conv2": "conv3"}
_BRANCH_IN_TORCH = {
    "1x1": "branch1",
    "3x3_reduce": "branch2.0",
    "3x3": "branch2.1",
    "5x5_reduce": "branch3.0",
    "5x5": "branch3.1",
    "pool_proj": "branch4.1",
}
_HEAD_IN_TORCH = {"conv": "conv.conv", "bn": "conv.bn", "fc": "fc1", HEAD: "fc2"}


def torch_layer(layer: str) -> str:
    """Our layer in torchvision's GoogLeNet."""
    if layer == HEAD:
        return "fc"
    place, _, part = layer.rpartition("_")
    if place in _STEM_IN_TORCH:
        return f"{_STEM_IN_TORCH[place]}.{part}"
    if place.startswith("auxiliary"):
        return f"aux{place[-1]}.{_HEAD_IN_TORCH[part]}"
    module, _, branch = place.partition("_")
    return f"{module}.{_BRANCH_IN_TORCH[branch]}.{part}"


COUNTERPARTS = (
    Counterpart(
        library="torchvision",
        layer=torch_layer,
        preprocessing=UNIT,
        top=("fc.",),
        extras=("aux1.", "aux2."),
    ),
)
