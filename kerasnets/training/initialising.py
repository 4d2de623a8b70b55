"""A network that begins with layers of one that was trained before."""

import fnmatch
from collections.abc import Sequence

import keras

from kerasnets.errors import KerasnetsError
from kerasnets.graph import leaf_layers


def initialise(
    model: keras.Model, trained: keras.Model, patterns: Sequence[str] = ()
) -> tuple[str, ...]:
    """Give a network the weights of layers of the same name and shape.

    Simonyan and Zisserman 2014, section 3.1, begin their deep networks with the first
    four convolutions and the dense layers of column A.

    Args:
        model: It is changed.
        trained: Where they come from.
        patterns: Names of the layers that may be taken, as shells write them
            ("stage1_*"); all where there are none.

    Returns:
        Names of the layers that were taken.

    Raises:
        KerasnetsError: There is none.
    """
    theirs, taken = leaf_layers(trained), []
    for name, layer in leaf_layers(model).items():
        other = theirs.get(name)
        is_asked = any(fnmatch.fnmatchcase(name, each) for each in patterns or ("*",))
        if other is None or not layer.weights or not is_asked:
            continue
        if [x.shape for x in layer.weights] != [x.shape for x in other.weights]:
            continue
        layer.set_weights(other.get_weights())
        taken.append(name)
    if not taken:
        raise KerasnetsError(
            f"{trained.name!r} has no layer of the names and shapes of {model.name!r}"
            f"{' that is among ' + ', '.join(patterns) if patterns else ''}: networks "
            "of one family have"
        )
    return tuple(taken)
