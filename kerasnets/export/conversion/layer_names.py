"""Names of layers that formats refuse, kept out of them."""

import contextlib
import re
from collections.abc import Iterable, Iterator
from typing import Any

import keras

from kerasnets.graph import all_layers

# What TensorFlow takes as the name of a scope, which the names of layers become.
_TAKEN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


@contextlib.contextmanager
def plain_layer_names(model: keras.Model) -> Iterator[dict[str, str]]:
    """Give other names to layers with blanks, brackets or letters beyond ASCII.

    The model itself and nested models too, and their variables. Afterwards all are
    called as before.

    Yields:
        The names before by those in their place.
    """
    others = [
        layer
        for layer in (model, *all_layers(model))
        if not _TAKEN.fullmatch(layer.name)
    ]
    names = {f"layer.{index}": layer.name for index, layer in enumerate(others)}
    try:
        for layer, name in zip(others, names, strict=True):
            layer.name = name
        with plain_variable_names(model.variables):
            yield names
    finally:
        for layer, name in zip(others, names.values(), strict=True):
            layer.name = name


@contextlib.contextmanager
def plain_variable_names(variables: Iterable[Any]) -> Iterator[None]:
    """Do the same for TensorFlow's variables alone, which are called after layers.

    Args:
        variables: Of Keras, or of TensorFlow.
    """
    before = {}
    for index, variable in enumerate(variables):
        inner = variable.value if isinstance(variable, keras.Variable) else variable
        name = getattr(inner, "_handle_name", None)
        parts = (name or "").split(":")[0].split("/")
        if name and not all(_TAKEN.fullmatch(part) for part in parts):
            before[index] = inner, name
            inner._handle_name = f"variable.{index}:0"
    try:
        yield
    finally:
        for inner, name in before.values():
            inner._handle_name = name
