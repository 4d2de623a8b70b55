"""How a classifier is judged."""

from kerasnets.evaluation.single_view import Evaluation, evaluate, predict_logits

__all__ = ["Evaluation", "evaluate", "predict_logits"]
