"""What all builders share: the row of a variant, its input, its head, its weights."""

import contextlib
import functools
import inspect
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

import keras
from keras import layers

from kerasnets.applications import figures, signature
from kerasnets.applications.figures import Figures, Published
from kerasnets.applications.signature import DEFAULTS, Common as Common, Shape as Shape
from kerasnets.errors import KerasnetsError
from kerasnets.graph import deep_graphs, gc_paused, maker
from kerasnets.pixels import carry
from kerasnets.pretrained import (
    HEAD,
    UNIT,
    Counterpart,
    Preprocessing,
    load_weights,
    origin,
)

# what a classifier of images gives
CLASS_SCORES = "(batch, classes)"


@dataclass(frozen=True, kw_only=True)
class Network:
    """The row of a variant: what builds the network, and where it is from.

    Its figures stand in figures.csv.

    Attributes:
        name: Public name of the builder, as in ``ResNet20``.
        family: The networks it belongs to.
        year: Year of the paper.
        source: Paper and section that the row follows.
        input_shape: Shape of an image in the paper.
        minimum: The smallest side of an image that is of use.
        classes: Number of classes in the paper.
        output: Shape of the output.
        preprocessing: That of the paper, or [-1, 1] where it has none of its own.
        counterparts: How other libraries, which may have the network, name its layers.
    """

    name: str
    family: str
    year: int
    source: str
    input_shape: tuple[int, int, int] = (224, 224, 3)
    minimum: int = 32
    classes: int = 1000
    output: str = CLASS_SCORES
    preprocessing: Preprocessing = UNIT
    counterparts: tuple[Counterpart, ...] = ()

    @cached_property
    def figures(self) -> Figures:
        """What it costs and what is printed of it, with the default arguments."""
        return figures.of(self.name)

    @property
    def params(self) -> int:
        """Parameters, batch-norm statistics included."""
        return self.figures.params

    @property
    def madds(self) -> int:
        """Multiply-adds of one image, of convolutions and dense layers."""
        return self.figures.madds

    @property
    def published(self) -> Published:
        """What papers print of it."""
        return self.figures.published

    @property
    def keras(self) -> Counterpart | None:
        """The network in keras.applications, or None."""
        return self._counterpart("keras")

    @property
    def torch(self) -> Counterpart | None:
        """The network in torchvision, or else in timm, or None."""
        return self._counterpart("torchvision") or self._counterpart("timm")

    def _counterpart(self, library: str) -> Counterpart | None:
        name = self.figures.elsewhere.get(library)
        for counterpart in self.counterparts:
            if name and counterpart.library == library:
                return replace(counterpart, builder=name)
        return None


P = ParamSpec("P")
Row = TypeVar("Row", bound=Network)
# what a family builds by: its row, and what the public builder takes
Build = Callable[Concatenate[Row, P], keras.Model]


class Builder(Protocol[P]):
    """A public builder: builds a network and carries its row."""

    network: Network
    __name__: str
    __wrapped__: Callable

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> keras.Model:
        """Build the network."""
        ...


def variant(build: Build[Row, P], row: Row) -> Builder[P]:
    """Return the public builder of ``row``: ``build`` with its first argument given.

    The builder carries the row as ``builder.network``, and the row's name, signature
    and docstring: that of ``build``, which explains its own arguments, and those that
    all builders share.
    """
    public = signature.signature(build, row.classes)
    known = public.parameters

    @functools.wraps(build)
    def builder(*args: P.args, **kwargs: P.kwargs) -> keras.Model:
        if len(args) > 1 or not known.keys() >= kwargs.keys():
            signature.check_call(row.name, known, args, kwargs)
        for name in _CHECKS.keys() & kwargs.keys():
            if kwargs[name] is not known[name].default:
                _CHECKS[name](name, kwargs[name])
        with gc_paused(), channels_last():
            return build(row, *args, **kwargs)

    builder.__name__ = builder.__qualname__ = row.name
    builder.__doc__ = signature.documentation(
        f"{row.name} ({row.source}).",
        inspect.getdoc(build) or "",
        known,
        row.output,
        minimum=row.minimum,
        input_shape=row.input_shape,
    )
    builder.__dict__.update(__signature__=public, network=row)
    return builder  # type: ignore[return-value]  # it has its row now


@contextlib.contextmanager
def channels_last() -> Iterator[None]:
    """Build layers for channels last, whatever Keras's configuration says."""
    configured = keras.config.image_data_format()
    keras.config.set_image_data_format("channels_last")
    try:
        yield
    finally:
        keras.config.set_image_data_format(configured)


def check_count(name: str, value: int) -> None:
    """Raise where the argument is no number of classes, units, ..."""
    if not isinstance(value, int) or value < 1:
        raise KerasnetsError(f"{name} {value!r} is not a whole number of 1 or more")


