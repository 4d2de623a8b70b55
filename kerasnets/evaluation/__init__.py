"""How a classifier is judged, and how sure one can be of the figures.

The names are imported when they are first used: an interval costs no TensorFlow import.
"""

from typing import TYPE_CHECKING

from kerasnets.lazy import names_of

if TYPE_CHECKING:
    from kerasnets.evaluation.boxes import (
        Detection,
        average_precision,
        localisation_error,
        overlaps,
    )
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
    from kerasnets.evaluation.judgement import Judgement
    from kerasnets.evaluation.judging import Judged, JudgedModel, judge
    from kerasnets.evaluation.protocols import PROTOCOLS, Protocol, protocol_of
    from kerasnets.evaluation.single_view import (
        Evaluation,
        cross_entropies,
        evaluate,
        predict_logits,
    )

__all__ = [
    "PROTOCOLS",
    "Answered",
    "Detection",
    "Evaluation",
    "Interval",
    "Judged",
    "JudgedModel",
    "Judgement",
    "Protocol",
    "answered",
    "average_precision",
    "calibration_error",
    "confidence_figures",
    "cross_entropies",
    "evaluate",
    "fit_temperature",
    "judge",
    "localisation_error",
    "mean_interval",
    "overlaps",
    "predict_logits",
    "protocol_of",
    "share_interval",
    "standard_error",
]

__getattr__, __dir__ = names_of(
    __name__,
    {
        "PROTOCOLS": "protocols",
        "Answered": "confidence",
        "Detection": "boxes",
        "Evaluation": "single_view",
        "Interval": "intervals",
        "Judged": "judging",
        "JudgedModel": "judging",
        "Judgement": "judgement",
        "Protocol": "protocols",
        "answered": "confidence",
        "average_precision": "boxes",
        "calibration_error": "confidence",
        "confidence_figures": "confidence",
        "cross_entropies": "single_view",
        "evaluate": "single_view",
        "fit_temperature": "confidence",
        "judge": "judging",
        "localisation_error": "boxes",
        "mean_interval": "intervals",
        "overlaps": "boxes",
        "predict_logits": "single_view",
        "protocol_of": "protocols",
        "share_interval": "intervals",
        "standard_error": "intervals",
    },
)
