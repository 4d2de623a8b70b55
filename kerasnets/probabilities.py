"""Whether a model answers with probabilities or with logits.

The graph decides where it is certain: a softmax or a sigmoid, and what keeps their
values behind it, or a layer with weights and no bound. Else a batch of answers decides.
What neither tells is an error, never a guess: a softmax behind a softmax flattens all
answers (0.88 becomes 0.53), and none behind logits leaves none.
"""

from typing import Any

import keras
import numpy as np

from kerasnets.errors import KerasnetsError
from kerasnets.graph import graph_of, maker, output_index
from kerasnets.pixels import Preprocessing, pixels_of

PROBABILITIES, LOGITS = OUTPUTS = ("probabilities", "logits")
# A sum of probabilities rounds: half precision keeps three digits.
_TOLERANCE = 1e-3
_DRAWN = 16
# Operations without weights in a row; residual networks have hundreds.
_FAR = 60
_layers = keras.layers
_BOUNDED = ("softmax", "sigmoid", "hard_sigmoid", "sparsemax")
# By class: the layer, or the operation of keras.ops of the same name.
_BOUNDING = ("Softmax", "Sigmoid", "HardSigmoid", "Sparsemax")
# What moves, copies, drops or averages values of one tensor.
_PASSING = (
    *("Identity", "Pixels", "ActivityRegularization", "StopGradient", "Cast"),
    *("Dropout", "SpatialDropout1D", "SpatialDropout2D", "SpatialDropout3D"),
    *("AlphaDropout", "GaussianDropout", "GaussianNoise"),
    *("Reshape", "Flatten", "Permute", "RepeatVector"),
    *("Transpose", "Squeeze", "ExpandDims", "Flip", "GetItem", "Moveaxis", "Swapaxes"),
    *("Cropping1D", "Cropping2D", "Cropping3D", "CropImages"),
    *("ZeroPadding1D", "ZeroPadding2D", "ZeroPadding3D"),
    *("UpSampling1D", "UpSampling3D"),
    *("AveragePooling1D", "AveragePooling2D", "AveragePooling3D", "AveragePool"),
    *("GlobalAveragePooling1D", "GlobalAveragePooling2D", "GlobalAveragePooling3D"),
    *("MaxPooling1D", "MaxPooling2D", "MaxPooling3D", "MaxPool"),
    *("GlobalMaxPooling1D", "GlobalMaxPooling2D", "GlobalMaxPooling3D"),
)
# The same for several tensors of one kind.
_MERGING = ("Average", "Concatenate", "Maximum", "Minimum", "Stack")
# Bounds from below at most, so that logits stay without a bound.
_UNBOUNDED = ("linear", "relu", "relu6", "leaky_relu", "elu", "selu", "gelu", "silu")
_WEIGHTED = (
    *(_layers.Dense, _layers.EinsumDense, _layers.BatchNormalization),
    *(_layers.Conv1D, _layers.Conv2D, _layers.Conv3D),
    *(_layers.Conv1DTranspose, _layers.Conv2DTranspose, _layers.Conv3DTranspose),
    *(_layers.DepthwiseConv1D, _layers.DepthwiseConv2D),
    *(_layers.SeparableConv1D, _layers.SeparableConv2D),
)


def gives_probabilities(
    model: keras.Model,
    *,
    output: str | None = None,
    inputs: np.ndarray | None = None,
    pixels: Preprocessing | None = None,
) -> bool:
    """Tell whether a model answers with probabilities, of one image or of each pixel.

    Sums of 1 (softmax) and one probability a class (sigmoid) both count.

    Args:
        model: Functional or sequential; its first output is judged.
        output: What its owner says: "probabilities" or "logits".
        inputs: ``(n, ...)`` for the model, whose answers decide where the graph does
            not. Default: images drawn at random, preprocessed as ``pixels_of`` says.
        pixels: What the model wants done to pixels, for those.

    Raises:
        KerasnetsError: Neither graph nor answers tell, or ``output`` is unknown.
    """
    if output is not None:
        if output not in OUTPUTS:
            raise KerasnetsError(
                f"output is {output!r}; {' or '.join(OUTPUTS)} are accepted"
            )
        return output == PROBABILITIES
    found = by_structure(model)
    if found is None:
        if inputs is None:
            inputs = _drawn(model, pixels)
        answers = keras.tree.flatten(model(inputs, training=False))
        found = by_values(np.asarray(keras.ops.convert_to_numpy(answers[0])))
    if found is None:
        raise KerasnetsError(
            f"whether {model.name!r} answers with probabilities or with logits cannot"
            " be told from its layers or answers: say --output probabilities|logits,"
            " or output= in Python"
        )
    return found == PROBABILITIES


