"""The network with its objective in the place of Keras's losses, and what it counts."""

from collections.abc import Callable, Mapping
from typing import Any

import keras
import numpy as np
from keras import ops

from kerasnets.training.devices import share_of_replica, sums_over_replicas
from kerasnets.training.objective import Objective, right_answers, whole_labels
from kerasnets.training.optimizers import decayed_variables, penalty
from kerasnets.training.outcome import Training

# from a batch of images to targets beside its labels, as ``Objective`` knows them
Teach = Callable[[Any], Mapping[str, Any]]


class Learner(keras.Model):
    """A network as it learns.

    Args:
        model: From images to logits.
        objective: What it minimises.
        teach: Gives further targets.
        steps: Of the whole training.
    """

    def __init__(
        self,
        model: keras.Model,
        objective: Objective,
        teach: Teach | None,
        steps: int,
    ):
        super().__init__(name="learner", dtype=model.dtype_policy, autocast=False)
        self.network, self.objective = model, objective
        # in closures: Keras would take what they hold for weights of the learner's own
        decayed = decayed_variables(model)
        self._penalty = lambda: penalty(objective.recipe, decayed)
        self._teach = (lambda images: teach(images)) if teach else None
        self._mean_loss = _Mean("mean_loss")
        self._accuracy = _Mean("accuracy")
        self._course = _Course()
        first, last = objective.recipe.soft_weights
        # of the whole training, where that changes what is learned
        self._done = _Done(steps) if first != last else None
        classes = model.outputs[0].shape[-1]
        self._labels = _LabelCounts(2 if classes == 1 else classes)
        self.built = True

    def call(self, images, training=None):  # noqa: D102  (Keras's)
        return self.network(images, training=training)

    def compute_loss(  # noqa: D102  (Keras's)
        self, x=None, y=None, y_pred=None, sample_weight=None, training=True
    ):
        del sample_weight, training
        targets = dict(y) if isinstance(y, dict) else {"labels": y}
        if self._teach is not None:
            targets |= self._teach(x)
        if self._done is not None:
            targets["done"] = self._done.result()
        loss = self.objective(targets, y_pred)
        for extra in self.network.losses:
            loss = loss + extra
        loss = loss + self._penalty()
        self._count(x, targets, y_pred, loss)
        return share_of_replica(loss)

    def _count(self, images, targets, outputs, loss):
        """Keep what became of a batch, the same in all replicas."""
        shape: Any = ops.shape(images)
        sums = [share_of_replica(loss), shape[0]]
        if "labels" in targets and self.objective.weights:
            right = right_answers(targets, outputs)
            mask = ops.cast(targets.get("mask", ops.ones_like(right)), right.dtype)
            labels = self._labels.counted(whole_labels(targets, outputs), mask)
            sums += [ops.sum(right * mask), ops.sum(mask), labels]
        loss, images, *of_labels = sums_over_replicas(sums)
        self._mean_loss.update_state(loss, 1)
        self._course.update_state(loss, images)
        if self._done is not None:
            self._done.update_state()
        if of_labels:
            right, counted, labels = of_labels
            self._accuracy.update_state(right, counted)
            self._labels.update_state(labels)

    @property
    def figures(self) -> list[keras.Variable]:
        """What the results of the epoch are made from, and how far it has come."""
        metrics = (self._mean_loss, self._accuracy, self._labels, self._course)
        if self._done is not None:
            metrics = (*metrics, self._done)
        return [variable for metric in metrics for variable in metric.variables]

    def result(self) -> Training:
        """Of the epoch, as far as it has come."""
        counts = np.asarray(self._labels.counts)
        labels = counts.sum()
        loss: Any = self._mean_loss.result()
        accuracy: Any = self._accuracy.result()
        return Training(
            loss=float(loss),
            accuracy=float(accuracy),
            chance=float(counts.max() / max(1, labels)),
            labels=int(labels),
        )

    @property
    def images(self) -> int:
        """How many the epoch has had."""
        return int(np.asarray(self._course.images))

    @property
    def broke_at(self) -> int | None:
        """The first step of the epoch with a loss that is no finite number."""
        first = int(np.asarray(self._course.broke_at))
        return None if first < 0 else first


class _Figure(keras.metrics.Metric):
    """A metric that is updated with the figures of all replicas.

    So it is the same in each: a process can read it without asking the others.
    """

    def add_figure(self, shape=(), initializer: Any = "zeros", dtype="float32") -> Any:
        return self.add_variable(
            shape, initializer, dtype, aggregation="only_first_replica"
        )


class _Mean(_Figure):
    """A sum by a count."""

    def __init__(self, name: str):
        super().__init__(name=name)
        self.total, self.count = self.add_figure(), self.add_figure()

    def update_state(self, total, count):
        self.total.assign_add(ops.cast(total, "float32"))
        self.count.assign_add(ops.cast(count, "float32"))

    def result(self):
        return ops.divide_no_nan(self.total, self.count)


class _Course(_Figure):
    """Steps and images of an epoch, and where its loss was no finite number."""

    def __init__(self):
        super().__init__(name="course")
        self.steps = self.add_figure(dtype="int32")
        self.images = self.add_figure(dtype="int32")
        self.broke_at = self.add_figure((), keras.initializers.Constant(-1), "int32")

    def update_state(self, loss, images):
        steps, broke_at = map(ops.convert_to_tensor, (self.steps, self.broke_at))
        begins = ops.logical_and(broke_at < 0, ops.logical_not(ops.isfinite(loss)))
        self.broke_at.assign(ops.where(begins, steps, broke_at))
        self.steps.assign_add(1)
        self.images.assign_add(ops.cast(images, "int32"))

    def reset_state(self):
        for variable, value in ((self.steps, 0), (self.images, 0), (self.broke_at, -1)):
            variable.assign(value)

    def result(self):
        return ops.cast(self.steps, "float32")


class _Done(_Figure):
    """The share of a training that is over, in epochs before this one, too."""

    def __init__(self, steps: int):
        super().__init__(name="done")
        self._all, self.steps = steps, self.add_figure(dtype="int32")

    def update_state(self):
        self.steps.assign_add(1)

    def reset_state(self):
        """An epoch ends; the training does not."""

    def result(self):
        return ops.cast(self.steps, "float32") / self._all


class _LabelCounts(_Figure):
    """How often each label came."""

    def __init__(self, classes: int):
        super().__init__(name="labels")
        # an epoch of pixels may have more than 2^24 labels of a class, up to which
        # float32 counts; JAX has no float64
        dtype = "float32" if keras.backend.backend() == "jax" else "float64"
        self.counts = self.add_figure((classes,), dtype=dtype)

    def counted(self, labels, mask):
        """Return how often each label is in a batch."""
        classes, dtype = self.counts.shape[0], self.counts.dtype
        each: Any = ops.one_hot(labels, classes, dtype=dtype)
        each = each * ops.expand_dims(ops.cast(mask, dtype), -1)
        return ops.sum(ops.reshape(each, (-1, classes)), axis=0)

    def update_state(self, counts):
        self.counts.assign_add(counts)

    def result(self):
        return ops.max(self.counts)
