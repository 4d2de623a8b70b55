"""How long a network takes for an image, before it has learned anything."""

import csv
import math
from pathlib import Path

import keras
import numpy as np

from kerasnets import export
from kerasnets.errors import KerasnetsError
from kerasnets.files import write_bytes


def measured_latency(
    model: keras.Model, images: np.ndarray, path: Path, *, on_phone: bool
) -> float:
    """Measure the milliseconds of an image on one thread, in 8 bits.

    Args:
        model: The network; its weights do not matter.
        images: Some images of it, uint8, that set ranges.
        path: The .tflite file to write for it.
        on_phone: On the phone that adb finds, or on this machine.

    Raises:
        KerasnetsError: No phone answers.
    """
    write_bytes(path, export.convert(model, calibration=images))
    paths = {"network": path}
    if not on_phone:
        return export.measure_latency(paths)["network"]
    (found,) = export.bench_on_phone(paths)
    return found.mean_ms if found.median_ms is None else found.median_ms


def read_latencies(path: Path) -> dict[str, float]:
    """Read the milliseconds of networks from a CSV file with "network" and "ms".

    Raises:
        KerasnetsError: It is none, or a time is no number above 0.
    """
    try:
        rows = list(csv.DictReader(path.read_text("utf-8").splitlines()))
        found = {row["network"]: float(row["ms"]) for row in rows}
    except OSError as error:
        raise KerasnetsError(f"{path}: {error.strerror}") from error
    except (KeyError, TypeError, ValueError) as error:
        raise KerasnetsError(
            f"{path} is no table of latencies: the columns network and ms (a number) "
            "are needed"
        ) from error
    wrong = [name for name, ms in found.items() if not 0 < ms < math.inf]
    if wrong or not found:
        what = f"{found[wrong[0]]} ms of {wrong[0]!r}" if wrong else "no network"
        raise KerasnetsError(f"{path} has {what}; times above 0 are accepted")
    return found
