"""How a share that was counted is written."""

from kerasnets.evaluation import share_interval


def accuracy_text(accuracy: float, images: int) -> str:
    """An accuracy and its 95 % interval (Wilson's): "99.16% (97.6-99.7)".

    Args:
        accuracy: A share.
        images: Of how many.
    """
    ends = share_interval(round(accuracy * images), images)
    low, high = (f"{100 * end:.1f}" for end in (ends.low, ends.high))
    return f"{accuracy:.2%} ({low}-{high.replace('100.0', '100')})"
