"""How long a network takes for an image, before it has learned anything."""

from pathlib import Path

import keras
import numpy as np

from kerasnets import export
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