def check_rate(name: str, value: float | None) -> None:
    """Raise where the argument is no share that may be dropped; None is the paper's."""
    if value is not None and not 0 <= value < 1:
        raise KerasnetsError(f"{name} {value!r} is not a rate: 0 or more, less than 1")


def check_multiplier(name: str, value: float) -> None:
    """Raise where the argument is no factor of widths or sides."""
    if not value > 0:
        raise KerasnetsError(f"{name} {value} is not a positive number")


def check_choice(name: str, value: Any, accepted: Collection) -> None:
    """Raise where the argument is none of those that are accepted."""
    if value not in accepted:
        *others, last = map(repr, accepted)
        known = f"{', '.join(others)} or {last}" if others else last
        raise KerasnetsError(f"{name} {value!r} is unknown: {known}")


# of own arguments of these names in all families, before anything is built
_CHECKS: dict[str, Callable[[str, Any], None]] = {
    **dict.fromkeys(("alpha", "rho"), check_multiplier),
    **dict.fromkeys(
        ("depth_multiplier", "width", "filters", "depth", "dense_units", "classes"),
        check_count,
    ),
    **dict.fromkeys(
        ("input_dropout", "dropout", "saf", "stochastic_depth"), check_rate
    ),
}


@dataclass(frozen=True, kw_only=True)
class Draft:
    """A network that is being built: from ``start`` to ``finish``.

    Attributes:
        row: The variant.
        image: The Keras tensor to build on.
        form: "paper", or the library in whose form the network is built.
        include_top: Whether to end in the classifier.
        pooling: What to end in otherwise.
        classes: Number of classes.
        classifier_activation: Activation of the output.
        weights: What to load.
        name: Name of the model, as the user gave it.
    """

    row: Network
    image: Any
    form: str
    include_top: bool
    pooling: str | None
    classes: int
    classifier_activation: str | Callable | None
    weights: str | Path | None
    name: str | None

    def classify(self, x, initializer=None, *, prefix: str = ""):
        """Dense layer ``logits``, activation: see ``classify``."""
        return classify(
            x, self.classes, self.classifier_activation, initializer, prefix=prefix
        )

    def average_and_classify(self, x, *, dropout: float = 0.0, initializer=None):
        """Global average pooling, dropout, dense, activation; the map without top."""
        if not self.include_top:
            return x
        x = layers.GlobalAveragePooling2D(name="avg_pool")(x)
        return self.classify(drop(x, dropout, name="dropout"), initializer)

    def finish(
        self,
        outputs,
        *,
        title: str | None = None,
        counterpart_arguments: Mapping = MappingProxyType({}),
    ) -> keras.Model:
        """The model with the weights that were asked for.

        Args:
            outputs: The output tensor; without top the last map, which is pooled on
                request; with auxiliary classifiers a list, theirs after it.
            title: The model's name without the form; the row's when None.
            counterpart_arguments: With which the network in keras.applications is the
                same one.

        Raises:
            KerasnetsError: The weights are missing, of another kind or do not fit.
        """
        if not self.include_top:
            outputs = pooled_features(outputs, self.pooling)
        title = title or self.row.name.lower()
        with deep_graphs():
            # where the image was made from other tensors, the model starts at those
            sources = keras.utils.get_source_inputs(self.image)
            model = keras.Model(
                sources[0] if len(sources) == 1 else sources,
                outputs,
                name=self.name
                or (title if self.form == "paper" else f"{title}_{self.form}"),
            )
        usual = preprocessing_of_form(self.row, self.form)
        stated = None
        if self.weights is not None:
            stated = load_weights(
                model,
                self.weights,
                keras_counterpart=self.row.keras,
                torch_counterpart=self.row.torch,
                arguments=counterpart_arguments,
                colours=usual.channels,
            )
        _, height, _, channels = self.image.shape
        stated = stated or usual
        maker(self.image).operation.preprocessing = stated.fitted(height, channels)
        return model


def start(
    row: Network,
    input_shape: Shape | None,
    common: Common,
    *,
    form: str | None = None,
    forms: Collection[str] = (),
) -> Draft:
    """Begin a network: its input, its form and what all builders are given.

    Args:
        row: The variant.
        input_shape: (height, width, channels), sides may be None; or None for the
            row's.
        common: The shared arguments that were given.
        form: As the user gave it; None chooses by the weights.
        forms: The forms that the family knows.

    Raises:
        KerasnetsError: An argument is wrong.
    """
    shared: dict[str, Any] = {**DEFAULTS, "classes": row.classes, **common}
    weights = shared["weights"]
    form = resolve_form(form, weights, forms) if forms else origin(weights)
    image = image_input(row, input_shape, shared.pop("input_tensor"))
    return Draft(row=row, image=image, form=form, **shared)


