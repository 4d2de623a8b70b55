"""Which networks are worth their cost: the Pareto front, and how much it covers."""

import itertools
from collections.abc import Sequence


def pareto_front(points: Sequence[tuple[float, float]]) -> list[int]:
    """Return which points no other one is better than, the cheapest first.

    Args:
        points: Cost and accuracy of each.

    Returns:
        Their numbers. Each is more accurate than all that cost as much or less; of
        equals the first stands for all.
    """
    order = sorted(range(len(points)), key=lambda i: (points[i][0], -points[i][1], i))
    front: list[int] = []
    for number in order:
        if not front or points[number][1] > points[front[-1]][1]:
            front.append(number)
    return front


def hypervolume(points: Sequence[tuple[float, float]], most: float) -> float:
    """Return the area under the Pareto front, as a share of cost ``most`` times 1.

    It is the mean, over all budgets from 0 to ``most``, of the best accuracy that a
    budget buys; a budget that buys nothing counts as 0.

    Args:
        points: Cost and accuracy (0 to 1) of each network.
        most: Where budgets end, above 0; what costs more counts as nothing.
    """
    within = [point for point in points if point[0] <= most]
    front = [within[number] for number in pareto_front(within)]
    ends = [*front, (most, 0.0)]
    area = sum(
        right * (end - cost) for (cost, right), (end, _) in itertools.pairwise(ends)
    )
    return area / most
