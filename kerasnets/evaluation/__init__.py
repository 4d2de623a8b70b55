"""How a classifier is judged, and how sure one can be of the figures.

The names are imported when they are first used: an interval costs no TensorFlow import.
"""

from typing import TYPE_CHECKING

from kerasnets.lazy import names_of

if TYPE_CHECKING:
    from kerasnets.evaluation.confidence import (
        Answered,
        answered,
        calibration_error,
        confidence_figures,
        fit_temperature,
    )
    from kerasnets.evaluation.intervals import (
        Interval,
        mean_interval,
        share_interval,
        standard_error,
    )
    from kerasnets.evaluation.single_view import Evaluation, evaluate, predict_logits

__all__ = [
    "Answered",
    "Evaluation",
    "Interval",
    "answered",
    "calibration_error",
    "confidence_figures",
    "evaluate",
    "fit_temperature",
    "mean_interval",
    "predict_logits",
    "share_interval",
    "standard_error",
]

__getattr__, __dir__ = names_of(
    __name__,
    {
        "Answered": "confidence",
        "Evaluation": "single_view",
        "Interval": "intervals",
        "answered": "confidence",
        "calibration_error": "confidence",
        "confidence_figures": "confidence",
        "evaluate": "single_view",
        "fit_temperature": "confidence",
        "mean_interval": "intervals",
        "predict_logits": "single_view",
        "share_interval": "intervals",
        "standard_error": "intervals",
    },
)
