"""CNN codes: what a network makes of an image before it decides.

Razavian et al. 2014, "CNN features off-the-shelf", arXiv 1403.6382: the activations of
a network that was trained on other images, and a linear classifier on them.
"""

import difflib
from typing import Any

import keras
import numpy as np

from kerasnets.applications import at_size, without_auxiliary
from kerasnets.data import Feed, Split, batches, images_at_once
from kerasnets.errors import KerasnetsError
from kerasnets.graph import calls_of, maker
from kerasnets.pixels import Preprocessing, pixels_of
from kerasnets.progress import Progress, silent
from kerasnets.training import native_kernels
from kerasnets.traits import traits_of

# what stands between a classifier's weights and its output
_BEHIND_WEIGHTS = (
    keras.layers.Activation,
    keras.layers.Softmax,
    keras.layers.Flatten,
    keras.layers.Reshape,
)


def features(
    model: keras.Model,
    images: Split | Feed,
    *,
    layer: str | None = None,
    size: int | None = None,
    batch_size: int | None = None,
    pixels: Preprocessing | None = None,
    progress: Progress = silent,
) -> np.ndarray:
    """Return the codes of images, float32 (images, features), in their order.

    Args:
        model: As for ``body``.
        images: A split, which gets the pixels that the network wants, or a feed of
            batches that are as the network takes them: one epoch of it.
        layer: As for ``body``.
        size: Side in pixels to which the images of a split are resized; None for the
            network's own.
        batch_size: Images a batch of a split; None for ``data.images_at_once``.
        pixels: What the network wants done to the pixels of a split; None for what
            ``pixels_of`` says.
        progress: Told how many batches are done.

    Raises:
        KerasnetsError: As for ``body``; or the network takes any size, and none is
            given.
    """
    net = body(model, layer, size=size)
    if isinstance(images, Split):
        side = net.input_shape[1]
        if side is None or side != net.input_shape[2]:
            raise KerasnetsError(
                f"{model.name!r} takes images of {net.input_shape[1:3]}: give size, "
                "the side in pixels of square ones"
            )
        images = batches(
            images,
            size=side,
            batch_size=batch_size or images_at_once(side),
            seed=0,
            shuffle=False,
            preprocessing=pixels_of(model, pixels),
        )
    codes, steps = [], images.steps_per_epoch
    with native_kernels(net):
        for done, (batch, _) in enumerate(images.dataset(0, steps), start=1):
            codes.append(np.asarray(net.predict_on_batch(batch), "float32"))
            progress(done, steps, "codes")
    return np.concatenate(codes)


def body(
    model: keras.Model, layer: str | None = None, *, size: int | None = None
) -> keras.Model:
    """Cut a network off behind a layer; maps are averaged over their positions.

    Args:
        model: A functional network of one image, of the zoo, of keras.applications or
            another one. Auxiliary classifiers are left out.
        layer: Name of the layer whose output is the code. Without it the last hidden
            one: what the classifier's weights read, or the output of a network without
            a classifier (``include_top=False``). A dense layer at the end counts as the
            classifier: name it where it is a hidden one.
        size: Side in pixels of the images that the result takes, where that is not the
            network's own; weights are copied then, else shared.

    Returns:
        A model from images, as ``model`` takes them, to codes (batch, features).

    Raises:
        KerasnetsError: There is no such layer, its output is no vector and no map, or
            the network cannot take images of this size.
    """
    model = without_auxiliary(model)
    code = _last_hidden(model) if layer is None else _output_of(model, layer)
    net = keras.Model(model.inputs, code, name=f"{model.name}_codes")
    if size is not None and net.input_shape[1:3] != (size, size):
        net = at_size(net, (size, size))
    rank = len(net.output_shape)
    if rank == 2:
        return net
    if rank != 4:
        raise KerasnetsError(
            f"layer {layer!r} of {model.name!r} gives {net.output_shape}; a vector or "
            "a map for each image is accepted"
        )
    mean = keras.layers.GlobalAveragePooling2D(name="mean_of_positions")(net.output)
    return keras.Model(net.inputs, mean, name=net.name)


def _last_hidden(model: keras.Model) -> Any:
    """What the classifier's weights read; the output where there is no classifier."""
    names = [one.name for one in model.layers]
    if "logits" in names:  # of all classifiers of the zoo
        return calls_of(model, model.get_layer("logits"))[-1].inputs[0]
    tensor = model.outputs[0]
    while True:
        call = maker(tensor)
        row = traits_of(call.operation)
        if row.kernels and row.channels == "makes" and len(tensor.shape) in (2, 4):
            # a convolution that ends a network is its classifier on a single position
            is_head = len(tensor.shape) == 2 or tensor.shape[1:3] == (1, 1)
            return call.inputs[0] if is_head else model.outputs[0]
        if len(call.inputs) != 1 or not (
            row.idle or isinstance(call.operation, _BEHIND_WEIGHTS)
        ):
            return model.outputs[0]
        tensor = call.inputs[0]


def _output_of(model: keras.Model, name: str) -> Any:
    """What the layer of that name gives."""
    names = [one.name for one in model.layers]
    if name not in names:
        near = difflib.get_close_matches(name, names, n=3, cutoff=0.0)
        raise KerasnetsError(
            f"{model.name!r} has no layer {name!r}; near it are {', '.join(near)}"
        )
    return calls_of(model, model.get_layer(name))[-1].outputs[0]
