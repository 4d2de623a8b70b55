"""The space of one network: the arguments of its builder, and the size of its image."""

import difflib
import functools
import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields

import keras

from kerasnets import applications
from kerasnets.analysis import count_madds, count_params
from kerasnets.errors import KerasnetsError
from kerasnets.graph import shapes_only
from kerasnets.training import Recipe, changed_recipe
from kerasnets.traits import channels_made, kernels_of
from kerasnets.tuning.space import (
    Axes,
    Budget,
    Candidate,
    Cost,
    Value,
    point_key,
    points,
    within_budget,
)

# the axis that every network has: a multiplier on the side of the prepared images
RESOLUTION = "rho"
# the axis of a search among several networks
NETWORK = "network"
# the axis of networks that are pruned behind their training: share of zeros in the
# kernels; 0 for none
SPARSITY = "sparsity"
# arguments of every builder, which the job decides
_OF_THE_JOB = {
    *("input_shape", "input_tensor", "include_top", "weights", "pooling"),
    *("classes", "classifier_activation", "name"),
}
# axes of a training; its length is one of the search
_RECIPE_FIELDS = tuple(x.name for x in fields(Recipe) if x.name != "epochs")


def axes_of(network: str) -> tuple[str, ...]:
    """Name the axes that a search over the network may have.

    They are the arguments of its own that its builder takes, and "rho", a multiplier
    on the side of the prepared images.
    """
    own = inspect.signature(applications.get(network)).parameters.keys() - _OF_THE_JOB
    return tuple(sorted({*own, RESOLUTION}))


def split_axes(network: str, axes: Axes, recipe: Recipe) -> tuple[dict, dict]:
    """Split axes into those of the network and those of its training.

    Args:
        network: Name of the network.
        axes: Some of ``axes_of(network)``, keys of ``training.changed_recipe``, and
            "sparsity", which goes with those.
        recipe: What these change.

    Raises:
        KerasnetsError: An axis is neither, or a value is none for it.
    """
    own = {name: axes[name] for name in axes if _is_own(network, name)}
    rest = {name: axes[name] for name in axes if name not in own}
    check_axes(network, own)
    for name, values in rest.items():
        if name == SPARSITY:
            _check_sparsity(values)
            continue
        if name.partition(".")[0] not in _RECIPE_FIELDS:
            known = (*axes_of(network), *_RECIPE_FIELDS, SPARSITY)
            (near,) = difflib.get_close_matches(name, known, n=1, cutoff=0.0)
            raise KerasnetsError(
                f"the search has an axis {name!r}, the nearest is {near!r}: "
                f"{', '.join(known)} are accepted, augment and mix with a dot and "
                "one of theirs"
            )
        for value in values:
            changed_recipe(recipe, {name: as_text(value)})
    return own, rest


def with_training(candidates: Sequence[Candidate], axes: Axes) -> list[Candidate]:
    """Give each network each way of training, which costs a phone nothing."""
    return [
        Candidate({**each.values, **values}, each.cost)
        for each in candidates
        for values in points(axes)
    ]