def check_logits(
    model: keras.Model,
    role: str = "model",
    *,
    classes: int | None = None,
    output: str | None = None,
) -> None:
    """Raise unless a model answers with a logit for each class.

    Args:
        model: Functional or sequential, from images.
        role: What errors call it.
        classes: How many there are; None accepts any number.
        output: As for ``gives_probabilities``.

    Raises:
        KerasnetsError: It answers with probabilities, or with another shape.
    """
    shapes = [tuple(tensor.shape) for tensor in model.outputs]
    if shapes != [(None, classes or shapes[0][-1])]:
        known = "" if classes is None else f"the data have {classes} classes, "
        raise KerasnetsError(
            f"the {role} {model.name!r} gives outputs of shape"
            f" {', '.join(map(str, shapes))}; {known}(None, {classes or 'classes'}) is"
            " accepted"
        )
    if gives_probabilities(model, output=output):
        raise KerasnetsError(
            f"the {role} {model.name!r} gives probabilities; logits are accepted: build"
            " it with classifier_activation=None, without a softmax at the end"
        )


def by_values(answers: np.ndarray) -> str | None:
    """Tell from answers what they are; None where they could be either.

    Args:
        answers: ``(n, ..., classes)``.

    Returns:
        "probabilities" where each place sums to 1 and nothing is below 0; "logits"
        where a value is below 0 or above 1; else None.
    """
    values = np.asarray(answers, np.float64)
    if not values.size or not np.isfinite(values).all():
        return None
    if values.min() < -_TOLERANCE or values.max() > 1 + _TOLERANCE:
        return LOGITS
    sums = values.sum(axis=-1)
    whole = values.shape[-1] > 1 and np.abs(sums - 1).max() <= _TOLERANCE
    return PROBABILITIES if whole else None


def by_structure(model: keras.Model) -> str | None:
    """Tell from the graph what a model answers; None where that is not certain."""
    found = _follow(model.outputs[0], {}, deep=True)
    if isinstance(found, int | float):
        return PROBABILITIES if abs(found - 1) <= _TOLERANCE else None
    return found


# What a tensor is: a number w for w times probabilities, "logits", or None.
_Kind = float | str | None


def _follow(
    tensor: Any, outside: dict[int, Any], *, deep: bool, steps: int = 0
) -> _Kind:
    """Follow a tensor back to what bounds its values.

    Args:
        tensor: Of a functional graph.
        outside: What goes into the inputs of a nested model, tensors by their ids,
            each with its own ``outside``.
        deep: Whether a layer with weights is asked what it reads: one of fixed weights
            may add up probabilities.
        steps: How many were made so far.
    """
    if steps > _FAR:
        return None
    steps += 1
    call = maker(tensor)
    operation = call.operation
    if id(tensor) in outside:
        return _follow(*outside[id(tensor)], deep=deep, steps=steps)
    inner = graph_of(operation)
    if inner is not None:
        inputs = zip(inner.inputs, call.inputs, strict=True)
        within = {id(own): (given, outside) for own, given in inputs}
        return _follow(
            inner.outputs[output_index(tensor)], within, deep=deep, steps=steps
        )
    name = type(operation).__name__
    activation = getattr(operation, "activation", None)
    activated = getattr(activation, "__name__", None)
    if activated in _BOUNDED or name in _BOUNDING:
        return 1.0
    if isinstance(operation, _WEIGHTED):
        if activated not in (None, *_UNBOUNDED):
            return None
        if not deep:
            return LOGITS
        known = [_follow(x, outside, deep=False, steps=steps) for x in call.inputs]
        # fixed weights may add up what are probabilities: ask the answers
        return None if any(isinstance(kind, float) for kind in known) else LOGITS
    if not call.inputs:
        return None
    kinds = [_follow(x, outside, deep=deep, steps=steps) for x in call.inputs]
    return _through(call, name, activated, kinds)


