"""The networks by their names."""

import difflib
from collections.abc import Iterator
from typing import Any

import keras

from kerasnets.applications import (
    alexnet,
    all_cnn,
    bn_inception,
    densenet,
    dsn,
    fitnet,
    googlenet,
    highway,
    inception_resnet,
    inception_v3,
    inception_v4,
    lenet,
    maxout,
    mlp,
    mobilenet,
    mobilenet_v2,
    mobilenet_v3,
    nin,
    prelu_net,
    resnet,
    resnet_cifar,
    resnet_cifar_v2,
    resnet_v2,
    resnext,
    simplenet,
    simpnet,
    squeezenet,
    unet,
    vgg,
    wide_resnet,
)
from kerasnets.applications.builder import (
    CLASS_SCORES,
    Builder,
)
from kerasnets.errors import KerasnetsError
from kerasnets.pixels import Preprocessing, pixels_of

# in the order of `kerasnets list`
_FAMILIES = (
    lenet,
    alexnet,
    maxout,
    nin,
    vgg,
    googlenet,
    dsn,
    fitnet,
    all_cnn,
    prelu_net,
    bn_inception,
    inception_v3,
    inception_v4,
    inception_resnet,
    highway,
    unet,
    resnet,
    resnet_cifar,
    resnet_v2,
    resnet_cifar_v2,
    wide_resnet,
    resnext,
    densenet,
    squeezenet,
    simplenet,
    simpnet,
    mobilenet,
    mobilenet_v2,
    mobilenet_v3,
    mlp,
)


def _builders() -> Iterator[tuple[str, Builder]]:
    """Name and builder of every network: the rows of the families say their names."""
    for family in _FAMILIES:
        for value in vars(family).values():
            if hasattr(value, "network"):
                yield value.network.name.lower(), value


BUILDERS: dict[str, Builder[...]] = dict(_builders())


def get(name: str) -> Builder[...]:
    """Return the builder of that name; case, "-" and "_" do not matter.

    Raises:
        KerasnetsError: No network has that name.
    """
    key = _plain(name)
    for known, builder in BUILDERS.items():
        if _plain(known) == key:
            return builder
    close = difflib.get_close_matches(name.lower(), BUILDERS, n=3, cutoff=0.5)
    known = f"did you mean {' or '.join(close)}?" if close else "see `kerasnets list`"
    raise KerasnetsError(f"network {name!r} is unknown: {known}")


def build(name: str, **arguments: Any) -> keras.Model:
    """Build a network by its name with the arguments of its builder.

    Raises:
        KerasnetsError: No network has that name, or an argument is wrong.
    """
    return get(name)(**arguments)


def check_classifier(name: str) -> None:
    """Raise where no network has that name, or where it does not classify images."""
    if get(name).network.output != CLASS_SCORES:
        raise KerasnetsError(
            f"network {name!r} classifies the pixels of an image, not the image: see "
            "`kerasnets list` for others"
        )


def preprocessing(model: keras.Model) -> Preprocessing:
    """What must be done to pixels before ``model`` sees them: see ``pixels_of``.

    Raises:
        KerasnetsError: It is a model of unknown origin.
    """
    return pixels_of(model)


def _plain(name: str) -> str:
    return name.lower().replace("_", "").replace("-", "")
