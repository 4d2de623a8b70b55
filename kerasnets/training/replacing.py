"""Layers whose methods are others for a while."""

import contextlib
import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Any


@contextlib.contextmanager
def replaced(
    layers: Sequence[Any], method: str, how: Callable[..., Any]
) -> Iterator[None]:
    """Let a method of some layers be another function, inside.

    Args:
        layers: Of which none has another one already.
        method: Its name, as "call".
        how: Takes the layer, and what its own method takes.
    """
    for layer in layers:
        setattr(layer, method, functools.partial(how, layer))
    try:
        yield
    finally:
        for layer in layers:
            delattr(layer, method)
