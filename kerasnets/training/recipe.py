"""How long, how fast and with which optimizer a network is trained."""

from dataclasses import dataclass
from typing import Any

import keras

from kerasnets.graph import all_layers
from kerasnets.losses import MulticlassSquaredHinge
from kerasnets.traits import kernels_of


@dataclass(frozen=True)
class Recipe:
    """The settings of one training.

    Attributes:
        epochs: passes over the training images.
        batch_size: images a step.
        learning_rate: the peak, reached after the warm-up.
        warmup: share of the steps over which the rate rises linearly from zero; then
            it falls to zero along half a cosine (Loshchilov and Hutter 2017).
        optimizer: "sgd" (Nesterov momentum 0.9) or "adamw".
        weight_decay: decoupled decay a step, times the learning rate.
        loss: "cross_entropy" of the softmax, or "squared_hinge", one against all
            (``losses.MulticlassSquaredHinge``: what DSN learned with).
    """

    epochs: int
    learning_rate: float
    batch_size: int = 64
    warmup: float = 0.1
    optimizer: str = "sgd"
    weight_decay: float = 0.0
    loss: str = "cross_entropy"

    # Any: Keras annotates its optimizers' learning_rate as a float
    def schedule(self, steps: int) -> Any:
        """The learning rate over ``steps`` steps."""
        warmup_steps = round(self.warmup * steps)
        return keras.optimizers.schedules.CosineDecay(
            initial_learning_rate=0.0 if warmup_steps else self.learning_rate,
            decay_steps=max(1, steps - warmup_steps),
            warmup_target=self.learning_rate if warmup_steps else None,
            warmup_steps=warmup_steps,
        )

    def make_loss(self) -> keras.losses.Loss:
        """The loss of labels (batch,) and logits (batch, classes)."""
        if self.loss == "squared_hinge":
            return MulticlassSquaredHinge()
        return keras.losses.SparseCategoricalCrossentropy(from_logits=True)

    def make_optimizer(
        self, model: keras.Model, steps: int
    ) -> keras.optimizers.Optimizer:
        """The optimizer for ``model``, decaying only the weights that should be."""
        rate = self.schedule(steps)
        decay = self.weight_decay or None
        if self.optimizer == "sgd":
            optimizer = keras.optimizers.SGD(
                rate, momentum=0.9, nesterov=True, weight_decay=decay
            )
        else:
            optimizer = keras.optimizers.AdamW(rate, weight_decay=decay or 0.0)
        optimizer.exclude_from_weight_decay(var_list=undecayed_variables(model))
        return optimizer


def undecayed_variables(model: keras.Model) -> list[keras.Variable]:
    """Biases, batch-norm parameters and depthwise kernels.

    Decaying them costs accuracy: depthwise kernels have so few parameters that they
    need none of it (Howard et al. 2017, section 3.2).
    """
    decayed = {
        id(kernel)
        for layer in all_layers(model)
        for kernel in kernels_of(layer, depthwise=False).values()
    }
    return [
        variable
        for variable in model.trainable_variables
        if id(variable) not in decayed
    ]
