"""A pretrained network fine-tuned on other images.

First a linear classifier is fitted to its codes and becomes its head; then the network
learns on from there by stages. A head that starts at random would send its errors
through all that is kept (Kumar et al. 2022, arXiv 2202.10054: linear probing, then
fine-tuning).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import keras
import numpy as np

from kerasnets.data import Feed, Split, batches
from kerasnets.errors import KerasnetsError
from kerasnets.evaluation import Evaluation, evaluate
from kerasnets.graph import deep_graphs, maker
from kerasnets.pixels import Preprocessing, pixels_of, with_pixels
from kerasnets.progress import Progress, silent
from kerasnets.training import BatchNorm, Checkpoint, Devices, Objective, Recipe
from kerasnets.training.trainer import Teach, check_batch_norm
from kerasnets.transfer.features import body, features
from kerasnets.transfer.linear import LinearClassifier, fit_linear, with_linear
from kerasnets.transfer.stages import DECAY, stage_rates, train_stages

# fewer change little
_LEAST_STEPS = 300


@dataclass(frozen=True)
class FineTuning:
    """What fine-tuning came to.

    Attributes:
        model: From images to logits; the better of the two on validation.
        taken: Which it is: "tuned", or "linear" where tuning made it no better.
        linear: The linear classifier on fixed codes, on the validation images.
        tuned: The network after tuning, on the same.
        strength: C of the linear classifier.
    """

    model: keras.Model
    taken: Literal["tuned", "linear"]
    linear: Evaluation
    tuned: Evaluation
    strength: float


def finetune(
    model: keras.Model,
    train: Split,
    validation: Split,
    recipe: Recipe,
    *,
    start: str | None = None,
    decay: float = DECAY,
    unfreeze: int = 0,
    batch_norm: BatchNorm = "batch",
    layer: str | None = None,
    size: int | None = None,
    pixels: Preprocessing | None = None,
    head: LinearClassifier | None = None,
    feed: Feed | None = None,
    teach: Teach | None = None,
    objective: Objective | None = None,
    seed: int = 0,
    checkpoint: Checkpoint | None = None,
    devices: Devices | None = None,
    progress: Progress = silent,
) -> FineTuning:
    """Fine-tune a pretrained network; it never ends below where it started from.

    The weights of ``model`` are copied, and stay as they are. To repeat bit for bit,
    call ``training.seed_everything`` first where the network has dropout.

    Args:
        model: As for ``body``.
        train: Images that teach, two or more of each class.
        validation: Others, which choose C and between the two networks.
        recipe: How the network is tuned.
        start: As for ``train_stages``; a layer of ``model`` or "logits", the head.
        decay: As for ``train_stages``.
        unfreeze: As for ``train_stages``.
        batch_norm: As for ``train_stages``.
        layer: As for ``body``: what lies behind it is left out.
        size: As for ``body``.
        pixels: What the network wants done to its pixels; None for what ``pixels_of``
            says. The result carries what is given.
        head: A classifier of the same codes that is fitted already.
        feed: What it is tuned on in the place of the training images: a teacher's
            answers besides, for instance. The recipe's augmentation is the feed's own
            affair then.
        teach: As for ``train``.
        objective: As for ``train``.
        seed: Of the order and the changes of the training images.
        checkpoint: As for ``train_stages``.
        devices: As for ``train``.
        progress: Told of the codes first, then of the epochs.

    Raises:
        KerasnetsError: As for ``body``, ``fit_linear`` and ``train_stages``; a class
            has fewer than two training images; the head is of other classes.
        DivergedError: The loss is not finite at the end of an epoch.
    """
    check_batch_norm(batch_norm)
    given = pixels_of(model, pixels)
    classes = count_classes(train, validation)
    codes = copied(body(model, layer, size=size))
    net = unfitted(codes, classes)
    stage_rates(net, recipe, start=start, decay=decay, unfreeze=unfreeze)
    if head is None:
        head = linear_head(
            codes, train, validation, pixels=given, seed=seed, progress=progress
        )
    _set_head(net, head)
    linear = evaluate(net, validation, pixels=given)
    before = net.get_weights()
    train_stages(
        net,
        feed or tuning_feed(train, net, recipe, pixels=given, seed=seed),
        recipe,
        start=start,
        decay=decay,
        unfreeze=unfreeze,
        batch_norm=batch_norm,
        teach=teach,
        objective=objective,
        checkpoint=checkpoint,
        devices=devices,
        progress=progress,
    )
    tuned = evaluate(net, validation, pixels=given)
    # of equally accurate ones that which is less often sure and wrong
    better = (tuned.accuracy, -tuned.loss) > (linear.accuracy, -linear.loss)
    if not better:
        net.set_weights(before)
    return FineTuning(
        net if pixels is None else with_pixels(net, pixels),
        "tuned" if better else "linear",
        linear,
        tuned,
        head.strength,
    )


def linear_head(
    codes: keras.Model,
    train: Split,
    validation: Split,
    *,
    pixels: Preprocessing | None = None,
    seed: int = 0,
    progress: Progress = silent,
) -> LinearClassifier:
    """Fit a linear classifier to what a network makes of images.

    Args:
        codes: From images to codes, as ``body`` gives it.
        train: Images that teach.
        validation: Others, which choose C.
        pixels: What the network wants done to its pixels; None for what ``pixels_of``
            says.
        seed: As for ``fit_linear``.
        progress: Told of the codes.

    Raises:
        KerasnetsError: As for ``features`` and ``fit_linear``.
    """
    # the whole network: it has no classifier that is to be cut off
    name = maker(codes.outputs[0]).operation.name
    train_codes, other_codes = (
        features(codes, split, layer=name, pixels=pixels, progress=progress)
        for split in (train, validation)
    )
    return fit_linear(
        (train_codes, train.labels), (other_codes, validation.labels), seed=seed
    )


def tuning_feed(
    train: Split,
    model: keras.Model,
    recipe: Recipe,
    *,
    pixels: Preprocessing | None = None,
    seed: int = 0,
) -> Feed:
    """Give the batches of a recipe, as a network takes them.

    Args:
        train: The images.
        model: The network, of square images.
        recipe: Says batch size and augmentation.
        pixels: What the network wants done to its pixels; None for what ``pixels_of``
            says.
        seed: Of order and changes.
    """
    return batches(
        train,
        size=model.input_shape[1],
        batch_size=recipe.batch_size,
        seed=seed,
        augment=recipe.augment,
        preprocessing=pixels_of(model, pixels),
    )


def enough_epochs(recipe: Recipe, images: int) -> Recipe:
    """Give the recipe as many epochs as make 300 steps, where it has fewer.

    Ten epochs of 50 photographs would be ten steps, after which little has changed.

    Args:
        recipe: How a network is tuned.
        images: How many teach it.
    """
    steps = max(1, images // recipe.batch_size)
    return replace(recipe, epochs=max(recipe.epochs, math.ceil(_LEAST_STEPS / steps)))


def copied(model: keras.Model) -> keras.Model:
    """Copy a functional model, its weights too."""
    with deep_graphs():
        copy = keras.models.clone_model(model)
    copy.set_weights(model.get_weights())
    return copy


def unfitted(codes: keras.Model, classes: int) -> keras.Model:
    """Give the network that is to be tuned, its head of zeros.

    Args:
        codes: From images to codes, as ``body`` gives it.
        classes: Their number.
    """
    zeros = np.zeros((codes.output_shape[-1], classes))
    return with_linear(codes, LinearClassifier(zeros, zeros[0], 0.0, 0.0, {}))


def count_classes(
    train: Split, validation: Split, names: Sequence[str] | None = None
) -> int:
    """Tell how many classes there are.

    Args:
        train: Images that teach.
        validation: Others.
        names: The classes, for the error.

    Raises:
        KerasnetsError: One of them has fewer than two training images.
    """
    classes = max(2, 1 + max(train.labels.max(), validation.labels.max()))
    counts = np.bincount(train.labels, minlength=classes)
    if counts.min() < 2:
        fewest = int(counts.argmin())
        raise KerasnetsError(
            f"class {names[fewest] if names else fewest!r} has too few training images:"
            f" {counts.min()}; two or more of each class are needed"
        )
    return len(counts)


def _set_head(net: keras.Model, head: LinearClassifier) -> None:
    """Give the last layer the weights of a classifier."""
    layer = net.get_layer("logits")
    if layer.kernel.shape != head.kernel.shape:
        raise KerasnetsError(
            f"the head given is of {head.kernel.shape[0]} features and "
            f"{head.kernel.shape[1]} classes; {tuple(layer.kernel.shape)} are accepted"
        )
    layer.set_weights([head.kernel, head.bias])
