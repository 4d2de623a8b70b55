"""The zoo: one family a file, every network by name.

``kerasnets.applications.MobileNet(alpha=0.5)`` is the builder itself,
``kerasnets.applications.build("mobilenet", alpha=0.5)`` the same by its name.
"""

import difflib
from collections.abc import Callable

import keras

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

BUILDERS: dict[str, Callable[..., keras.Model]] = {
    "lenet5": LeNet5,
    "lenet5_original": LeNet5Original,
    "resnet20": ResNet20,
    "resnet32": ResNet32,
    "resnet44": ResNet44,
    "resnet56": ResNet56,
    "resnet110": ResNet110,
    "resnet1202": ResNet1202,
    "plain20": Plain20,
    "plain32": Plain32,
    "plain44": Plain44,
    "plain56": Plain56,
    "plain110": Plain110,
    "plain1202": Plain1202,
    "mobilenet": MobileNet,
    "shallow_mobilenet": ShallowMobileNet,
    "conv_mobilenet": ConvMobileNet,
}


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


def _plain(name: str) -> str:
    return name.lower().replace("_", "").replace("-", "")
