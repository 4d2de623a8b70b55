"""The learning rate of each step, and the optimizer that follows it."""

import difflib
import math
import types
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import layers, ops

from kerasnets.errors import KerasnetsError
from kerasnets.graph import all_layers, leaf_layers
from kerasnets.training.recipe import LayerRate, Recipe
from kerasnets.traits import kernels_of

_NORMALISATIONS = (
    layers.BatchNormalization,
    layers.GroupNormalization,
    layers.LayerNormalization,
)
# what trained the zoo's small networks: a large rate kills the ReLUs of one without
# normalisation, which then gives the same answer to every image
_RATES = {
    "sgd": (0.1, 0.01),
    # AdaDelta finds its own (Zeiler 2012, section 3)
    "adadelta": (1.0, 1.0),
    **dict.fromkeys(("rmsprop", "adam", "adamw"), (0.003, 0.001)),
}


def suggest_learning_rate(model: keras.Model, optimizer: str = "sgd") -> float:
    """Return a peak learning rate for training a network from random weights.

    With SGD 0.1 as in the papers on residual networks, or 0.01 as in those before batch
    normalisation (AlexNet, VGG); with Adam 0.003 or 0.001.

    Args:
        model: Whether it normalises anywhere decides.
        optimizer: As in ``Recipe``.
    """
    normalised, bare = _RATES[optimizer]
    return normalised if has_normalisation(model) else bare


def has_normalisation(model: keras.Model) -> bool:
    """Return whether a layer normalises its inputs by their statistics."""
    return any(isinstance(x, _NORMALISATIONS) for x in all_layers(model))


def learning_rate(recipe: Recipe, step: Any, steps: int) -> Any:
    """Return the learning rate of step ``step`` of ``steps``, counted from 0.

    rate * step / w in the first w steps of the warm-up; then rate, or
    rate * (1 + cos(pi (step - w) / (steps - w))) / 2 along the cosine,
    rate * ((steps - step) / (steps - w))^power of the polynomial,
    rate * gamma^((step - w) / (steps - w)) of the exponential, or rate * gamma^m behind
    m milestones.
    """
    step = ops.cast(step, "float32")
    warmup = round(recipe.warmup * steps)
    share = 1.0
    behind = ops.clip((step - warmup) / max(1, steps - warmup), 0.0, 1.0)
    if recipe.schedule == "cosine":
        share = 0.5 * (1.0 + ops.cos(math.pi * behind))
    elif recipe.schedule == "polynomial":
        share = (1.0 - behind) ** recipe.power
    elif recipe.schedule == "exponential":
        share = recipe.gamma**behind
    for milestone in recipe.milestones:
        share = share * ops.where(step < round(milestone * steps), 1.0, recipe.gamma)
    if warmup:
        share = ops.where(step < warmup, step / warmup, share)
    return recipe.learning_rate * ops.cast(share, "float32")


def make_optimizer(
    recipe: Recipe,
    model: keras.Model,
    steps: int,
    rates: Mapping[str, LayerRate] | None = None,
) -> keras.optimizers.Optimizer:
    """Return the optimizer for ``model``, which decays only the weights that it should.

    Args:
        recipe: Epochs, optimizer, learning rate, schedule and weight decay.
        model: The network that is trained.
        steps: Of the whole training.
        rates: How fast layers learn, by their names (``nested_model/layer`` in nested
            ones); those that are not named learn at the recipe's rate.

    Raises:
        KerasnetsError: There is no layer of that name.
    """
    schedule = _Schedule(recipe, steps)
    if rates:
        optimizer = _with_own_rates(recipe, model, steps, rates, schedule)
    else:
        optimizer = with_settings(keras.optimizers, recipe, schedule)
        optimizer.exclude_from_weight_decay(var_list=undecayed_variables(model))
    # among the optimizer's variables: JAX takes any other for a constant
    schedule.pace = optimizer.add_variable(
        (len(Pace._fields),), "zeros", dtype="float32", name="pace"
    )
    schedule.pace.assign(Pace())
    return optimizer


