"""What a training minimises: one function of a batch's targets and outputs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from keras import ops

from kerasnets import losses
from kerasnets.errors import KerasnetsError
from kerasnets.training.devices import share_of_replica, sums_over_replicas
from kerasnets.training.recipe import Recipe

TARGETS = ("labels", "soft", "hints", "mask", "done")


@dataclass(frozen=True)
class Objective:
    """The loss of a batch; pure, in ``keras.ops``: any loop may call it.

    Each output is held against the same targets, and their losses are added with the
    outputs' weights. The targets are a mapping of

    - "labels": whole numbers (batch, ...), or shares of the classes (batch, ...,
      classes) of images that are mixed from several;
    - "soft": a teacher's logits (batch, ..., classes), computed now or long ago. The
      loss is then (1 - w) CE(labels, z) + w T^2 KL(softmax(t / T), softmax(z / T)),
      or has the squared distance of t and z in the place of the divergence;
    - "hints": a list of a teacher's maps, one for each output behind the weighted ones;
    - "done": the share of the training that is over, 0 to 1, where w changes with it;
    - "mask": how much each label counts (batch, ...), 0 for not at all; the loss is the
      mean weighted by it. Without one all count alike.

    Attributes:
        recipe: Loss of the labels, label smoothing, temperature T and weight w.
        weights: Of the outputs that give logits: 1 for the main one, 0.3 for auxiliary
            classifiers (Szegedy et al. 2014). Empty where there are hints alone.
        hint_weights: Of the outputs behind those; None for 1 each.
    """

    recipe: Recipe
    weights: tuple[float, ...] = (1.0,)
    hint_weights: tuple[float, ...] | None = None

    def __call__(self, targets: Mapping[str, Any], outputs: Any) -> Any:
        """Return the loss, a scalar.

        Args:
            targets: As above.
            outputs: A tensor or a list of tensors.

        Raises:
            KerasnetsError: A target is unknown, or there is none for an output.
        """
        outputs = outputs if isinstance(outputs, list | tuple) else [outputs]
        outputs = [ops.cast(output, "float32") for output in outputs]
        hints = targets.get("hints", [])
        unknown = [name for name in targets if name not in TARGETS]
        if unknown or len(outputs) != len(self.weights) + len(hints):
            raise KerasnetsError(
                f"targets {', '.join(targets)} with {len(hints)} hints for "
                f"{len(outputs)} outputs, {len(self.weights)} of them logits; "
                f"{', '.join(TARGETS)} are accepted, and a hint for each other output"
            )
        logits, maps = outputs[: len(self.weights)], outputs[len(self.weights) :]
        parts = [
            weight * _mean(self._of_logits(targets, output), targets.get("mask"))
            for weight, output in zip(self.weights, logits, strict=True)
        ]
        parts += [
            weight * ops.mean(losses.hint_distance(hint, output))
            for weight, hint, output in zip(
                self.hint_weights or (1.0,) * len(hints), hints, maps, strict=True
            )
        ]
        return sum(parts[1:], parts[0])

    def _of_logits(self, targets: Mapping[str, Any], logits: Any) -> Any:
        """The loss of each label."""
        recipe = self.recipe
        first, last = recipe.soft_weights if "soft" in targets else (0.0, 0.0)
        soft = hard = 0.0
        if max(first, last) > 0 and recipe.soft_loss == "logits":
            soft = losses.logit_distance(targets["soft"], logits)
        elif max(first, last) > 0:
            soft = losses.soft_divergence(targets["soft"], logits, recipe.temperature)
        if min(first, last) < 1:
            hard = self._of_labels(targets["labels"], logits)
        weight = first
        if first != last:
            weight = first + (last - first) * targets["done"]
        return (1.0 - weight) * hard + weight * soft

    def _of_labels(self, labels: Any, logits: Any) -> Any:
        if self.recipe.loss == "squared_hinge":
            return losses.squared_hinge(labels, logits)
        return losses.cross_entropy(labels, logits, self.recipe.label_smoothing)


def whole_labels(targets: Mapping[str, Any], outputs: Sequence[Any] | Any) -> Any:
    """Return the labels as whole numbers: the largest share of those that are mixed."""
    labels = targets["labels"]
    if len(labels.shape) == len(_logits_of(outputs).shape):
        labels = ops.argmax(labels, axis=-1)
    return ops.cast(labels, "int32")


def right_answers(targets: Mapping[str, Any], outputs: Sequence[Any] | Any) -> Any:
    """Return 1.0 where the first output's largest logit is the label's, else 0.0."""
    chosen: Any = ops.argmax(losses.class_logits(_logits_of(outputs)), axis=-1)
    labels = whole_labels(targets, outputs)
    return ops.cast(ops.equal(ops.cast(chosen, "int32"), labels), "float32")


def _logits_of(outputs: Sequence[Any] | Any) -> Any:
    """The main output."""
    return outputs[0] if isinstance(outputs, list | tuple) else outputs


def _mean(values: Any, mask: Any) -> Any:
    if mask is None:
        return ops.mean(values)
    mask = ops.cast(mask, values.dtype)
    (counted,) = sums_over_replicas([ops.sum(mask)])
    # a batch of which nothing counts has the loss 0
    return ops.sum(mask * values) / ops.maximum(share_of_replica(counted), 1e-7)
