"""Whether a claim holds, from the figures of several seeds, by a stated rule."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from kerasnets.evaluation import mean_interval

HOLDS = "holds"
IN_DIRECTION = "holds in direction"
NOT_SEEN = "not seen at this size"
DOES_NOT_HOLD = "does not hold"
# from the best to the worst; of several the worst is told
VERDICTS = (HOLDS, IN_DIRECTION, NOT_SEEN, DOES_NOT_HOLD)

RULE = f"""A claim says that a figure falls from each of some networks to the next. Of
each pair the difference is taken seed by seed, with Student's 95 % interval of its
mean.

- **{HOLDS}**: the whole interval is on the claimed side of zero.
- **{IN_DIRECTION}**: the mean is, the interval is not.
- **{DOES_NOT_HOLD}**: the whole interval is on the other side, at the size `paper`.
- **{NOT_SEEN}**: anything else. Fewer epochs or images than the paper's
  say nothing against a claim, and one seed says nothing at all.

Of several pairs the least favourable counts. A seed draws weights, order and validation
images; the test images are always the same."""


@dataclass(frozen=True)
class Verdict:
    """What was found of a claim.

    Attributes:
        verdict: One of ``VERDICTS``.
        why: The differences that it rests on.
    """

    verdict: str
    why: str


def judge(
    figures: Mapping[str, Mapping[int, float]],
    falls: Sequence[str],
    *,
    full: bool,
    unit: str = "points",
) -> Verdict:
    """Judge whether a figure falls from each network to the next, by ``RULE``.

    Args:
        figures: Of each network the figure by seed.
        falls: Names of the networks, the highest figure first.
        full: Whether they were trained as the paper did, at its size.
        unit: Of a difference.
    """
    found = [_fall(figures, high, low, full, unit) for high, low in pairwise(falls)]
    worst = max((each.verdict for each in found), key=VERDICTS.index)
    return Verdict(worst, "; ".join(each.why for each in found))


def _fall(
    figures: Mapping[str, Mapping[int, float]],
    high: str,
    low: str,
    full: bool,
    unit: str,
) -> Verdict:
    """Judge one pair."""
    above, below = figures.get(high, {}), figures.get(low, {})
    falls = [above[seed] - below[seed] for seed in sorted(above.keys() & below.keys())]
    pair = f"{high} minus {low}"
    if len(falls) < 2:
        count = "one seed has" if falls else "no seed has both, so there is"
        return Verdict(NOT_SEEN, f"{pair}: {count} no interval")
    mean, interval = statistics.fmean(falls), mean_interval(falls)
    why = f"{pair}: {mean:+.2f} {unit} ({interval.low:+.2f} to {interval.high:+.2f})"
    if interval.low > 0:
        return Verdict(HOLDS, why)
    if mean > 0:
        return Verdict(IN_DIRECTION, why)
    if full and interval.high < 0:
        return Verdict(DOES_NOT_HOLD, why)
    return Verdict(NOT_SEEN, why)
