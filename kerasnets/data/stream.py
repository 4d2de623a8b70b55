"""Batches that are read by Python and finished by the backend, a few ahead.

On TensorFlow a stream is a ``tf.data.Dataset``; on other backends an iterator, and
TensorFlow is not imported.
"""

import os
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

if TYPE_CHECKING:
    import tensorflow as tf

Arrays = dict[str, np.ndarray]
Stream: TypeAlias = "tf.data.Dataset | Iterator[tuple[Any, Any]]"


@dataclass(frozen=True)
class Like:
    """What an array of a batch is like.

    Attributes:
        shape: None in the place of what differs from batch to batch.
        dtype: By its name in NumPy.
    """

    shape: tuple[int | None, ...]
    dtype: str

    @classmethod
    def rows(cls, array: np.ndarray, count: int | None) -> "Like":
        """As many rows of an array."""
        return cls((count, *array.shape[1:]), array.dtype.name)


def streamed(
    read: Callable[[int], Arrays],
    finish: Callable[[Mapping[str, Any]], tuple[Any, Any]],
    like: Mapping[str, Like],
    first: int,
    last: int,
) -> Stream:
    """Return the batches of the steps from ``first`` to before ``last``.

    Args:
        read: Gives the arrays of a step, by name; a pure function.
        finish: Makes images and targets of them, as tensors, by ``keras.ops``.
        like: What each of the arrays is like.
        first: The first step.
        last: The step after the last.
    """
    import keras

    if keras.backend.backend() != "tensorflow":
        return _iterated(read, finish, first, last)
    import tensorflow as tf

    def ordered(step: np.ndarray) -> list[np.ndarray]:
        arrays = read(int(step))
        return [arrays[name] for name in like]

    def batch(step):
        tensors = tf.numpy_function(
            ordered, [step], [each.dtype for each in like.values()], stateful=False
        )
        for tensor, each in zip(tensors, like.values(), strict=True):
            tensor.set_shape(each.shape)
        return finish(dict(zip(like, tensors, strict=True)))

    return (
        tf.data.Dataset.range(first, last)
        .map(batch, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
        .prefetch(tf.data.AUTOTUNE)
    )


def in_python(
    function: Callable[..., tuple[np.ndarray, ...]],
    tensors: list[Any],
    like: list[Like],
) -> list[Any]:
    """Call a function of arrays within ``finish`` of a stream.

    Args:
        function: Gives arrays; a pure function.
        tensors: Its arguments.
        like: What each array that it gives is like.
    """
    import keras

    if keras.backend.backend() != "tensorflow":
        return list(function(*map(keras.ops.convert_to_numpy, tensors)))
    import tensorflow as tf

    found = tf.numpy_function(
        function, tensors, [each.dtype for each in like], stateful=False
    )
    for tensor, each in zip(found, like, strict=True):
        tensor.set_shape(each.shape)
    return found


def _iterated(
    read: Callable[[int], Arrays],
    finish: Callable[[Mapping[str, Any]], tuple[Any, Any]],
    first: int,
    last: int,
) -> Iterator[tuple[Any, Any]]:
    """The batches of the steps in their order, read by threads."""

    def batch(step: int) -> tuple[Any, Any]:
        return finish(read(step))

    workers = os.cpu_count() or 1
    pending: deque[Future] = deque()
    with ThreadPoolExecutor(workers) as pool:
        for step in range(first, last):
            pending.append(pool.submit(batch, step))
            if len(pending) > 2 * workers:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
