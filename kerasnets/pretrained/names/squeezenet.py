"""The layers of SqueezeNet in torchvision."""

from collections.abc import Sequence

from kerasnets.pixels import TORCH
from kerasnets.pretrained.counterpart import HEAD, Counterpart


def counterparts(fires: Sequence[int]) -> tuple[Counterpart, ...]:
    """The counterpart of a network with so many fire modules after each pooling."""
    names, place, number = {"stem_conv": "features.0", HEAD: "classifier.1"}, 2, 2
    for count in fires:
        for _ in range(count):
            place += 1
            for part in ("squeeze", "expand1x1", "expand3x3"):
                names[f"fire{number}_{part}_conv"] = f"features.{place}.{part}"
            number += 1
        place += 1  # the pooling
    layer = names.__getitem__
    return (Counterpart(library="torchvision", layer=layer, preprocessing=TORCH),)
