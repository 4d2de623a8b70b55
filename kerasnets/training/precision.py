"""Which number format a training computes in."""

import contextlib
from collections.abc import Iterator

import keras

from kerasnets.errors import KerasnetsError

PRECISIONS = ("auto", "float32", "mixed_float16", "mixed_bfloat16")

# tensor cores came with compute capability 7.0 (Volta)
_TENSOR_CORES = (7, 0)


def resolve_precision(precision: str) -> str:
    """The Keras dtype policy for a choice of ``PRECISIONS``.

    "auto" is mixed_float16 on GPUs that have tensor cores, mixed_bfloat16 on TPUs and
    float32 elsewhere.

    Raises:
        KerasnetsError: the choice is unknown.
    """
    if precision not in PRECISIONS:
        raise KerasnetsError(
            f"precision {precision!r} is unknown: {', '.join(PRECISIONS)}"
        )
    if precision != "auto":
        return precision
    import tensorflow as tf

    gpus = tf.config.list_physical_devices("GPU")
    if gpus and all(_compute_capability(gpu) >= _TENSOR_CORES for gpu in gpus):
        return "mixed_float16"
    if tf.config.list_logical_devices("TPU"):
        return "mixed_bfloat16"
    return "float32"


def _compute_capability(gpu) -> tuple[int, int]:
    import tensorflow as tf

    details = tf.config.experimental.get_device_details(gpu)
    return details.get("compute_capability", (0, 0))


@contextlib.contextmanager
def precision_policy(policy: str) -> Iterator[None]:
    """Build the models inside under ``policy``; what was set before returns after."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)
