"""Confidence intervals of what was counted, and of what was done several times."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from kerasnets.errors import KerasnetsError


@dataclass(frozen=True)
class Interval:
    """Between which values a figure lies, at some confidence.

    Attributes:
        low: Its lower end.
        high: Its upper end.
    """

    low: float
    high: float


def share_interval(right: int, count: int, confidence: float = 0.95) -> Interval:
    """Return Wilson's score interval of a share, within 0 and 1.

    Of few images, and of shares near 0 or 1, it covers what it promises, which the
    usual "plus or minus two standard errors" does not (Brown, Cai and DasGupta 2001,
    "Interval estimation for a binomial proportion", section 3).

    Args:
        right: How many were right.
        count: Of how many.
        confidence: Share of such intervals that hold the true share.

    Raises:
        KerasnetsError: There are none, or more are right than there are.
    """
    _check_confidence(confidence)
    if not 0 <= right <= count or not count:
        raise KerasnetsError(
            f"{right} of {count} are right: 0 to all of 1 or more are accepted"
        )
    z = statistics.NormalDist().inv_cdf((1 + confidence) / 2)
    share, shrunk = right / count, 1 + z * z / count
    middle = (share + z * z / (2 * count)) / shrunk
    spread = math.sqrt(share * (1 - share) / count + z * z / (4 * count * count))
    half = z * spread / shrunk
    return Interval(
        low=max(0.0, middle - half) if right else 0.0,
        high=min(1.0, middle + half) if right < count else 1.0,
    )


def standard_error(share: float, count: int) -> float:
    """Return the standard error of a share that was counted.

    By two successes and two failures more, without which it is 0 where all are right
    (Agresti and Coull 1998, "Approximate is better than exact", section 3).

    Args:
        share: 0 to 1.
        count: Of how many.
    """
    share = (share * count + 2) / (count + 4)
    return math.sqrt(share * (1 - share) / (count + 4))


def mean_interval(values: Sequence[float], confidence: float = 0.95) -> Interval:
    """Return Student's interval of a mean: of the figures of several seeds or folds.

    Figures of folds share training images, so that theirs is somewhat too narrow.

    Args:
        values: Two or more.
        confidence: Share of such intervals that hold the true mean.

    Raises:
        KerasnetsError: There are fewer, or one is not finite.
    """
    from scipy.stats import t

    _check_confidence(confidence)
    if len(values) < 2 or not all(math.isfinite(value) for value in values):
        raise KerasnetsError(
            f"an interval of the mean of {list(values)}: two or more finite values are "
            "accepted"
        )
    error = statistics.stdev(values) / math.sqrt(len(values))
    half = float(t.ppf((1 + confidence) / 2, len(values) - 1)) * error
    mean = statistics.fmean(values)
    return Interval(mean - half, mean + half)


def _check_confidence(confidence: float) -> None:
    if not 0 < confidence < 1:
        raise KerasnetsError(
            f"confidence {confidence:g}: a share between 0 and 1 is accepted"
        )
