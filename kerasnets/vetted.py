"""What a model's configuration may name: Keras's own objects and registered ones.

Keras turns each ``{"module": ..., "class_name": ..., "config": ...}`` of a file into
the object of that name. Most of the ways to run code through a model file led through a
name that is no part of a model: ``os.system``, ``keras.utils.get_file``, a Lambda layer
with its bytecode. So all names are looked up here first, and none is imported.
"""

import json
import sys
import types
from typing import Any

import keras

from kerasnets.errors import KerasnetsError

_BASES = (
    keras.Operation,  # layers, models, the operations of a graph
    keras.initializers.Initializer,
    keras.regularizers.Regularizer,
    keras.constraints.Constraint,
    keras.dtype_policies.DTypePolicy,
    keras.Quantizer,
    keras.quantizers.QuantizationConfig,
    keras.random.SeedGenerator,
    keras.optimizers.Optimizer,
    keras.optimizers.schedules.LearningRateSchedule,
    keras.losses.Loss,
    keras.metrics.Metric,
)
# Layers that hold code, or the path of a folder with code.
_CODE = (
    keras.layers.Lambda,
    keras.layers.TFSMLayer,
    keras.layers.TorchModuleWrapper,
    keras.layers.JaxLayer,
    keras.layers.FlaxLayer,
)
_MODULES = (
    keras.layers,
    keras.models,
    keras.initializers,
    keras.regularizers,
    keras.constraints,
    keras.dtype_policies,
    keras.optimizers,
    keras.optimizers.schedules,
    keras.losses,
    keras.metrics,
)
_FUNCTION_MODULES = (keras.activations, keras.losses, keras.metrics)
# these turn a name or a configuration into an object
_NO_FUNCTIONS = {"get", "serialize", "deserialize"}
# plain values that Keras writes as if they were objects
_VALUES = {"__keras_tensor__", "__bytes__", "__ellipsis__", "__slice__"}
_ARRAYS = {"__tensor__", "__numpy__"}


def check_config(content: bytes, name: str) -> None:
    """Look up every object that a model's configuration names.

    Args:
        content: ``config.json`` of a ``.keras`` file. How the model was compiled is not
            looked at, because it is not loaded.
        name: What errors call the file.

    Raises:
        KerasnetsError: It is no configuration, or it names an object that is unknown,
            no part of a model, or able to run code.
    """
    try:
        config = json.loads(content)
    except (ValueError, RecursionError) as error:
        reason = " ".join(str(error).split())
        raise KerasnetsError(f"the model in {name} is damaged: {reason}") from error
    if not isinstance(config, dict) or "class_name" not in config:
        raise KerasnetsError(f"the configuration in {name} describes no model")
    waiting: list[Any] = [{**config, "compile_config": None}]
    while waiting:
        value = waiting.pop()
        if isinstance(value, list):
            waiting.extend(value)
        elif isinstance(value, dict):
            if "class_name" in value and (objection := _objection(value)):
                raise KerasnetsError(
                    f"{name} is refused: {_title(value)} {objection}; layers of Keras"
                    " and those registered beforehand"
                    " (keras.saving.register_keras_serializable) are accepted"
                )
            waiting.extend(value.values())


def _title(described: dict[str, Any]) -> str:
    """An object as its reader knows it: its name in the model, and its class."""
    inner = described.get("config")
    own = inner.get("name") if isinstance(inner, dict) else None
    place = [described.get("module"), described["class_name"]]
    if described["class_name"] == "function":
        place[1] = inner
    title = ".".join(str(part)[:80] for part in place if part)
    return f"{str(own)[:80]!r} ({title})" if own else title


def _objection(described: dict[str, Any]) -> str | None:
    """Why an object is refused, if it is."""
    kind, inner = described["class_name"], described.get("config")
    if not isinstance(kind, str):
        return "has no name"
    if kind in _VALUES:
        return None
    if kind in _ARRAYS:
        numbers = isinstance(inner, dict) and _is_number_type(inner.get("dtype"))
        return None if numbers else "is no array of numbers"
    if kind == "__lambda__":
        return "is a Python lambda, which is code"
    if _is_registered(described):
        return None
    if kind == "function":
        return None if _is_function(described) else "is no function of a model"
    found = _find(described.get("module"), kind)
    if not isinstance(found, type) or not issubclass(found, _BASES):
        return "is no part of a model"
    if issubclass(found, _CODE):
        return "runs code from the file"
    if isinstance(inner, dict) and isinstance(inner.get("vocabulary"), str):
        return f"reads the file {inner['vocabulary'][:80]!r}"
    return None


def _is_number_type(name: Any) -> bool:
    """Whether Keras has numbers of this type."""
    try:
        return keras.backend.standardize_dtype(name) != "string"
    except (TypeError, ValueError):
        return False


def _is_registered(described: dict[str, Any]) -> bool:
    """Whether Keras would take what the user's own program registered."""
    kind = described["class_name"]
    if kind == "function":
        name = described.get("config")
    else:
        # the name may be there and null
        name = described.get("registered_name", kind)
    if not isinstance(name, str):
        return False
    if keras.saving.get_registered_object(name) is not None:
        return True
    # Keras 3.6 and before left the package out of a function's name
    own = keras.saving.get_custom_objects()
    return kind == "function" and any(key.endswith(f">{name}") for key in own)


def _is_function(described: dict[str, Any]) -> bool:
    """Whether it is one of Keras's functions from numbers to numbers."""
    module, name = described.get("module"), described.get("config")
    if not isinstance(name, str) or name in _NO_FUNCTIONS:
        return False
    if module == "builtins":  # Keras's own, written without their place
        found = [vars(place).get(name) for place in _FUNCTION_MODULES]
    else:
        known = module == "keras.ops" or str(module).startswith("keras.ops.")
        known = known or module in {place.__name__ for place in _FUNCTION_MODULES}
        found = [_find(module, name)] if known else []
    return any(isinstance(function, types.FunctionType) for function in found)


def _find(module: Any, name: Any) -> object:
    """What has that name in a part of Keras that is loaded already, or None."""
    if not isinstance(name, str):
        return None
    if module is None:  # as in Keras 2: a class is known by its name alone
        found = (vars(place).get(name) for place in _MODULES)
        return next((item for item in found if item is not None), None)
    if not isinstance(module, str) or module.split(".")[0] != "keras":
        return None
    return vars(sys.modules[module]).get(name) if module in sys.modules else None
