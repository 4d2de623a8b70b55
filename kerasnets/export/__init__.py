"""LiteRT files for the phone: convert, describe, run, measure, verify.

Unless told otherwise a file takes raw pixels (0 to 255, RGB) and returns probabilities:
normalisation and softmax are inside, labels and licence travel with it. The names
below are imported when they are first used, so running a file
(``from kerasnets.export import Classifier``) costs no TensorFlow import.
"""

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kerasnets.export.calibration import (
        Calibration,
        RangeGap,
        calibration_images,
        range_gap,
        range_warnings,
    )
    from kerasnets.export.classifier import Classifier
    from kerasnets.export.conversion import convert
    from kerasnets.export.flatbuffer import file_sparsity
    from kerasnets.export.formats import FORMATS
    from kerasnets.export.inspection import Inspection, inspect
    from kerasnets.export.keras_export import export_onnx, export_saved_model
    from kerasnets.export.measure import Latency, bench, file_sizes, measure_latency
    from kerasnets.export.metadata import add_metadata, read_labels, read_metadata
    from kerasnets.export.phone_bench import PhoneLatency, bench_on_phone
    from kerasnets.export.predictors import open_predictor
    from kerasnets.export.runtime import LiteRTModel
    from kerasnets.export.sqnr import layer_sqnr
    from kerasnets.export.verification import (
        Bounds,
        Verification,
        default_bounds,
        report,
        verify,
    )
    from kerasnets.export.wrapper import Ends

# The modules are not called like the functions: importing a module binds its name here.
_HOMES = {
    "FORMATS": "formats",
    "Bounds": "verification",
    "Calibration": "calibration",
    "Classifier": "classifier",
    "Ends": "wrapper",
    "Inspection": "inspection",
    "Latency": "measure",
    "LiteRTModel": "runtime",
    "PhoneLatency": "phone_bench",
    "RangeGap": "calibration",
    "Verification": "verification",
    "add_metadata": "metadata",
    "bench": "measure",
    "bench_on_phone": "phone_bench",
    "calibration_images": "calibration",
    "convert": "conversion",
    "default_bounds": "verification",
    "export_onnx": "keras_export",
    "export_saved_model": "keras_export",
    "file_sizes": "measure",
    "file_sparsity": "flatbuffer",
    "inspect": "inspection",
    "layer_sqnr": "sqnr",
    "measure_latency": "measure",
    "open_predictor": "predictors",
    "range_gap": "calibration",
    "range_warnings": "calibration",
    "read_labels": "metadata",
    "read_metadata": "metadata",
    "report": "verification",
    "verify": "verification",
}

__all__ = [
    "FORMATS",
    "Bounds",
    "Calibration",
    "Classifier",
    "Ends",
    "Inspection",
    "Latency",
    "LiteRTModel",
    "PhoneLatency",
    "RangeGap",
    "Verification",
    "add_metadata",
    "bench",
    "bench_on_phone",
    "calibration_images",
    "convert",
    "default_bounds",
    "export_onnx",
    "export_saved_model",
    "file_sizes",
    "file_sparsity",
    "inspect",
    "layer_sqnr",
    "measure_latency",
    "open_predictor",
    "range_gap",
    "range_warnings",
    "read_labels",
    "read_metadata",
    "report",
    "verify",
]


def __getattr__(name: str) -> object:
    if name in _HOMES:
        return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
