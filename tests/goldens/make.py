"""Make the goldens again: outputs of torchvision's and timm's networks.

    python tests/goldens/make.py

Needs torch, torchvision and timm beside kerasnets (KERAS_BACKEND=torch will do). Only
names of networks and image sizes are taken from kerasnets; every number comes from the
other library, with weights drawn from ``seeded.py``.
"""

import importlib.metadata
import json
from pathlib import Path

import seeded
import timm
import torch
import torchvision

from kerasnets import applications

OUT = Path(__file__).with_name("outputs.json")
# of these the dense layers or the coarse maps want the paper's size or nearly so
SIZES = {"alexnet": 224, "vgg": 224, "inception": 139}


def size_of(builder: str) -> int:
    """An odd side, so that every rounding shows, where the network leaves a choice."""
    return next((s for name, s in SIZES.items() if builder.startswith(name)), 97)


def source(library: str, builder: str) -> torch.nn.Module:
    """The network as the other library builds it."""
    if library == "timm":
        return timm.create_model(builder, num_classes=seeded.CLASSES)
    options = (
        {"init_weights": False} if "net" in builder and "google" in builder else {}
    )
    return torchvision.models.get_model(
        builder, weights=None, num_classes=seeded.CLASSES, **options
    )


def outputs(library: str, builder: str, size: int) -> list[list[float]]:
    """The logits for the two images."""
    network = source(library, builder).eval()
    state = {
        name: torch.from_numpy(seeded.tensor(name, tuple(value.shape)))
        for name, value in network.state_dict().items()
        if not name.endswith("num_batches_tracked")
    }
    network.load_state_dict(state, strict=False)
    pixels = torch.from_numpy(seeded.images(size).transpose(0, 3, 1, 2).copy())
    with torch.no_grad():
        logits = network(pixels).numpy()
    return [[float(f"{x:.7g}") for x in row] for row in logits]


def main() -> None:
    """Write the file."""
    networks = {}
    for name, builder in applications.BUILDERS.items():
        counterpart = builder.network.torch
        if counterpart is None:
            continue
        size = size_of(counterpart.builder)
        networks[name] = {
            "counterpart": f"{counterpart.library} {counterpart.builder}",
            "size": size,
            "logits": outputs(counterpart.library, counterpart.builder, size),
        }
        print(name)
    versions = {
        library: importlib.metadata.version(library)
        for library in ("torch", "torchvision", "timm")
    }
    content = {"made_with": versions, "networks": networks}
    OUT.write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()
