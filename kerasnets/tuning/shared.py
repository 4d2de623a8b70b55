"""One network that holds all networks of a space, so that one training ranks them.

The narrower networks are made of the first channels of the widest, at any resolution.
Each step trains the widest on the labels, and the narrowest and two others on the
answers of the widest: the sandwich rule and in-place distillation of Yu and Huang 2019,
"Universally Slimmable Networks and Improved Training Techniques", arXiv 1903.05134.
Batch norms have no statistics that all could share: as there, those of a network are
taken from some training images before it is judged.

All networks run in one traced graph, in which the sizes of weights and images are
tensors: TensorFlow alone has such, so this needs its backend.
"""

import contextlib
import functools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import keras
import numpy as np
from keras import layers, ops

from kerasnets import losses
from kerasnets.data import Feed
from kerasnets.errors import KerasnetsError
from kerasnets.graph import all_layers, shapes_only
from kerasnets.training import Objective, Recipe
from kerasnets.training.replacing import replaced
from kerasnets.training.statistics import batch_norms
from kerasnets.traits import traits_of
from kerasnets.tuning.networks import RESOLUTION, build_candidate
from kerasnets.tuning.space import Candidate, Value, point_key

# networks of a step beside the widest and the narrowest, as Yu and Huang have it
_OTHERS = 2
# a step of the optimizer is one of each of them, on the same images
_TURNS = 2 + _OTHERS


class SharedNetwork:
    """The widest network of a space, and the others within it.

    Args:
        network: Name of the network.
        candidates: What it holds; their values are of the builder, and "rho".
        classes: Number of classes.

    Attributes:
        widest: From images of any side, or of the only one that there is, to logits.
        parts: The candidates, by their multiply-adds, which the last has most of.

    Raises:
        KerasnetsError: The networks differ in more than widths and resolution, the
            first channels of one are not those of another, or the backend is not
            TensorFlow.
    """

    def __init__(self, network: str, candidates: Sequence[Candidate], classes: int):
        if keras.backend.backend() != "tensorflow":
            raise KerasnetsError(
                f"networks share weights on Keras's backend tensorflow, not on "
                f"{keras.backend.backend()}: take another oracle than shared"
            )
        self.parts = sorted(candidates, key=lambda x: (x.cost.madds, x.cost.params))
        self.sides = np.array([each.cost.size for each in self.parts], "int32")
        same = len(set(self.sides.tolist())) == 1
        build = functools.partial(
            *(build_candidate, network),
            size=int(self.sides[0]) if same else None,
            classes=classes,
        )
        self.widest = build(_widest(self.parts))
        self._shapes = self._varying(network, build)
        if self._shapes:
            _check_channels(self.widest)

    def _varying(self, network: str, build: Any) -> list[tuple[Any, np.ndarray]]:
        """Each weight that is not the same in all, and its shape in each."""
        names = _names(self.widest)
        known: dict[tuple, list[tuple]] = {}
        shapes = []
        for each in self.parts:
            values = {k: x for k, x in each.values.items() if k != RESOLUTION}
            key = point_key(values)
            if key not in known:
                model = shapes_only(functools.partial(build, values))
                if _names(model) != names:
                    raise KerasnetsError(
                        f"{network} {each.label} has other layers than the widest of "
                        "the search: only networks that differ in widths and "
                        "resolution share weights"
                    )
                known[key] = [tuple(v.shape) for v in model.variables]
            shapes.append(known[key])
        found = []
        for number, variable in enumerate(self.widest.variables):
            own = np.array([each[number] for each in shapes], "int32")
            if (own > variable.shape).any():
                raise KerasnetsError(
                    f"no network of the search is the widest in {variable.path}: only "
                    "networks of which one holds all others share weights"
                )
            if (own < variable.shape).any():
                found.append((variable, own))
        return found

    def answer(self, images: Any, part: Any, *, training: bool) -> Any:
        """Return the logits of a part; its batch norms keep no statistics.

        Args:
            images: Of the largest side.
            part: Its number, a tensor.
            training: As of any layer.
        """
        with keras.StatelessScope() as scope:
            self._cut(scope, part)
            logits = self.widest(self._resized(images, part), training=training)
        cut = {id(variable) for variable, _ in self._shapes}
        for variable in self.widest.non_trainable_variables:
            # the seeds of dropout go on
            new = scope.get_current_value(variable)
            if id(variable) not in cut and new is not None:
                variable.assign(new)
        return logits

    def _cut(self, scope: Any, part: Any) -> None:
        """Let weights be their first entries, inside a scope."""
        for variable, shapes in self._shapes:
            size = ops.take(ops.convert_to_tensor(shapes), part, axis=0)
            start = ops.zeros(len(variable.shape), "int32")
            value: Any = ops.slice(variable.value, start, size)
            same = (shapes == variable.shape).all(axis=0)
            value.set_shape(
                [n if x else None for n, x in zip(variable.shape, same, strict=True)]
            )
            # not the scope's own mapping, which wants whole shapes
            scope.add_update((variable, value))

    def _resized(self, images: Any, part: Any) -> Any:
        if len(set(self.sides.tolist())) == 1:
            return images
        import tensorflow as tf

        side = ops.take(ops.convert_to_tensor(self.sides), part)
        return tf.image.resize(images, ops.stack([side, side]), antialias=True)

    @functools.cached_property
    def _statistics(self) -> Any:
        """Means and variances of a part's batch norms over a batch, compiled."""
        import tensorflow as tf

        def statistics(images, part):
            with keras.StatelessScope() as scope, _by_batch(self.widest, scope):
                self._cut(scope, part)
                self.widest(self._resized(images, part), training=False)
            return [
                tuple(scope.get_current_value(x) for x in _statistics_of(layer))
                for layer in batch_norms(self.widest)
            ]

        return tf.function(statistics, input_signature=self._signature)

    @functools.cached_property
    def _answers(self) -> Any:
        """Logits of a part with given statistics, compiled."""
        import tensorflow as tf

        def answers(images, part, statistics):
            with keras.StatelessScope() as scope:
                self._cut(scope, part)
                for layer, values in zip(
                    batch_norms(self.widest), statistics, strict=True
                ):
                    for variable, value in zip(
                        _statistics_of(layer), values, strict=True
                    ):
                        scope.add_update((variable, value))
                return self.widest(self._resized(images, part), training=False)

        # their lengths vary
        one = tf.TensorSpec((None,), "float32")
        each = [(one, one) for _ in batch_norms(self.widest)]
        return tf.function(answers, input_signature=[*self._signature, each])

    @property
    def _signature(self) -> list[Any]:
        """Of images and the number of a part."""
        import tensorflow as tf

        images = (None, None, None, self.widest.input_shape[-1])
        return [tf.TensorSpec(images, "float32"), tf.TensorSpec((), "int32")]

    def predict(
        self, part: int, images: Sequence[Any], calibration: Sequence[Any]
    ) -> np.ndarray:
        """Return the logits of a part, its statistics taken anew.

        Args:
            part: Its number.
            images: Batches as the widest takes them.
            calibration: Batches of training images, likewise, all of one size.
        """
        number = ops.convert_to_tensor(np.int32(part))
        batches = [self._statistics(batch, number) for batch in calibration]
        statistics = [_pooled(each) for each in zip(*batches, strict=True)]
        logits = [self._answers(batch, number, statistics) for batch in images]
        return np.concatenate([np.asarray(x, "float32") for x in logits])


