"""The layers of AlexNetOWT in torchvision."""

from kerasnets.pixels import TORCH
from kerasnets.pretrained.counterpart import Counterpart

_LAYERS = {
    "conv1": "features.0",
    "conv2": "features.3",
    "conv3": "features.6",
    "conv4": "features.8",
    "conv5": "features.10",
    "fc6": "classifier.1",
    "fc7": "classifier.4",
    "logits": "classifier.6",
}


def torch_layer(name: str) -> str:
    """conv2 is features.3 there."""
    return _LAYERS.get(name, name)


COUNTERPARTS = (
    Counterpart(library="torchvision", layer=torch_layer, preprocessing=TORCH),
)
