"""What every step of a recipe can do."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import keras
import tf_keras

from kerasnets.compression.kernels import sparsity
from kerasnets.compression.settings import Settings
from kerasnets.errors import KerasnetsError

S = TypeVar("S", bound=Settings)


@dataclass(frozen=True)
class Step(ABC, Generic[S]):
    """One step on one network: what is done around its training.

    Attributes:
        model: The Keras network that the step begins with.
        net: The same network in tf_keras, with weights of its own.
        settings: Settings of the step.
        before: Settings of the steps that were done before it.
    """

    model: keras.Model
    net: tf_keras.Model
    settings: S
    before: Sequence[Settings] = ()

    @abstractmethod
    def check(self) -> None:
        """Refuse what the step cannot do, before anything trains.

        Raises:
            KerasnetsError: With what would be accepted.
        """

    @abstractmethod
    def wrap(self, updates: int) -> tuple[tf_keras.Model, Callable[[], None]]:
        """Give the network to train, and what is due after each epoch.

        Args:
            updates: Training steps of all epochs.
        """

    @abstractmethod
    def unwrap(self, wrapped: tf_keras.Model) -> tf_keras.Model:
        """Give the bare network with what was trained."""

    def check_result(self, result: keras.Model) -> None:
        """Refuse a result that lacks what the step, or one before it, should bring.

        Raises:
            KerasnetsError: Zeros that pruning made were lost.
        """
        if all(step.kind != "prune" for step in self.before):
            return
        reached, had = sparsity(result), sparsity(self.model)
        if reached < had:
            raise KerasnetsError(
                f"{self.settings.kind} left sparsity {reached:.4f} of {had:.4f}; no "
                "less than before is accepted"
            )


def no_more() -> None:
    """Do nothing: nothing is due after an epoch."""