def _widest(parts: Sequence[Candidate]) -> dict[str, Value]:
    """The largest value on each axis."""
    widest: dict[str, Any] = {}
    for name in parts[0].values:
        values: list[Any] = [each.values[name] for each in parts]
        if name == RESOLUTION:
            continue
        if len(set(values)) > 1 and not all(type(x) in (int, float) for x in values):
            raise KerasnetsError(
                f"{name} {sorted(set(values))} makes other networks, not wider ones: "
                "they share no weights; take another oracle than shared"
            )
        widest[name] = max(values)
    return widest


def _check_channels(model: keras.Model) -> None:
    """Raise where the first channels of a map are not those of a narrower network."""
    for layer in all_layers(model):
        row = traits_of(layer).channels
        sides = getattr(layer, "input", None) if row == "tiles" else None
        if row == "joins" or (
            sides is not None and set(getattr(sides, "shape", ())[1:-1]) - {1}
        ):
            raise KerasnetsError(
                f"{layer.name} of {model.name} puts channels side by side, so that a "
                "narrower network has others there: such networks share no weights; "
                "take another oracle than shared"
            )


def _names(model: keras.Model) -> list[tuple[str, int]]:
    """Of its layers, and how many weights each has."""
    return [(layer.name, len(layer.weights)) for layer in model.layers]


@contextlib.contextmanager
def _by_batch(model: keras.Model, scope: Any) -> Iterator[None]:
    """Let batch norms take the statistics of the batch for theirs, inside a scope."""

    def normalise(layer, inputs, training=None, mask=None):
        del training, mask
        axes = list(range(len(inputs.shape) - 1))
        found: Any = ops.moments(ops.cast(inputs, "float32"), axes=axes)
        for variable, value in zip(_statistics_of(layer), found, strict=True):
            scope.add_update((variable, value))
        return type(layer).call(layer, inputs, training=False)

    with replaced(batch_norms(model), "call", normalise):
        yield