def resolve_form(
    form: str | None, weights: str | Path | None, accepted: Collection[str]
) -> str:
    """The form to build: "paper", or that of the library that the weights are from.

    Args:
        form: As the user gave it; None chooses by the weights.
        weights: As the user gave them.
        accepted: The forms that the family knows.

    Raises:
        KerasnetsError: The family has no such form.
    """
    check_choice("form", form, (*accepted, None))
    home = origin(weights)
    return form or (home if home in accepted else "paper")


def scaled_shape(
    row: Network, input_shape: Shape | None, common: Common, rho: float
) -> Shape | None:
    """``input_shape`` with its sides multiplied by ``rho``.

    Raises:
        KerasnetsError: The input is not ours to scale.
    """
    if rho == 1:
        return input_shape
    if common.get("input_tensor") is not None:
        raise KerasnetsError(
            f"rho {rho} scales the builder's own input: give 1 with input_tensor"
        )
    height, width, *channels = input_shape or row.input_shape
    sides = (None if side is None else round(rho * side) for side in (height, width))
    return (*sides, *channels)  # type: ignore[return-value]  # image_input checks it


def image_input(row: Network, input_shape: Shape | None, input_tensor):
    """The images of a network: new ones of ``input_shape``, or ``input_tensor``.

    They carry what is to be done to their pixels, which ``Draft.finish`` makes what the
    weights say.

    Args:
        row: The variant, for its shape and smallest side.
        input_shape: (height, width, channels), sides may be None; or None for the
            row's.
        input_tensor: A Keras tensor of shape (batch, height, width, channels).

    Raises:
        KerasnetsError: The shape is not that of an image or is too small.
    """
    given = input_shape if input_tensor is None else input_tensor.shape[1:]
    shape = tuple(row.input_shape if given is None else given)
    if len(shape) != 3 or not isinstance(shape[2], int) or shape[2] < 1:
        raise KerasnetsError(
            f"input_shape {shape} is not (height, width, channels) of an image"
        )
    if any(side is not None and side < row.minimum for side in shape[:2]):
        raise KerasnetsError(
            f"input_shape {shape} is too small: a side needs {row.minimum} pixels "
            "or more"
        )
    if input_tensor is None:
        return carry(keras.Input(shape, name="image"), row.preprocessing)
    if input_shape is not None and tuple(input_shape) != shape:
        raise KerasnetsError(
            f"input_shape {tuple(input_shape)} contradicts input_tensor of shape "
            f"{shape}: give one of them"
        )
    return carry(input_tensor, row.preprocessing)


def pooled_features(x, pooling: str | None):
    """The last feature map of a network without top, pooled on request.

    Args:
        x: Feature map (batch, height, width, channels).
        pooling: None keeps the map, "avg" or "max" give (batch, channels).
    """
    if pooling is None:
        return x
    pools = {"avg": layers.GlobalAveragePooling2D, "max": layers.GlobalMaxPooling2D}
    if pooling not in pools:
        raise KerasnetsError(f"pooling {pooling!r} is unknown: None, 'avg' or 'max'")
    return pools[pooling](name=f"{pooling}_pool")(x)


def drop(x, rate: float, *, name: str):
    """Dropout, or nothing where the rate is 0."""
    return layers.Dropout(rate, name=name)(x) if rate else x


def flatten(x):
    """The map as a vector, for dense layers; its size must be known."""
    if None in x.shape[1:]:
        raise KerasnetsError(
            f"a map of {x.shape[1]}x{x.shape[2]} pixels has no fixed length for dense "
            "layers: give input_shape with both sides, or include_top=False, or see "
            "applications.to_fully_convolutional"
        )
    return layers.Flatten(name="flatten")(x)


def classify(
    x, classes: int, classifier_activation, initializer=None, *, prefix: str = ""
):
    """The dense layer ``logits`` and, unless it is None, the activation on it.

    Both stay in float32 under every precision policy: half precision has too few
    digits for a loss. ``prefix`` goes before their names, for auxiliary classifiers.
    """
    x = layers.Dense(
        classes,
        kernel_initializer=initializer or "glorot_uniform",
        dtype="float32",
        name=f"{prefix}{HEAD}",
    )(x)
    return activate(x, classifier_activation, prefix=prefix)


def activate(logits, classifier_activation, *, prefix: str = ""):
    """The layer ``predictions`` on the logits, or the logits where it is None."""
    if classifier_activation is None:
        return logits
    return layers.Activation(
        classifier_activation, dtype="float32", name=f"{prefix}predictions"
    )(logits)


def preprocessing_of_form(row: Network, form: str) -> Preprocessing:
    """The preprocessing of a network in the form of the paper or of a library."""
    found = getattr(row, form) if form in ("keras", "torch") else None
    return found.preprocessing if found else row.preprocessing
