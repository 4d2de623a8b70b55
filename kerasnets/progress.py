"""How long work tells how far it is."""

from typing import Protocol


class Progress(Protocol):
    """Called by long work each time a piece of it is done."""

    def __call__(self, done: int, total: int, note: str = "") -> None:
        """Report that ``done`` of ``total`` pieces are done, with a short ``note``."""
        ...


def silent(done: int, total: int, note: str = "") -> None:
    """Report nothing: the default wherever a ``Progress`` is accepted."""
    del done, total, note
