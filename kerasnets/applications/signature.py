"""The arguments that all builders share: written once, shown in every signature."""

import difflib
import inspect
import typing
from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path
from typing import Any, TypedDict

import keras

from kerasnets.errors import KerasnetsError

# (height, width, channels) of an image; sides may be None
Shape = tuple[int | None, int | None, int]


class Common(TypedDict, total=False):
    """What every builder takes beside ``input_shape`` and its own arguments."""

    include_top: bool
    weights: str | Path | None
    input_tensor: Any
    pooling: str | None
    classes: int
    classifier_activation: str | Callable | None
    name: str | None


# that of ``classes`` is the row's
DEFAULTS = {
    "include_top": True,
    "weights": None,
    "input_tensor": None,
    "pooling": None,
    "classes": None,
    "classifier_activation": "softmax",
    "name": None,
}

_EXPLANATIONS = {
    "input_shape": """(height, width, channels), {minimum} pixels a side or more{after};
        sides may be None. {input_shape} when None.""",
    "rho": "Resolution multiplier; the sides are round(rho * side).",
    "dense_units": "Units of each of the two hidden dense layers.",
    "dropout": "Share of the pooled features dropped in training.",
    "stochastic_depth": """Share of training steps that leave out the last block's
        branch, growing linearly from block to block (Huang et al. 2016).""",
    "zero_init_residual": """Whether every block starts as its shortcut: the scale of
        its last batch normalisation starts at 0 (Goyal et al. 2017, section 5.1).""",
    "include_top": "Whether to end in the classifier and its activation.",
    "weights": """None for random weights; "imagenet" for those of keras.applications;
        the path of a .keras or .weights.h5 file of this network, of an .h5 file as
        keras.applications fetches it, or of a .safetensors or .pth file of the
        counterpart in torchvision or timm; or "timm:NAME" for a model of the Hugging
        Face hub.""",
    "input_tensor": "A Keras tensor to build on, instead of ``input_shape``.",
    "pooling": 'Without top, None gives the last map, "avg" or "max" a vector.',
    "classes": "Number of classes; weights of a file keep theirs only if equal.",
    "classifier_activation": "Activation of the output; None returns logits.",
    "name": "Name of the model.",
}


def signature(build: Callable, classes: int) -> inspect.Signature:
    """Return the signature of a public builder, with the shared arguments spelt out.

    Args:
        build: The function of a family: a row, ``input_shape``, own arguments by name
            and ``**common: Unpack[Common]``.
        classes: The default number of classes.
    """
    _, *own, common = inspect.signature(build).parameters.values()
    if common.kind is not common.VAR_KEYWORD:
        raise TypeError(f"{build.__qualname__} does not end in **common")
    types = typing.get_type_hints(Common)
    shared = [
        inspect.Parameter(
            name,
            inspect.Parameter.KEYWORD_ONLY,
            default=classes if name == "classes" else default,
            annotation=types[name],
        )
        for name, default in DEFAULTS.items()
    ]
    return inspect.Signature([*own, *shared], return_annotation=keras.Model)


def check_call(
    network: str, known: Mapping[str, Any], args: tuple, names: Iterable[str]
) -> None:
    """Raise where a builder is given what it does not take, or takes by name only."""
    if len(args) > 1:
        raise KerasnetsError(
            f"{network} takes input_shape only without a name, not {len(args)} "
            f"arguments: give the others as {', '.join(list(known)[1:3])}, ... = value"
        )
    for name in names:
        if name not in known:
            close = difflib.get_close_matches(name, known, n=1)
            accepted = f"did you mean {close[0]}?" if close else ", ".join(known)
            raise KerasnetsError(f"{network} has no argument {name!r}: {accepted}")


def documentation(
    first_line: str, own: str, parameters: Collection[str], output: str, **values
) -> str:
    """Return the docstring of a public builder.

    Args:
        first_line: What the network is.
        own: The docstring of the family's function, which explains own arguments.
        parameters: Names of all arguments.
        output: The shape of the output.
        values: What the explanations of shared arguments name.
    """
    what, _, own_arguments = own.partition("\nArgs:\n")
    after = " when multiplied by ``rho``" if "rho" in parameters else ""
    explained = [
        f"    {name}: {_EXPLANATIONS[name].format(after=after, **values)}"
        for name in parameters
        if f"    {name}: " not in own_arguments
    ]
    return "\n".join(
        [
            f"{first_line}\n",
            f"{what.strip()}\n",
            "Args:",
            *([own_arguments.rstrip()] if own_arguments else []),
            *explained,
            "\nReturns:",
            "    A functional ``keras.Model`` from images, scaled as",
            "    ``kerasnets.applications.preprocessing(model)`` says, to",
            f"    {output}.",
            "\nRaises:",
            "    KerasnetsError: An argument is wrong, or the weights do not fit.",
        ]
    )
