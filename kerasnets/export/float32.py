"""A network trained in mixed precision, in float32 again."""

from typing import Any

import keras

from kerasnets.errors import KerasnetsError

_HALF = ("float16", "bfloat16", "mixed_float16", "mixed_bfloat16")


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
    rebuilt = _without_half_precision(config)
    if rebuilt == config:
        return model
    # Layers that make layers of their own take the global policy for those.
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float32")
    try:
        twin = type(model).from_config(rebuilt)
    finally:
        keras.config.set_dtype_policy(policy)
    twin.set_weights(model.get_weights())
    return twin


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
