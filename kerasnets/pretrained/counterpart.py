"""A network of ours in another library."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from kerasnets.pixels import Preprocessing

# the layer that gives classes; names of auxiliary ones end in it too
HEAD = "logits"
# how the names of all layers of auxiliary classifiers start
AUXILIARY = "auxiliary"


@dataclass(frozen=True, kw_only=True)
class Counterpart:
    """The same network in another library, whose weights can be carried over.

    Attributes:
        library: "keras" (keras.applications), "torchvision" or "timm".
        layer: Function from the name of our layer to the layer's there; for torch to
            the path of the module.
        preprocessing: With which its weights were trained.
        extras: Prefixes of its layers that ours leaves out on purpose (auxiliary
            classifiers).
        top: Prefixes of its layers that ``include_top=False`` leaves out.
        builder: The network's name there, which figures.csv tells.
    """

    library: str
    layer: Callable[[str], str]
    preprocessing: Preprocessing
    extras: tuple[str, ...] = ()
    top: tuple[str, ...] = (
        *("fc.", "classifier.", "head.", "last_linear."),
        "predictions/",
    )
    builder: str = ""


def origin(weights: str | Path | None) -> str:
    """Where weights come from: "keras", "torch", or "paper" for our own."""
    text = "" if weights is None else str(weights)
    if text == "imagenet" or is_keras_applications_file(text):
        return "keras"
    torch = text.startswith("timm:") or text.endswith((".pth", ".pt", ".safetensors"))
    return "torch" if torch else "paper"


def is_keras_applications_file(path: str) -> bool:
    """Whether a path is named like the weights that keras.applications fetches.

    HDF5 as Keras 2 wrote it: ``.h5``, where Keras 3 says ``.weights.h5``.
    """
    return path.endswith(".h5") and not path.endswith(".weights.h5")