def as_text(value: Value) -> str:
    """A value of an axis as ``training.changed_recipe`` takes it."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def check_axes(network: str, axes: Axes) -> None:
    """Raise unless the network has these axes.

    Raises:
        KerasnetsError: It has no argument of that name, or a resolution multiplier is
            not above 0.
    """
    for each in map(str, axes.get(NETWORK, (network,))):
        applications.check_classifier(each)
        known = axes_of(each)
        for name in axes:
            if name != NETWORK and name not in known:
                raise KerasnetsError(
                    f"the search has an axis {name!r}, which {each!r} lacks: "
                    f"{', '.join(known)} are accepted"
                )
    for name, values in axes.items():
        if name == RESOLUTION and not all(_is_multiplier(value) for value in values):
            raise KerasnetsError(
                f"{name} {list(values)} is not a list of numbers above 0"
            )


def build_candidate(
    network: str, values: Mapping[str, Value], *, size: int, classes: int
) -> keras.Model:
    """Build the network at a point of its space.

    Args:
        network: Name of the network, where ``values`` has no "network".
        values: Arguments of its builder; the resolution multiplier is passed over,
            ``size`` is what came of it, and so are values of its training.
        size: Side of the RGB images that it takes.
        classes: Number of classes.

    Returns:
        The network from (size, size, 3) images to logits (batch, classes).
    """
    network = str(values.get(NETWORK, network))
    return applications.build(
        network,
        input_shape=(size, size, 3),
        classes=classes,
        classifier_activation=None,
        **{
            name: value
            for name, value in values.items()
            if name != RESOLUTION and name in axes_of(network)
        },
    )


def cost_of(
    network: str, values: Mapping[str, Value], *, resolution: int, classes: int
) -> Cost:
    """Count the cost of the network at a point of its space, on the network itself.

    Args:
        network: Name of the network.
        values: Arguments of its builder, and "rho", by default 1.
        resolution: Side of the prepared images.
        classes: Number of classes.
    """
    size = round(float(values.get(RESOLUTION, 1.0)) * resolution)
    own = {name: value for name, value in values.items() if _is_own(network, name)}
    return _cost_of(network, point_key(own), size, classes)


@functools.cache
def _cost_of(network: str, point: tuple, size: int, classes: int) -> Cost:
    """Building a network takes a quarter of a second: once will do."""
    values = dict(point)
    model = shapes_only(
        lambda: build_candidate(network, values, size=size, classes=classes)
    )
    return Cost(
        size=size,
        params=count_params(model),
        madds=count_madds(model),
        int8_bytes=estimate_int8_bytes(model),
    )


def feasible_candidates(
    network: str,
    axes: Axes,
    *,
    resolution: int,
    classes: int,
    budget: Budget,
) -> list[Candidate]:
    """List the points of a network's space within the budget, the cheapest first.

    Args:
        network: Name of the network.
        axes: Some of ``axes_of(network)`` and the values to try.
        resolution: Side of the prepared images.
        classes: Number of classes.
        budget: What a network may cost.

    Raises:
        KerasnetsError: The network has no such axis, a value cannot be built at any
            resolution, or no point meets the budget; it names the smallest that would.
    """
    check_axes(network, axes)

    def cost(values: Mapping[str, Value]) -> Cost:
        return cost_of(network, values, resolution=resolution, classes=classes)

    return within_budget(_buildable(axes, cost), budget, what=network)


def _buildable(
    axes: Axes, cost: Callable[[Mapping[str, Value]], Cost]
) -> list[Candidate]:
    """The points that the builder accepts.

    An image too small for the network strikes out a point. Values that it refuses at
    every resolution are a mistake.
    """
    candidates = []
    rhos = axes.get(RESOLUTION)
    for own in points({name: axes[name] for name in axes if name != RESOLUTION}):
        built, refusal = [], None
        for values in [own] if rhos is None else [{**own, RESOLUTION: x} for x in rhos]:
            try:
                built.append(Candidate(values, cost(values)))
            except KerasnetsError as error:
                refusal = error
        if not built and refusal is not None:
            raise refusal
        candidates += built
    return candidates


def _check_sparsity(values: Sequence[Value]) -> None:
    for value in values:
        if type(value) not in (int, float) or not 0 <= float(value) < 1:
            raise KerasnetsError(
                f"sparsity {list(values)} is not a list of shares from 0 to below 1"
            )


def _is_own(network: str, axis: str) -> bool:
    """Whether an axis is of the network, not of its training."""
    return axis == NETWORK or axis in axes_of(network)


def _is_multiplier(value: Value) -> bool:
    return type(value) in (int, float) and 0 < float(value) < math.inf


# fitted to files of MobileNet and ResNet-20, rounded up: what each channel of a kernel
# carries beside its weights (its bias, and scales and zero points), what each operation
# costs in names and tables, and the file's frame with its metadata
_BYTES_PER_CHANNEL = 25
_BYTES_PER_OPERATION = 450
_BYTES_PER_FILE = 2_800


def estimate_int8_bytes(model: keras.Model) -> int:
    """Estimate the bytes of the model's int8 file, before it is trained."""
    total = _BYTES_PER_FILE
    for layer in model.layers:
        channels = channels_made(layer)
        for name, kernel in kernels_of(layer).items():
            total += math.prod(kernel.shape) + channels[name] * _BYTES_PER_CHANNEL
            total += _BYTES_PER_OPERATION
    return total