def _statistics_of(layer: Any) -> tuple[Any, Any]:
    return layer.moving_mean, layer.moving_variance


def _pooled(statistics: Sequence[tuple[Any, Any]]) -> tuple[Any, Any]:
    """Mean and variance over several batches of one size."""
    means = ops.stack([mean for mean, _ in statistics])
    variances = ops.stack([variance for _, variance in statistics])
    mean = ops.mean(means, axis=0)
    return mean, ops.mean(variances + ops.square(means - mean), axis=0)


class _Sandwich(layers.Layer):
    """Logits of one network of a space in each step, and whose answers it learns.

    Args:
        shared: The networks.
        turns: The number of the network of each step.
        batch_size: Images a step.
    """

    def __init__(self, shared: SharedNetwork, turns: np.ndarray, batch_size: int):
        super().__init__(name="sandwich", autocast=False)
        self.widest = shared.widest
        self._answer = lambda *x, **how: shared.answer(*x, **how)
        self._turns = turns
        self.step = self._own("step", (), "int32")
        shape = (batch_size, self.widest.output_shape[-1])
        self.answers = self._own("answers", shape, "float32")

    def _own(self, name: str, shape: tuple, dtype: str) -> Any:
        return self.add_weight(
            name=name, shape=shape, dtype=dtype, initializer="zeros", trainable=False
        )

    def compute_output_shape(self, input_shape):
        shape = (input_shape[0], self.widest.output_shape[-1])
        return [shape, shape, shape[:1]]

    def call(self, images, training=None):
        step = ops.convert_to_tensor(self.step)
        part = ops.take(ops.convert_to_tensor(self._turns), step)
        logits: Any = self._answer(images, part, training=training)
        logits = ops.cast(logits, "float32")
        first = ops.equal(step % _TURNS, 0)
        soft = ops.stop_gradient(ops.where(first, logits, self.answers.value))
        self.answers.assign(soft)
        self.step.assign_add(1)
        return [logits, soft, ops.where(first, ops.ones_like(logits[:, 0]), 0.0)]


@dataclass(frozen=True)
class _InPlace(Objective):
    """The widest network learns the labels, the others its answers."""

    def __call__(self, targets: Mapping[str, Any], outputs: Any) -> Any:
        """Return the loss of the network whose turn it is."""
        logits, soft, first = outputs
        taught = ops.mean(losses.soft_divergence(soft, logits, 1.0))
        return ops.where(first[0] > 0, super().__call__(targets, logits), taught)


@dataclass(frozen=True)
class _InTurns:
    """A feed that gives each batch once for each network of a step."""

    feed: Feed

    @property
    def steps_per_epoch(self) -> int:
        """Turns."""
        return _TURNS * self.feed.steps_per_epoch

    def dataset(self, first: int, last: int) -> Any:
        """Return the batches of some turns."""
        whole: Any = self.feed.dataset(first // _TURNS, -(-last // _TURNS))
        turns = whole.flat_map(lambda *x: _same(x).repeat(_TURNS))
        return turns.skip(first % _TURNS).take(last - first)


def _same(batch: tuple) -> Any:
    import tensorflow as tf

    return tf.data.Dataset.from_tensors(batch)


def sandwich(
    shared: SharedNetwork, feed: Feed, recipe: Recipe, seed: int
) -> tuple[keras.Model, Feed, Recipe, Objective]:
    """Return what ``train`` takes to train all networks of a space.

    Args:
        shared: The networks.
        feed: Training images of the largest side.
        recipe: How the widest is trained; a step of it is one of all its networks.
        seed: Of which networks learn in a step.
    """
    steps = recipe.epochs * feed.steps_per_epoch
    draws = np.random.default_rng(seed)
    others = draws.integers(0, len(shared.parts), (steps, _OTHERS), dtype="int32")
    ends = np.broadcast_to(np.array([len(shared.parts) - 1, 0], "int32"), (steps, 2))
    turns = np.concatenate([ends, others], axis=1).ravel()
    image = keras.Input(shared.widest.input_shape[1:], name="image")
    images, _ = next(iter(feed.dataset(0, 1)))
    outputs = _Sandwich(shared, turns, images.shape[0])(image)
    model = keras.Model(image, outputs, name=f"{shared.widest.name}_shared")
    recipe = replace(recipe, accumulate=_TURNS * recipe.accumulate)
    return model, _InTurns(feed), recipe, _InPlace(recipe)
