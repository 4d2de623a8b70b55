"""From the tensors of another library's network to the weights of ours."""

import re
import warnings
from collections.abc import Callable, Mapping

import keras
import numpy as np
from keras import layers

from kerasnets.errors import KerasnetsError, KerasnetsWarning
from kerasnets.graph import maker
from kerasnets.pretrained.counterpart import AUXILIARY, HEAD, Counterpart

_SHOWN = 3
# of the same tensor, the name in Keras and in Torch
_TORCH_NAMES = {
    "kernel": "weight",
    "depthwise_kernel": "weight",
    "bias": "bias",
    "gamma": "weight",
    "beta": "bias",
    "moving_mean": "running_mean",
    "moving_variance": "running_var",
    "alpha": "weight",
}


def from_keras(
    model: keras.Model, source: keras.Model, counterpart: Counterpart, **options
) -> None:
    """Give ``model`` the weights of its counterpart in keras.applications.

    Args:
        model: Our network, changed in place.
        source: The network as keras.applications builds it.
        counterpart: What our layers are called there.
        options: See ``assign``.

    Raises:
        KerasnetsError: A tensor is missing, left over or of another shape.
    """
    tensors = {
        f"{name}/{variable.name}": np.asarray(variable)
        for name, layer in _by_stable_name(source).items()
        for variable in layer.weights
    }
    assign(
        model,
        tensors,
        lambda layer, role: f"{counterpart.layer(layer)}/{role}",
        colours=counterpart.preprocessing.channels,
        **options,
    )


def _by_stable_name(source: keras.Model) -> dict[str, layers.Layer]:
    """The layers by name, where those that Keras named itself count from 0.

    keras.applications leaves many layers of InceptionV3 without names; Keras then
    counts on from whatever the process has built before ("conv2d_95").
    """
    named, counted = {}, {"conv2d": [], "batch_normalization": []}
    for layer in source.layers:
        kind, _, number = layer.name.rpartition("_")
        if layer.name in counted or (kind in counted and number.isdecimal()):
            kind = kind if kind in counted else layer.name
            counted[kind].append((int(number) if kind != layer.name else 0, layer))
        else:
            named[layer.name] = layer
    for kind, group in counted.items():
        ordered = sorted(group, key=lambda pair: pair[0])
        named.update({f"{kind}_{i}": layer for i, (_, layer) in enumerate(ordered)})
    return named


def from_torch(
    model: keras.Model,
    state: Mapping[str, np.ndarray],
    counterpart: Counterpart,
    **options,
) -> None:
    """Give ``model`` the weights of a Torch state dict.

    Args:
        model: Our network, changed in place.
        state: Arrays by their name, as torchvision and timm save them.
        counterpart: What our layers are called there.
        options: See ``assign``.

    Raises:
        KerasnetsError: A tensor is missing, left over or of another shape.
    """
    tensors = {
        # torchvision's files of DenseNet are older than its code: norm.1 is norm1 there
        re.sub(r"\b(norm|conv)\.(\d)\.", r"\1\2.", name): np.asarray(value)
        for name, value in state.items()
        if not name.endswith("num_batches_tracked")
    }

    def key(layer: str, role: str) -> str:
        return f"{counterpart.layer(layer)}.{_TORCH_NAMES[role]}"

    for layer in model.layers:
        for variable in layer.weights:
            name = key(layer.name, variable.name)
            if name in tensors:
                tensors[name] = _from_torch_order(layer, variable, tensors[name])
    assign(model, tensors, key, colours=counterpart.preprocessing.channels, **options)


def _from_torch_order(layer, variable, tensor: np.ndarray) -> np.ndarray:
    """The tensor with its axes as Keras has them; as it is where it cannot fit."""
    role = variable.name
    if role == "depthwise_kernel" and tensor.ndim == 4:
        rows, columns, channels, multiplier = variable.shape
        if tensor.shape == (channels * multiplier, 1, rows, columns):
            split = tensor.reshape(channels, multiplier, rows, columns)
            return split.transpose(2, 3, 0, 1)
    if role == "kernel" and tensor.ndim == 4:
        return tensor.transpose(2, 3, 1, 0)  # (out, in, h, w)
    if role == "kernel" and tensor.ndim == 2:
        before = maker(layer.input).operation
        if isinstance(before, layers.Flatten):
            height, width, channels = before.input.shape[1:]
            if tensor.shape[1] == height * width * channels:
                # Torch flattens channel by channel, Keras pixel by pixel
                maps = tensor.reshape(-1, channels, height, width)
                tensor = maps.transpose(0, 2, 3, 1).reshape(tensor.shape)
        return tensor.T
    return tensor


