"""Averages of a network's weights over its training."""

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import keras
import numpy as np


class Average:
    """The exponential averages that an optimizer keeps, put in place when it is time.

    Keras's ``fit`` would put them there whenever it ends, in the middle of a training
    that goes on, too.

    Args:
        optimizer: One with ``use_ema``, built.
        variables: What it trains.
    """

    def __init__(self, optimizer: Any, variables: Sequence[keras.Variable]):
        self._variables = variables
        self._put = optimizer.finalize_variable_values
        optimizer.finalize_variable_values = lambda _: None

    def put(self) -> None:
        """Set the variables to their averages."""
        self._put(self._variables)

    @contextlib.contextmanager
    def in_place(self) -> Iterator[None]:
        """Set the variables to their averages, inside."""
        values = [np.array(variable) for variable in self._variables]
        self.put()
        try:
            yield
        finally:
            for variable, value in zip(self._variables, values, strict=True):
                variable.assign(value)
