"""What Keras's ``fit`` gets wrong across processes, put right: the one place for it.

Of the versions named here, with TensorFlow's MultiWorkerMirroredStrategy (keras issue
20585, the first two):

- before the first step a batch of each process is reduced to look at its shape, which
  fails; all is built already;
- scalar logs are reduced over an axis that they do not have; nobody asks for them, and
  something with an axis stands in their place;
- each replica clips its own share of the gradients, and decides by it alone whether a
  step of mixed precision is left out: they are added up first.
"""

from typing import Any

import keras
import tensorflow as tf

from kerasnets.errors import KerasnetsError

TESTED = ("3.15",)


def check_keras(version: str = keras.__version__) -> None:
    """Raise where ``fit`` may be another than the one that is put right here."""
    if version.rpartition(".")[0] not in TESTED:
        raise KerasnetsError(
            f"Keras {version} on several devices: tested with {', '.join(TESTED)} "
            "alone; install one of these, or train on one device"
        )


def leave_gradients(optimizer: Any) -> None:
    """Keep an optimizer from adding up gradients over replicas, for good.

    On one device there is nothing to add, and TensorFlow would register the sum among
    the gradients that it knows for ever, and with it the graph of each training.
    """
    inner = getattr(optimizer, "inner_optimizer", optimizer)
    inner._all_reduce_sum_gradients = lambda gradients_and_variables: (
        gradients_and_variables
    )


def put_fit_right(learner: Any) -> None:
    """Change a model that is built and compiled, for good."""
    optimizer = learner.optimizer
    apply = optimizer.apply_gradients

    def apply_sums(gradients_and_variables):
        gradients, variables = zip(*gradients_and_variables, strict=True)
        replica = tf.distribute.get_replica_context()
        return apply(zip(replica.all_reduce("SUM", gradients), variables, strict=True))

    optimizer.apply_gradients = apply_sums
    leave_gradients(optimizer)
    learner._maybe_symbolic_build = lambda **_: None
    learner.compute_metrics = lambda *_, **__: {"step": tf.zeros(1)}
    learner.get_metrics_result = dict
