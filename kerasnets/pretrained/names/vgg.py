"""The layers of VGG in keras.applications and torchvision."""

from collections.abc import Sequence

from kerasnets.pixels import CAFFE, TORCH
from kerasnets.pretrained.counterpart import Counterpart


def keras_layer(name: str) -> str:
    """stage1_conv2 is block1_conv2 there."""
    return "predictions" if name == "logits" else name.replace("stage", "block")


def torch_layers(depths: Sequence[int], *, batch_norm: bool) -> dict[str, str]:
    """Torchvision numbers all modules in order, those without weights too."""
    names = {"fc1": "classifier.0", "fc2": "classifier.3", "logits": "classifier.6"}
    index = 0
    for i, depth in enumerate(depths, start=1):
        for j in range(1, depth + 1):
            names[f"stage{i}_conv{j}"] = f"features.{index}"
            names[f"stage{i}_conv{j}_bn"] = f"features.{index + 1}"
            index += 3 if batch_norm else 2
        index += 1
    return names


def counterparts(depths: Sequence[int], *, batch_norm: bool) -> tuple[Counterpart, ...]:
    """The counterparts of a network with so many convolutions in each stage."""
    names = torch_layers(depths, batch_norm=batch_norm)
    layer = names.__getitem__
    return (
        Counterpart(
            library="keras",
            layer=keras_layer,
            preprocessing=CAFFE,
            top=("fc1/", "fc2/", "predictions/"),
        ),
        Counterpart(library="torchvision", layer=layer, preprocessing=TORCH),
    )
