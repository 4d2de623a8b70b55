"""The layers of Inception-v4 in timm."""

import re
from functools import partial

from kerasnets.pixels import Preprocessing
from kerasnets.pretrained.counterpart import HEAD, Counterpart


def torch_branch(branch: str) -> str:
    """Where timm has the convolution of a module that is called ``branch`` here."""
    if branch == "pool":
        return "branch3.1"  # the pooling is 0
    return re.sub(r"_(\d)$", lambda found: f".{int(found[1]) - 1}", branch)


def torch_layer(layer: str, features: list[str]) -> str:
    """Timm numbers all that comes before the classifier."""
    if layer == HEAD:
        return "last_linear"
    title, _, part = layer.rpartition("_")
    where = next(t for t in features if title == t or title.startswith(f"{t}_"))
    feature = f"features.{features.index(where)}"
    branch = title[len(where) + 1 :]
    if where in ("stem_4", "stem_6"):
        branch = "conv"
    elif where.startswith("inception_c") and "_" in branch:
        # branch1_2a: the pairs keep timm from having sequences there
        branch = re.sub(r"_(\d)", lambda found: f"_{int(found[1]) - 1}", branch)
    else:
        branch = torch_branch(branch)
    return ".".join(filter(None, [feature, branch, part]))


def counterparts(
    features: list[str], preprocessing: Preprocessing
) -> tuple[Counterpart, ...]:
    """The counterpart, from our names of what comes before the classifier."""
    layer = partial(torch_layer, features=features)
    return (Counterpart(library="timm", layer=layer, preprocessing=preprocessing),)
