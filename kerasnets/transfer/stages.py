"""A network trained on by stages, each at its own rate.

Yosinski et al. 2014, arXiv 1411.1792: the first layers of a network serve any images,
the last ones its own. So the last ones learn fastest (discriminative rates), and the
others may join later (gradual unfreezing): Howard and Ruder 2018, "Universal Language
Model Fine-tuning for Text Classification", arXiv 1801.06146, sections 3.2 and 3.3.
"""

import contextlib
import difflib
from collections.abc import Iterable, Iterator
from typing import Any

import keras

from kerasnets.data import Feed
from kerasnets.errors import KerasnetsError
from kerasnets.graph import leaf_layers
from kerasnets.progress import Progress, silent
from kerasnets.training import (
    BatchNorm,
    Checkpoint,
    Devices,
    LayerRate,
    Objective,
    Recipe,
    Training,
    train,
)
from kerasnets.training.trainer import Teach

# rate of a stage beside that of the one above it
DECAY = 0.5
# a map whose side is less than this share of a stage's first begins another stage:
# strides halve it, convolutions without padding take a few pixels
_SHRUNK = 2 / 3


def stages(model: keras.Model) -> tuple[tuple[str, ...], ...]:
    """List the layers of each stage, from the images to the classifier.

    A stage ends where the side of the maps is halved; the last one gives no maps. What
    narrows a map on the way only, as squeeze-and-excitation does, is part of its stage.
    Each stage has weights.

    Args:
        model: A functional classifier of images of a known size.

    Returns:
        For each stage the names of its layers in running order; ``nested_model/layer``
        in nested models.

    Raises:
        KerasnetsError: The model takes images of any size.
    """
    layers = leaf_layers(model)
    if None in model.input_shape[1:]:
        raise KerasnetsError(
            f"{model.name!r} takes images of {model.input_shape[1:]}: a network of one "
            "size has stages"
        )
    sides, widest = [], 0
    for layer in reversed(layers.values()):
        widest = max(widest, _side(layer))
        sides.append(widest)
    found: list[list[str]] = [[]]
    first, learns = 0, False
    for (name, layer), side in zip(layers.items(), reversed(sides), strict=True):
        if not learns:  # what has no weights yet belongs to the next stage
            first = side
        elif side < _SHRUNK * first:
            found.append([])
            first, learns = side, False
        found[-1].append(name)
        learns = learns or bool(layer.weights)
    if not learns and len(found) > 1:  # nor has what follows the last of them
        found[-2:] = [found[-2] + found[-1]]
    return tuple(map(tuple, found))


def train_stages(
    model: keras.Model,
    feed: Feed,
    recipe: Recipe,
    *,
    start: str | None = None,
    decay: float = DECAY,
    unfreeze: int = 0,
    batch_norm: BatchNorm = "batch",
    teach: Teach | None = None,
    objective: Objective | None = None,
    checkpoint: Checkpoint | None = None,
    devices: Devices | None = None,
    progress: Progress = silent,
) -> Training:
    """Train a network that knows something already, in place.

    The classifier learns at the recipe's rate, each stage below at ``decay`` times that
    of the one above it.

    Args:
        model: As for ``train``, of images of a known size.
        feed: As for ``train``.
        recipe: As for ``train``.
        start: Name of the first layer that learns: those before it stay as they are.
            None for all.
        decay: Above 0; 1 for one rate.
        unfreeze: Epochs after which the next stage below begins to learn; 0 for all at
            once.
        batch_norm: As for ``train``. Layers before ``start`` keep their statistics in
            either case. "inference" wants small steps, such as Adam's: nothing holds
            the maps where the statistics expect them.
        teach: As for ``train``.
        objective: As for ``train``.
        checkpoint: As for ``train``; its identity is to say all of these arguments.
        devices: As for ``train``.
        progress: As for ``train``.

    Returns:
        Loss and accuracy of the last epoch.

    Raises:
        KerasnetsError: There is no layer ``start``, nothing from there on can learn,
            or a number is out of range.
        DivergedError: The loss is not finite at the end of an epoch.
    """
    rates = stage_rates(model, recipe, start=start, decay=decay, unfreeze=unfreeze)
    with fixed(model, (name for name in leaf_layers(model) if name not in rates)):
        if not model.trainable_variables:
            raise KerasnetsError(
                f"{model.name!r} has nothing that can learn from {start!r} on: name an "
                "earlier layer"
            )
        return train(
            model,
            feed,
            recipe,
            teach=teach,
            objective=objective,
            rates=rates,
            batch_norm=batch_norm,
            checkpoint=checkpoint,
            devices=devices,
            progress=progress,
        )


def stage_rates(
    model: keras.Model,
    recipe: Recipe,
    *,
    start: str | None = None,
    decay: float = DECAY,
    unfreeze: int = 0,
) -> dict[str, LayerRate]:
    """Give the rate of each layer from ``start`` on, as ``train`` takes them.

    The arguments are those of ``train_stages``.

    Raises:
        KerasnetsError: There is no layer ``start``, or a number is out of range.
    """
    if not 0 < decay <= 1:
        raise KerasnetsError(f"decay {decay}: above 0 and up to 1 is accepted")
    if unfreeze < 0:
        raise KerasnetsError(f"unfreeze {unfreeze}: 0 or more epochs are accepted")
    names = list(leaf_layers(model))
    learning = set(names[0 if start is None else position(names, start, model.name) :])
    kept = [[n for n in stage if n in learning] for stage in stages(model)]
    kept = [stage for stage in kept if stage]
    last = (len(kept) - 1) * unfreeze
    if last >= recipe.epochs:
        raise KerasnetsError(
            f"unfreeze {unfreeze}: {kept[0][0]!r} would begin to learn after {last} "
            f"epochs of {recipe.epochs}; take more epochs, or a later start"
        )
    return {
        name: LayerRate(decay**below, below * unfreeze)
        for below, stage in enumerate(reversed(kept))
        for name in stage
    }


@contextlib.contextmanager
def fixed(model: keras.Model, names: Iterable[str]) -> Iterator[None]:
    """Keep layers of these names from learning, inside."""
    layers = leaf_layers(model)
    held: list[Any] = [layers[name] for name in names if layers[name].trainable]
    for layer in held:
        layer.trainable = False
    try:
        yield
    finally:
        for layer in held:
            layer.trainable = True


def position(names: list[str], name: str, model: str) -> int:
    """Tell where a layer stands among those of a network.

    Raises:
        KerasnetsError: There is none of that name.
    """
    if name not in names:
        near = difflib.get_close_matches(name, names, n=3, cutoff=0.0)
        raise KerasnetsError(
            f"{model!r} has no layer {name!r}; near it are {', '.join(near)}"
        )
    return names.index(name)


def _side(layer: Any) -> int:
    """Of the maps that a layer gives; 0 where it gives vectors."""
    output = layer.output
    shape = (output[0] if isinstance(output, list | tuple) else output).shape
    return shape[1] if len(shape) == 4 else 0