def assign(
    model: keras.Model,
    tensors: Mapping[str, np.ndarray],
    key: Callable[[str, str], str],
    *,
    extras: tuple[str, ...] = (),
    where: str = "the weights",
    colours: str = "RGB",
) -> None:
    """Set every weight of ``model`` to the tensor ``key(layer name, weight name)``.

    All of them or, where something does not fit, none. Two things need not fit, and one
    warning says what was done: classifiers for another number of classes, and auxiliary
    ones that the tensors lack, stay as they are; a first kernel for images of other
    channels is summed for one channel, else its channels are repeated in turn and
    scaled to the same sum.

    The sum makes of a grey image exactly what the network made of it as RGB, where all
    channels of its images have the same mean and deviation, as in [-1, 1].

    Args:
        model: Our network, changed in place.
        tensors: Arrays by name.
        key: Function from names of layer and weight to the tensor's.
        extras: Prefixes of tensors that may be left over.
        where: Whose tensors they are, for messages.
        colours: "BGR" where the channels of the first kernel are in that order.

    Raises:
        KerasnetsError: A tensor is missing, left over or of another shape.
    """
    tensors, fitted = _for_channels(model, tensors, key, colours)
    pairs, problems, new, used = [], [], [], set()
    for layer in model.layers:
        names = [key(layer.name, variable.name) for variable in layer.weights]
        used.update(names)
        if names and _is_new(layer, names, tensors):
            new.append(layer)
            continue
        for name, variable in zip(names, layer.weights, strict=True):
            problem = _misfit(layer, variable, name, tensors)
            if problem:
                problems.append(problem)
            else:
                pairs.append((variable, tensors[name]))
    problems += [
        f"{name} has no place"
        for name in sorted(tensors, key=_numbers_as_numbers)
        if name not in used and not name.startswith(extras)
    ]
    if problems:
        more = len(problems) - _SHOWN
        rest = f" and {more:,} more" if more > 0 else ""
        raise KerasnetsError(
            f"{where} do not fit {model.name}: {'; '.join(problems[:_SHOWN])}{rest}"
        )
    for variable, tensor in pairs:
        variable.assign(np.reshape(tensor, variable.shape))
    but_for = ([fitted] if fitted else []) + ([_new_layers(new)] if new else [])
    if but_for:
        warnings.warn(
            f"{where} fit {model.name} but for: {', '.join(but_for)}",
            KerasnetsWarning,
            stacklevel=2,
        )


def _for_channels(
    model: keras.Model, tensors: Mapping[str, np.ndarray], key: Callable, colours: str
) -> tuple[Mapping[str, np.ndarray], str]:
    """The tensors with a first kernel for the model's images, and what was done."""
    stem = next((layer for layer in model.layers if layer.weights), None)
    if not isinstance(stem, layers.Conv2D):
        return tensors, ""
    name = key(stem.name, "kernel")
    kernel = tensors.get(name)
    if kernel is None or kernel.ndim != 4:
        return tensors, ""
    height, width, ours, filters = stem.weights[0].shape
    theirs = kernel.shape[2]
    if ours == theirs or kernel.shape != (height, width, theirs, filters):
        return tensors, ""
    if ours == 1:
        done = f"summed over {theirs} channels"
        kernel = kernel.sum(axis=2, keepdims=True)
    else:
        how = "repeated" if ours > theirs else "cut"
        done = f"{how} from {theirs} to {ours} channels"
        kernel = kernel[:, :, ::-1] if colours == "BGR" else kernel
        kernel = kernel[:, :, np.arange(ours) % theirs] * (theirs / ours)
    return {**tensors, name: kernel}, f"{stem.name} {done}"


def _new_layers(new: list[layers.Layer]) -> str:
    """What is said of layers that keep the weights they were built with."""
    names = ", ".join(layer.name for layer in new)
    classes = {layer.weights[-1].shape[-1] for layer in new if _classifies(layer)}
    said = f" ({classes.pop()} classes)" if classes else ""
    return f"{names} newly initialised{said}"


def _classifies(layer: layers.Layer) -> bool:
    """Whether it is the classifier, or that of an auxiliary branch."""
    return layer.name.endswith(HEAD)


def head_of(model: keras.Model) -> layers.Layer | None:
    """The layer that gives classes, or None in a network without top."""
    return next((layer for layer in model.layers if layer.name == HEAD), None)


def _is_new(layer, names: list[str], tensors: Mapping) -> bool:
    """Whether the layer is a classifier that the tensors have not or differently."""
    if layer.name.startswith(AUXILIARY) and not any(name in tensors for name in names):
        return True
    if not _classifies(layer):
        return False
    return any(
        name not in tensors or not _same_size(tensors[name].shape, variable.shape)
        for name, variable in zip(names, layer.weights, strict=True)
    )


def _misfit(layer, variable, name: str, tensors: Mapping) -> str:
    """What is wrong with the tensor for ``variable``; nothing is ""."""
    if name not in tensors:
        return f"{name} is missing"
    if not _same_size(tensors[name].shape, variable.shape):
        wanted = tuple(variable.shape)
        return f"{name} is {tensors[name].shape}, {layer.name} wants {wanted}"
    return ""


def _numbers_as_numbers(name: str) -> list:
    """Sorts block2 before block10."""
    parts = re.split(r"(\d+)", name)
    return [int(part) if part.isdecimal() else part for part in parts]


def _same_size(theirs, ours) -> bool:
    """Whether the shapes differ in sides of length 1 only."""
    return [n for n in theirs if n != 1] == [n for n in ours if n != 1]