def _through(call: Any, name: str, activated: str | None, kinds: list[_Kind]) -> _Kind:
    """Tell what an operation without weights makes of what it reads."""
    first, alike = kinds[0], len({*kinds}) == 1
    if name in _PASSING or (name == "Activation" and activated == "linear"):
        return first
    if name in ("UpSampling2D", "Resizing", "Resize"):
        way = getattr(call.operation, "interpolation", None)
        return first if way in ("nearest", "bilinear") else None
    if name in ("ReLU", "Relu", "LeakyReLU", "PReLU") or activated in _UNBOUNDED:
        return first if first == LOGITS or name in ("ReLU", "Relu") else None
    shares = [kind for kind in kinds if isinstance(kind, float)]
    if name in ("Average", "Add") and len(shares) == len(kinds):
        if _factor(call) is not None:
            return None  # a summand is no probability
        total = sum(shares)
        return total / len(shares) if name == "Average" else total
    if name in _MERGING:
        return first if alike else None
    return _scaled(call, name, kinds) if alike else None


def _scaled(call: Any, name: str, kinds: list[_Kind]) -> _Kind:
    """Tell what arithmetic with constants makes of tensors of one kind."""
    (kind,) = {*kinds}
    if name == "Rescaling":
        scale, offset = call.operation.scale, call.operation.offset
        if kind == LOGITS:
            return kind
        plain = np.ndim(scale) == 0 and np.ndim(offset) == 0 and offset == 0
        return kind * float(scale) if plain and isinstance(kind, float) else None
    if name not in ("Add", "Subtract", "Multiply", "Divide", "TrueDivide"):
        return None
    if kind == LOGITS:
        return kind
    factor = _factor(call)
    if not isinstance(kind, float) or len(kinds) != 1 or not factor:
        return None
    if name == "Multiply":
        return kind * factor
    # the tensor is divided by the constant, not the other way round
    divided = name.endswith("Divide") and keras.backend.is_keras_tensor(call.args[0])
    return kind / factor if divided else None


def _factor(call: Any) -> float | None:
    """The one constant number among the arguments of an operation, if there is one."""
    found = set()
    for value in (*call.args, *call.kwargs.values()):
        if keras.backend.is_keras_tensor(value) or not _is_number(value):
            continue
        numbers = np.asarray(keras.ops.convert_to_numpy(value), np.float64)
        found |= {*numbers.ravel().tolist()}
    return found.pop() if len(found) == 1 else None


def _is_number(value: Any) -> bool:
    """Whether an argument is a number or an array of numbers."""
    if isinstance(value, bool | str | list | tuple) or value is None:
        return False
    return isinstance(value, int | float | np.generic | np.ndarray) or (
        keras.ops.is_tensor(value)
    )


def _drawn(model: keras.Model, pixels: Preprocessing | None) -> Any:
    """Images at random, the same at every call, as the model takes them."""
    preprocessing = pixels_of(model, pixels)
    sides = [side or preprocessing.size for side in model.inputs[0].shape[1:3]]
    shape = (_DRAWN, *sides, model.inputs[0].shape[3])
    random = np.random.default_rng(0)
    # of different brightness and contrast, not noise of one grey alone
    low, high = np.sort(random.uniform(0, 255, (2, _DRAWN, 1, 1, shape[3])), axis=0)
    return preprocessing(random.uniform(low, high, shape).round())
