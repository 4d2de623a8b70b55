"""The figures of each epoch of a training, as its run keeps them."""

import csv
from pathlib import Path
from typing import Any

from kerasnets.errors import KerasnetsError

HISTORY = "history.csv"


def read_history(path: Path) -> list[dict[str, Any]]:
    """The rows of ``history.csv``, numbers as numbers.

    Raises:
        KerasnetsError: It holds something else.
    """
    with path.open(encoding="utf-8", newline="") as file:
        try:
            return [
                {
                    name: int(x) if name == "epoch" else float(x)
                    for name, x in row.items()
                }
                for row in csv.DictReader(file)
            ]
        except (ValueError, TypeError) as error:
            raise KerasnetsError(f"{path} is damaged ({error})") from error
