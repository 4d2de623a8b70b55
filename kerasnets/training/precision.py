"""Which number format a training computes in."""

import contextlib
from collections.abc import Iterator
from typing import Any

import keras

from kerasnets.errors import KerasnetsError

PRECISIONS = ("auto", "float32", "mixed_float16", "mixed_bfloat16")

_HALF = ("float16", "bfloat16", "mixed_float16", "mixed_bfloat16")

# tensor cores came with compute capability 7.0 (Volta)
_TENSOR_CORES = (7, 0)


def resolve_precision(precision: str) -> str:
    """The Keras dtype policy for a choice of ``PRECISIONS``.

    "auto" is mixed_float16 on GPUs that have tensor cores (on JAX mixed_bfloat16 on any
    GPU), mixed_bfloat16 on TPUs and float32 elsewhere.

    Raises:
        KerasnetsError: the choice is unknown.
    """
    if precision not in PRECISIONS:
        raise KerasnetsError(
            f"precision {precision!r} is unknown: {', '.join(PRECISIONS)}"
        )
    if precision != "auto":
        return precision
    if keras.backend.backend() == "jax":
        import jax  # pyright: ignore[reportMissingImports]  (an extra's)

        # tensor cores take bfloat16 from compute capability 8.0 on, TPUs always
        return "float32" if jax.default_backend() == "cpu" else "mixed_bfloat16"
    if keras.backend.backend() != "tensorflow":
        return "float32"
    return _of_tensorflow()


def _of_tensorflow() -> str:
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


def to_float32(model: keras.Model) -> keras.Model:
    """Rebuild a functional model under the float32 policy.

    A graph that casts to half precision exports to a LiteRT file with half-precision
    and Flex operations, which phones do not run. Mixed precision keeps its variables
    in float32, so nothing is lost by going back.

    Args:
        model: A functional or sequential Keras 3 model, nested models included. Its
            own layer classes must be registered for serialisation.

    Returns:
        A model of the same configuration, layer names and weights that computes in
        float32; ``model`` itself where it already does.

    Raises:
        KerasnetsError: The model is a subclass, which no configuration describes.
    """
    if type(model).get_config is keras.Model.get_config:
        raise KerasnetsError(
            f"{model.name!r} is a subclassed model; only a functional or sequential"
            " one can be rebuilt in float32"
        )
    config = model.get_config()
    whole = _without_half_precision(config)
    if whole == config:
        return model
    # Layers that make layers of their own take the global policy for those.
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float32")
    try:
        rebuilt = type(model).from_config(whole)
    finally:
        keras.config.set_dtype_policy(policy)
    rebuilt.set_weights(model.get_weights())
    return rebuilt


def _without_half_precision(value: Any) -> Any:
    """Copy a serialised configuration, every half-precision ``dtype`` in float32."""
    if isinstance(value, list | tuple):
        return type(value)(_without_half_precision(item) for item in value)
    if isinstance(value, dict):
        return {
            key: "float32"
            if key == "dtype" and _is_half(item)
            else _without_half_precision(item)
            for key, item in value.items()
        }
    return value


def _is_half(dtype: Any) -> bool:
    """Whether a serialised dtype or dtype policy computes in half precision."""
    if isinstance(dtype, dict):
        dtype = dtype.get("config", {}).get("name")
    return dtype in _HALF
