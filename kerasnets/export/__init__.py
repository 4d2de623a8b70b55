"""LiteRT files for the phone: convert, describe, run, measure, verify.

Unless told otherwise a file takes raw pixels (0 to 255, RGB) and returns probabilities:
normalisation and softmax are inside, labels and licence travel with it. The names
below are imported when they are first used, so running a file
(``from kerasnets.export import Classifier``) costs no TensorFlow import.
"""

from typing import TYPE_CHECKING

from kerasnets.lazy import names_of

if TYPE_CHECKING:
    from kerasnets.export.benchmark.local import (
        Latency,
        bench,
        file_sizes,
        measure_latency,
    )
    from kerasnets.export.benchmark.phone import PhoneLatency, bench_on_phone
    from kerasnets.export.calibration import (
        Calibration,
        RangeGap,
        calibration_images,
        range_gap,
        range_warnings,
    )
    from kerasnets.export.conversion.formats import FORMATS
    from kerasnets.export.conversion.keras_export import export_onnx, export_saved_model
    from kerasnets.export.conversion.litert import convert
    from kerasnets.export.conversion.wrapper import Ends
    from kerasnets.export.flatbuffer import file_sparsity
    from kerasnets.export.metadata.tflite import (
        add_metadata,
        read_labels,
        read_metadata,
        without_metadata,
    )
    from kerasnets.export.runtime.classifier import Classifier
    from kerasnets.export.runtime.interpreter import LiteRTModel
    from kerasnets.export.runtime.predictors import open_predictor
    from kerasnets.export.verification.bounds import Bounds, default_bounds
    from kerasnets.export.verification.inspection import Inspection, inspect
    from kerasnets.export.verification.report import Verification, report, verify
    from kerasnets.export.verification.sqnr import layer_sqnr


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
    "without_metadata",
]

# The folders are not called like the functions (conversion, not convert): importing a
# module binds its name here.
__getattr__, __dir__ = names_of(
    __name__,
    {
        "FORMATS": "conversion.formats",
        "Bounds": "verification.bounds",
        "Calibration": "calibration",
        "Classifier": "runtime.classifier",
        "Ends": "conversion.wrapper",
        "Inspection": "verification.inspection",
        "Latency": "benchmark.local",
        "LiteRTModel": "runtime.interpreter",
        "PhoneLatency": "benchmark.phone",
        "RangeGap": "calibration",
        "Verification": "verification.report",
        "add_metadata": "metadata.tflite",
        "bench": "benchmark.local",
        "bench_on_phone": "benchmark.phone",
        "calibration_images": "calibration",
        "convert": "conversion.litert",
        "default_bounds": "verification.bounds",
        "export_onnx": "conversion.keras_export",
        "export_saved_model": "conversion.keras_export",
        "file_sizes": "benchmark.local",
        "file_sparsity": "flatbuffer",
        "inspect": "verification.inspection",
        "layer_sqnr": "verification.sqnr",
        "measure_latency": "benchmark.local",
        "open_predictor": "runtime.predictors",
        "range_gap": "calibration",
        "range_warnings": "calibration",
        "read_labels": "metadata.tflite",
        "read_metadata": "metadata.tflite",
        "report": "verification.report",
        "verify": "verification.report",
        "without_metadata": "metadata.tflite",
    },
)
