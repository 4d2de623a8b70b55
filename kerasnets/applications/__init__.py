"""The zoo: one family a file, every network by name.

``kerasnets.applications.MobileNet(alpha=0.5)`` is the builder itself,
``kerasnets.applications.build("mobilenet", alpha=0.5)`` the same by its name.
"""

import difflib
from collections.abc import Callable, Iterator
from types import ModuleType

import keras

from kerasnets.applications import lenet, mobilenet, resnet_cifar
from kerasnets.applications.auxiliary import loss_weights, without_auxiliary
from kerasnets.applications.builder import convention
from kerasnets.applications.lenet import LeNet5, LeNet5Original
from kerasnets.applications.mobilenet import ConvMobileNet, MobileNet, ShallowMobileNet
from kerasnets.applications.resnet_cifar import (
    Plain20,
    Plain32,
    Plain44,
    Plain56,
    Plain110,
    Plain1202,
    ResNet20,
    ResNet32,
    ResNet44,
    ResNet56,
    ResNet110,
    ResNet1202,
)
from kerasnets.errors import KerasnetsError
from kerasnets.pretrained import Preprocessing

_FAMILIES = (lenet, resnet_cifar, mobilenet)


def _builders(families: tuple[ModuleType, ...]) -> Iterator[tuple[str, Callable]]:
    """(name, builder) of every network: the rows of the families say their names."""
    for family in families:
        for value in vars(family).values():
            if hasattr(value, "network"):
                yield value.network.name.lower(), value


BUILDERS: dict[str, Callable[..., keras.Model]] = dict(_builders(_FAMILIES))


def get(name: str) -> Callable[..., keras.Model]:
    """The builder of that name; case, "-" and "_" do not matter.

    Raises:
        KerasnetsError: no network has that name.
    """
    key = _plain(name)
    for known, builder in BUILDERS.items():
        if _plain(known) == key:
            return builder
    close = difflib.get_close_matches(name.lower(), BUILDERS, n=3, cutoff=0.5)
    known = f"did you mean {' or '.join(close)}?" if close else "see `kerasnets list`"
    raise KerasnetsError(f"network {name!r} is unknown: {known}")


def build(name: str, **arguments) -> keras.Model:
    """Build a network by its name with the arguments of its builder.

    Raises:
        KerasnetsError: no network has that name, or an argument is out of range.
    """
    return get(name)(**arguments)


def preprocessing(model: keras.Model) -> Preprocessing:
    """What must be done to pixels before ``model`` sees them.

    Args:
        model: a network of the zoo, or one loaded from a file under its first name.

    Raises:
        KerasnetsError: the model is none of the zoo's, or has lost its name.
    """
    if hasattr(model, "preprocessing"):
        return model.preprocessing
    # a loaded model has its name only: resnet50_keras, mobilenet_0.50_128
    title, *rest = model.name.split("_at_")[0].rsplit("_", 1)
    form = rest[0] if rest and rest[0] in ("keras", "torch") else "paper"
    stem = title if form != "paper" else model.name
    for name in sorted(BUILDERS, key=len, reverse=True):
        if stem == name or stem.startswith(f"{name}_"):
            network = get(name).network  # type: ignore[attr-defined]
            return convention(network, form).at_size(model.input_shape[1])
    raise KerasnetsError(
        f"model {model.name!r} is not named like a network of the zoo: its "
        "preprocessing is not known"
    )


def _plain(name: str) -> str:
    return name.lower().replace("_", "").replace("-", "")
