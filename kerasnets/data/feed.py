"""What a training takes its batches from."""

from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    import tensorflow as tf


@runtime_checkable
class Feed(Protocol):
    """A stream of batches that can start at any epoch.

    Its elements are pairs: images (batch, height, width, channels) as the network takes
    them, and either labels, whole numbers of the shape of the network's outputs without
    their classes ((batch,) or (batch, height, width)), or a mapping of "labels" and the
    other targets that ``training.Objective`` knows.
    """

    @property
    def steps_per_epoch(self) -> int:
        """The number of batches of an epoch."""
        ...

    def dataset(self, first_epoch: int, epochs: int) -> "tf.data.Dataset":
        """Return the batches of the epochs from ``first_epoch`` to before ``epochs``.

        A training repeats bit for bit, and goes on after a kill as if there was none,
        if the batches of an epoch depend on nothing but its number.
        """
        ...
