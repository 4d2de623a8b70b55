"""What a training takes its batches from."""

from typing import Protocol, runtime_checkable

from kerasnets.data.stream import Stream


@runtime_checkable
class Feed(Protocol):
    """A stream of batches that can start at any step.

    Its elements are pairs: images (batch, height, width, channels) as the network takes
    them, and either labels, whole numbers of the shape of the network's outputs without
    their classes ((batch,) or (batch, height, width)), or a mapping of "labels" and the
    other targets that ``training.Objective`` knows.
    """

    @property
    def steps_per_epoch(self) -> int:
        """The number of batches of an epoch."""
        ...

    def dataset(self, first: int, last: int) -> Stream:
        """Return the batches of the steps from ``first`` to before ``last``.

        Steps are counted over all epochs. A training repeats bit for bit, and goes on
        after a kill as if there was none, if the batch of a step depends on nothing but
        its number.
        """
        ...
