"""How a classifier is judged, and how sure one can be of the figures.

The names are imported when they are first used: an interval costs no TensorFlow import.
"""

from typing import TYPE_CHECKING

from kerasnets.lazy import names_of

if TYPE_CHECKING:
    from kerasnets.evaluation.intervals import Interval, mean_interval, share_interval
    from kerasnets.evaluation.single_view import Evaluation, evaluate, predict_logits

__all__ = [
    "Evaluation",
    "Interval",
    "evaluate",
    "mean_interval",
    "predict_logits",
    "share_interval",
]

__getattr__, __dir__ = names_of(
    __name__,
    {
        "Evaluation": "single_view",
        "Interval": "intervals",
        "evaluate": "single_view",
        "mean_interval": "intervals",
        "predict_logits": "single_view",
        "share_interval": "intervals",
    },
)
