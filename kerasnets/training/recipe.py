"""How a network is trained: how long, how fast, by which optimizer, on which loss.

Plain values: reading them costs no Keras import, and they travel as JSON.
"""

import difflib
import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kerasnets.errors import KerasnetsError

if TYPE_CHECKING:
    from kerasnets.data import Augment, Mix

OPTIMIZERS = ("sgd", "rmsprop", "adadelta", "adam", "adamw")
SCHEDULES = ("cosine", "constant", "step", "polynomial", "exponential", "plateau")
DECAYS = ("decoupled", "l2")
LOSSES = ("cross_entropy", "squared_hinge")
SOFT_LOSSES = ("divergence", "logits")


@dataclass(frozen=True)
class Recipe:
    """The settings of one training, from scratch or of a step of compression.

    Attributes:
        epochs: Passes over the training images.
        learning_rate: The peak, reached after the warm-up.
        batch_size: Images a step.
        warmup: Share of the steps over which the rate rises linearly from zero.
        schedule: What follows: "cosine" falls to zero along half a cosine (Loshchilov
            and Hutter 2017), "constant" stays, "step" is multiplied by ``gamma`` at
            each of the ``milestones``, "polynomial" falls to zero as the ``power`` of
            the share of the steps that is left, "exponential" falls to ``gamma`` of
            the rate, by the same factor in each step, "plateau" is multiplied by
            ``gamma`` each time that the accuracy on the validation images has not risen
            for ``patience`` epochs.
        milestones: Shares of the training, ascending, for "step".
        gamma: Of "step", "exponential" and "plateau", above 0.
        patience: Epochs, of "plateau".
        power: Of "polynomial"; 1 is a straight line.
        optimizer: "sgd", "rmsprop", "adadelta" (Zeiler 2012), "adam" or "adamw".
        momentum: Of SGD and RMSprop, 0 to below 1.
        nesterov: Whether SGD looks ahead along it (Sutskever et al. 2013).
        discount: Of the old squared gradients of RMSprop and AdaDelta, 0 to below 1.
        epsilon: Added to the root of squared gradients, by all but SGD.
        weight_decay: Of weights a step; biases, batch normalisation and depthwise
            kernels have none.
        decay: How: "decoupled" subtracts it from a weight, times weight and learning
            rate (Loshchilov and Hutter 2019); "l2" adds it to the gradient, times the
            weight, as papers before them mean it. With momentum 0.9 the same number is
            some ten times as strong that way.
        loss: "cross_entropy" of the softmax, or "squared_hinge", one against all
            (``losses.MulticlassSquaredHinge``: what DSN learned with).
        label_smoothing: Share of a label that is spread evenly over all classes, 0 to
            below 1 (Szegedy et al. 2015, section 7).
        temperature: Of a teacher's soft targets, above 0 (Hinton et al. 2015 use 1 to
            20); without a teacher it has no effect.
        soft_weight: Share of the soft targets in the loss, 0 to 1; the labels have the
            rest. Without a teacher it has no effect.
        soft_weight_end: What that share comes to in the end, along a straight line; a
            negative number for no change. From 0.8 to 0.5 is a teacher that counts 4
            times the labels in the beginning, and as much as they in the end (Romero
            et al. 2015, section 3.1).
        soft_loss: Of soft targets: "divergence" at the temperature (Hinton et al.), or
            "logits", the squared distance of the logits (Ba and Caruana 2014).
        clip_norm: Largest norm of all gradients together; 0 for any.
        accumulate: Batches whose gradients are averaged for one step of the optimizer.
        ema: Momentum of the exponential averages of the weights that take their place
            in the end, and where the network is judged; 0 for none.
        rollback: Go back once, and on with half the rate, where the loss is no finite
            number (to the start of the epoch before) or nothing is learned (to the
            start).
        augment: Random changes of the training images.
        mix: Random changes of whole batches.

    Raises:
        KerasnetsError: A value is out of range or a name is unknown.
    """

    epochs: int
    learning_rate: float
    batch_size: int = 64
    warmup: float = 0.1
    schedule: str = "cosine"
    milestones: tuple[float, ...] = ()
    gamma: float = 0.1
    patience: int = 5
    power: float = 1.0
    optimizer: str = "sgd"
    momentum: float = 0.9
    nesterov: bool = True
    discount: float = 0.9
    epsilon: float = 1e-7
    weight_decay: float = 0.0
    decay: str = "decoupled"
    loss: str = "cross_entropy"
    label_smoothing: float = 0.0
    temperature: float = 4.0
    soft_weight: float = 0.5
    soft_weight_end: float = -1.0
    soft_loss: str = "divergence"
    clip_norm: float = 0.0
    accumulate: int = 1
    ema: float = 0.0
    rollback: bool = False
    augment: "Augment | None" = None
    mix: "Mix | None" = None

    def __post_init__(self):
        _check_name("optimizer", self.optimizer, OPTIMIZERS)
        _check_name("schedule", self.schedule, SCHEDULES)
        _check_name("decay", self.decay, DECAYS)
        _check_name("loss", self.loss, LOSSES)
        _check_name("soft_loss", self.soft_loss, SOFT_LOSSES)
        ends = (0.0, *self.milestones, 1.0)
        for name, valid, accepted in (
            ("epochs", self.epochs >= 1, "1 or more"),
            ("batch_size", self.batch_size >= 1, "1 or more"),
            ("learning_rate", self.learning_rate > 0, "above 0"),
            ("warmup", 0 <= self.warmup <= 1, "0 to 1"),
            (
                "milestones",
                all(a < b for a, b in itertools.pairwise(ends)),
                "shares between 0 and 1, ascending,",
            ),
            ("gamma", self.gamma > 0, "above 0"),
            ("patience", self.patience >= 1, "1 or more"),
            ("power", self.power > 0, "above 0"),
            ("momentum", 0 <= self.momentum < 1, "0 to below 1"),
            ("discount", 0 <= self.discount < 1, "0 to below 1"),
            ("epsilon", self.epsilon > 0, "above 0"),
            ("weight_decay", self.weight_decay >= 0, "0 or more"),
            ("label_smoothing", 0 <= self.label_smoothing < 1, "0 to below 1"),
            ("temperature", self.temperature > 0, "above 0"),
            ("soft_weight", 0 <= self.soft_weight <= 1, "0 to 1"),
            ("soft_weight_end", self.soft_weight_end <= 1, "1 at most"),
            ("clip_norm", self.clip_norm >= 0, "0 or more"),
            ("accumulate", self.accumulate >= 1, "1 or more"),
            ("ema", 0 <= self.ema < 1, "0 to below 1"),
        ):
            if not valid:
                raise KerasnetsError(
                    f"the recipe's {name} is {getattr(self, name)}; {accepted} is "
                    "accepted"
                )
        if (self.schedule == "step") != bool(self.milestones):
            raise KerasnetsError(
                f"the recipe's schedule is {self.schedule!r}, its milestones are "
                f'{self.milestones}: "step" has some, others have none'
            )
        if self.mix is not None and self.mix.of_labels and self.loss == "squared_hinge":
            raise KerasnetsError(
                "the recipe's loss is squared_hinge, which takes no mixed labels: "
                "cross_entropy is accepted with mixup and cutmix"
            )

    @property
    def soft_weights(self) -> tuple[float, float]:
        """Share of the soft targets in the loss of the first and of the last step."""
        last = self.soft_weight_end
        return self.soft_weight, self.soft_weight if last < 0 else last

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> "Recipe":
        """Return the recipe whose ``dataclasses.asdict`` was written as JSON."""
        from kerasnets.data import Augment, Mix

        augment, mix = record.get("augment"), record.get("mix")
        return cls(
            **{
                **record,
                "milestones": tuple(record.get("milestones", ())),
                "augment": None if augment is None else Augment.from_json(augment),
                "mix": None if mix is None else Mix(**mix),
            }
        )


@dataclass(frozen=True)
class LayerRate:
    """How fast a layer learns beside the others.

    Attributes:
        share: Of the recipe's learning rate, and with it of its weight decay.
        first_epoch: The epoch, counted from 0, in which it begins to learn.

    Raises:
        KerasnetsError: A value is below 0.
    """

    share: float = 1.0
    first_epoch: int = 0

    def __post_init__(self):
        for name in ("share", "first_epoch"):
            value = getattr(self, name)
            if not value >= 0:
                raise KerasnetsError(
                    f"the {name} of a layer's rate is {value}; 0 or more is accepted"
                )


def _check_name(what: str, name: str, known: tuple[str, ...]) -> None:
    if name not in known:
        (nearest,) = difflib.get_close_matches(name, known, n=1, cutoff=0.0)
        raise KerasnetsError(
            f"there is no {what} {name!r}, the nearest is {nearest!r}; "
            f"{', '.join(known)} are accepted"
        )