class Pace(NamedTuple):
    """What becomes of the rate besides its schedule: it depends on how training goes.

    Attributes:
        factor: Of the rate.
        best: Accuracy on the validation images so far.
        rest: Epochs since then.
        rollbacks: How often the training was taken back.
    """

    factor: float = 1.0
    best: float = -1.0
    rest: float = 0.0
    rollbacks: float = 0.0

    def after(self, accuracy: float, recipe: Recipe) -> "Pace":
        """Return the pace behind an epoch, of the schedule "plateau"."""
        if accuracy > self.best:
            return self._replace(best=accuracy, rest=0.0)
        rest = self.rest + 1
        if rest < recipe.patience:
            return self._replace(rest=rest)
        return self._replace(factor=self.factor * recipe.gamma, rest=0.0)


class Paced:
    """Reads and changes the pace of an optimizer of ``make_optimizer``."""

    def __init__(self, optimizer: keras.optimizers.Optimizer):
        self._variable: Any = next(x for x in optimizer.variables if x.name == "pace")

    @property
    def now(self) -> Pace:
        """As it stands."""
        return Pace(*np.asarray(self._variable).tolist())

    def become(self, pace: Pace) -> None:
        """Set it."""
        self._variable.assign(pace)


def with_settings(optimizers: Any, recipe: Recipe, rate: Any) -> Any:
    """Return the recipe's optimizer from ``keras.optimizers`` or tf_keras's.

    Args:
        optimizers: The module.
        recipe: Names the optimizer and its weight decay.
        rate: A schedule of the same library.
    """
    decay = recipe.weight_decay if recipe.decay == "decoupled" else 0.0
    how: dict[str, Any] = {}
    if recipe.clip_norm:
        how["global_clipnorm"] = recipe.clip_norm
    if recipe.accumulate > 1:
        how["gradient_accumulation_steps"] = recipe.accumulate
    if recipe.ema:
        how |= {"use_ema": True, "ema_momentum": recipe.ema}
    if recipe.optimizer == "adamw":
        how |= {"weight_decay": decay, "epsilon": recipe.epsilon}
        return optimizers.AdamW(rate, **how)
    how["weight_decay"] = decay or None
    if recipe.optimizer == "sgd":
        how |= {"momentum": recipe.momentum, "nesterov": recipe.nesterov}
        return optimizers.SGD(rate, **how)
    how["epsilon"] = recipe.epsilon
    if recipe.optimizer == "rmsprop":
        how |= {"momentum": recipe.momentum, "rho": recipe.discount}
        return optimizers.RMSprop(rate, **how)
    if recipe.optimizer == "adadelta":
        return optimizers.Adadelta(rate, rho=recipe.discount, **how)
    return optimizers.Adam(rate, **how)


class _Schedule(keras.optimizers.schedules.LearningRateSchedule):
    """The learning rate of a recipe, as Keras's optimizers ask for it."""

    pace: Any = None

    def __init__(self, recipe: Recipe, steps: int):
        self.recipe, self.steps = recipe, steps

    def __call__(self, step):
        rate = learning_rate(self.recipe, step, self.steps)
        return rate if self.pace is None else rate * self.pace[0]

    def get_config(self):
        raise NotImplementedError("a recipe's optimizer is not saved with its network")


class _OwnRates:
    """Makes an optimizer's steps shares of its rate, for each variable its own.

    Weight decay is part of the step: Keras decays all variables at one rate.
    """

    # of each variable, in the order in which the optimizer is built: the share of the
    # rate, the first step that counts, and the decay
    plans: Sequence[tuple[float, int, float]]

    def update_step(self: Any, gradient, variable, learning_rate):
        # a device of several hands its own copy of the variable to a step
        plan = self.plans[self._get_variable_index(variable)]
        share, first_step, decay = plan
        begun = ops.cast(self.iterations >= first_step, "float32")
        learning_rate = learning_rate * share * begun
        if decay:
            self.assign_sub(variable, variable * decay * learning_rate)
        super().update_step(gradient, variable, learning_rate)  # pyright: ignore


