"""Labels that say which classes are alike: soft targets of a tree, not of a network.

What a teacher tells of each image by its soft targets (Hinton et al. 2015) a tree of
the classes tells of each class alone: a network is told that a 3 is more like a 5 than
like a 1, but not which 3s are.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from kerasnets.errors import KerasnetsError

# a class by its name, or classes that are alike
Tree = Sequence[Any]


def tree_targets(
    tree: Tree, class_names: Sequence[str], share: float = 0.1
) -> np.ndarray:
    """Give the distribution that a network is to learn for each class.

    At each node on the way from the root to a class, 1 - ``share`` of the probability
    goes evenly to the classes below it, and the rest is as at the node before. With one
    level of groups the other classes of a group of k have (1 - share) share / k more
    than those of other groups, which have share^2 / n of n classes.

    Args:
        tree: Nested sequences of class names, as (("cat", "dog"), "car"); each class is
            there once.
        class_names: In the order of the labels.
        share: Of each level's probability that is left to the levels above, 0 to below
            1.

    Returns:
        Float64 (classes, classes), a row for each label; each row's sum is 1.

    Raises:
        KerasnetsError: The tree has other classes, or one twice, or the share is none.
    """
    if not 0 <= share < 1:
        raise KerasnetsError(f"share {share}: 0 to below 1 is accepted")
    found = _leaves(tree)
    if sorted(found) != sorted(class_names):
        raise KerasnetsError(
            f"the tree has the classes {', '.join(found)}: each of "
            f"{', '.join(class_names)} is accepted, once"
        )
    labels = {name: label for label, name in enumerate(class_names)}
    targets = np.zeros((len(class_names), len(class_names)))

    def descend(node: Any, above: np.ndarray) -> None:
        below = [labels[name] for name in _leaves(node)]
        even = np.zeros(len(labels))
        even[below] = 1 / len(below)
        here = share * above + (1 - share) * even
        if isinstance(node, str):
            targets[labels[node]] = here
        else:
            for child in node:
                descend(child, here)

    # all classes together are what is left at the root
    for child in tree:
        descend(child, np.full(len(labels), 1 / len(labels)))
    return targets


def _leaves(node: Any) -> list[str]:
    """Names of the classes below a node."""
    if isinstance(node, str):
        return [node]
    return [name for child in node for name in _leaves(child)]
