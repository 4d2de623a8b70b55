"""What a training takes its batches from."""

from typing import Any, NamedTuple, Protocol, runtime_checkable

from kerasnets.data.stream import Stream
from kerasnets.errors import KerasnetsError


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


@runtime_checkable
class SharedFeed(Feed, Protocol):
    """A feed of which each of several processes can read its rows alone."""

    def share(self, index: int, count: int) -> Feed:
        """Return the feed of one of ``count`` equal parts of each batch.

        Joined, the parts of a step are the rows of the whole batch, bit for bit.

        Raises:
            KerasnetsError: The batches cannot be divided so.
        """
        ...


class Share(NamedTuple):
    """One of equal parts of each batch.

    Attributes:
        index: Which, from 0.
        count: How many there are.
    """

    index: int = 0
    count: int = 1

    def check(self, rows: int | None) -> None:
        """Raise where batches of so many rows cannot be divided so."""
        if self.count > 1 and (rows is None or rows % self.count):
            raise KerasnetsError(
                f"batches of {'unlike numbers of' if rows is None else rows} images for"
                f" {self.count} processes: each reads as many of each batch"
            )

    def rows(self, rows: int | None) -> int | None:
        """Return how many it has of the rows of a batch."""
        return None if rows is None else rows // self.count

    def of(self, rows: int) -> slice:
        """Return where they are in a batch."""
        each = rows // self.count
        return slice(self.index * each, (self.index + 1) * each)

    def cut(self, batch: Any) -> Any:
        """Return them of a batch of known length."""
        return batch if self.count == 1 else batch[self.of(batch.shape[0])]


WHOLE = Share()