class SGDByLayer(_OwnRates, keras.optimizers.SGD):
    """SGD with a rate for each variable."""


class AdamByLayer(_OwnRates, keras.optimizers.Adam):
    """Adam, and AdamW, with a rate for each variable."""


class RMSpropByLayer(_OwnRates, keras.optimizers.RMSprop):
    """RMSprop with a rate for each variable."""


class AdadeltaByLayer(_OwnRates, keras.optimizers.Adadelta):
    """AdaDelta with a rate for each variable."""


def _with_own_rates(
    recipe: Recipe,
    model: keras.Model,
    steps: int,
    rates: Mapping[str, LayerRate],
    schedule: Any,
) -> keras.optimizers.Optimizer:
    """The recipe's optimizer with rates by layer."""
    undecayed = {id(variable) for variable in undecayed_variables(model)}
    plans = []
    for variable, rate in _by_variable(model, rates):
        is_decayed = recipe.decay == "decoupled" and id(variable) not in undecayed
        decay = recipe.weight_decay if is_decayed else 0.0
        first_step = rate.first_epoch * steps // recipe.epochs // recipe.accumulate
        plans.append((rate.share, first_step, decay))
    own = types.SimpleNamespace(
        SGD=SGDByLayer,
        RMSprop=RMSpropByLayer,
        Adadelta=AdadeltaByLayer,
        Adam=AdamByLayer,
        AdamW=AdamByLayer,
    )
    optimizer = with_settings(own, replace(recipe, weight_decay=0.0), schedule)
    optimizer.plans = plans
    return optimizer


def _by_variable(
    model: keras.Model, rates: Mapping[str, LayerRate]
) -> list[tuple[keras.Variable, LayerRate]]:
    """The rate of each variable that learns."""
    layers = leaf_layers(model)
    for name in rates:
        if name not in layers:
            near = difflib.get_close_matches(name, layers, n=3, cutoff=0.0)
            raise KerasnetsError(
                f"{model.name!r} has no layer {name!r}; near it are {', '.join(near)}"
            )
    of_layer = {
        id(variable): rate
        for name, rate in rates.items()
        for variable in layers[name].trainable_variables
    }
    return [
        (variable, of_layer.get(id(variable), LayerRate()))
        for variable in model.trainable_variables
    ]


def penalty(recipe: Recipe, variables: Sequence[keras.Variable]) -> Any:
    """Return what the loss has more for large weights: decay / 2 of their squares.

    Its gradient is the weight decay of "l2". 0 where the recipe decays otherwise.

    Args:
        recipe: Weight decay, and how.
        variables: Those that decay, see ``decayed_variables``.
    """
    if recipe.decay != "l2" or not recipe.weight_decay:
        return 0.0
    squares: Any = [ops.sum(ops.square(ops.cast(v, "float32"))) for v in variables]
    return 0.5 * recipe.weight_decay * sum(squares)


def decayed_variables(model: keras.Model) -> list[keras.Variable]:
    """Return the variables that weight decay makes smaller: full and dense kernels."""
    kernels = {
        id(kernel)
        for layer in all_layers(model)
        for kernel in kernels_of(layer, depthwise=False).values()
    }
    return [v for v in model.trainable_variables if id(v) in kernels]


def undecayed_variables(model: keras.Model) -> list[keras.Variable]:
    """Return biases, the parameters of batch norms, and depthwise kernels.

    Decaying them costs accuracy: depthwise kernels have so few parameters that they
    need none of it (Howard et al. 2017, section 3.2).
    """
    decayed = {id(variable) for variable in decayed_variables(model)}
    return [
        variable
        for variable in model.trainable_variables
        if id(variable) not in decayed
    ]
