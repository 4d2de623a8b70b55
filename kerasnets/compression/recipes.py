"""Recipes by name: steps that combine, with settings that suit small networks."""

from collections.abc import Sequence

from kerasnets.compression.settings import (
    ChannelSettings,
    ClusterSettings,
    PruneSettings,
    QATSettings,
    Settings,
    check_order,
)
from kerasnets.errors import KerasnetsError

# with it the zipped int8 file of a small network is a tenth of its float32 file
_MOSTLY_ZEROS = PruneSettings(sparsity=0.8)
_TWO_OF_FOUR = PruneSettings(pattern="2:4", sparsity=0.5, schedule="constant")

RECIPES: dict[str, tuple[Settings, ...]] = {
    "channels": (ChannelSettings(),),
    "prune": (PruneSettings(),),
    "prune_2_4": (_TWO_OF_FOUR,),
    "prune_xnnpack": (PruneSettings(policy="xnnpack"),),
    "cluster": (ClusterSettings(),),
    "prune_cluster": (PruneSettings(), ClusterSettings()),
    "qat": (QATSettings(),),
    "pqat": (PruneSettings(), QATSettings()),
    "cqat": (ClusterSettings(), QATSettings()),
    "pcqat": (_MOSTLY_ZEROS, ClusterSettings(), QATSettings()),
}


def steps_of(recipe: str | Sequence[Settings]) -> tuple[Settings, ...]:
    """Give the steps of a recipe.

    Args:
        recipe: A name in ``RECIPES``, or settings of the steps.

    Raises:
        KerasnetsError: There is no such recipe, or the steps do not combine.
    """
    if isinstance(recipe, str):
        if recipe not in RECIPES:
            raise KerasnetsError(
                f"recipe {recipe!r} is unknown: {', '.join(RECIPES)} are accepted"
            )
        return RECIPES[recipe]
    steps = tuple(recipe)
    check_order(steps)
    return steps
