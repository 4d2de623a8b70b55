"""A wider or a deeper network that answers like the one that it comes from.

Chen, Goodfellow and Shlens 2016, "Net2Net: Accelerating Learning via Knowledge
Transfer" (arXiv 1511.05641): training goes on from there instead of beginning anew. New
channels are copies of others, chosen at random, and what adds them up divides by how
many they are (section 2.2); a new layer is the identity (section 2.3).

Departures:
    - Copies stand beside the channel that they copy, not behind all others; so they
      stay in their group of a grouped convolution and in their branch of a
      concatenation.
    - Channels that sums, depthwise convolutions and the like tie are widened together,
      with the same copies in each layer that makes them.
"""

from collections.abc import Callable, Iterable
from typing import Any

import keras
import numpy as np
from keras import layers

from kerasnets.channels import Channels, rebuilt, trace
from kerasnets.errors import KerasnetsError
from kerasnets.graph import all_layers
from kerasnets.traits import traits_of

# noise by which copies of a channel part before they learn on: alike they learn alike
PARTED = 0.01
# of the largest output: what two ways to compute the same may differ by
_TOLERANCE = 1e-4


def widen(
    model: keras.Model, layer: str, width: int, *, noise: float = 0.0, seed: int = 0
) -> keras.Model:
    """Return a network in which a layer has more channels, and that answers alike.

    Layers whose channels are tied to those of this one (by a residual sum, for
    instance) get the same copies.

    Args:
        model: Functional, or a built Sequential, of fixed image size; it stays as it
            is. Nested models are flattened.
        layer: Name of a convolution or of a dense layer.
        width: How many channels it has then.
        noise: Deviation of what is drawn and added to the weights that make the
            copies, as a share of the deviation of the layer's weights: 0.01 lets copies
            part sooner, and answers differ a little. Dropout parts them too.
        seed: Of the choice of channels, and of the noise.

    Returns:
        A functional model with layers of the same names. It is not compiled.

    Raises:
        KerasnetsError: There is no such layer, it is not made wider, its channels must
            stay as they are (the reason is told), or the answers are not the same.
    """
    channels = trace(model)
    return _widened(model, channels, {layer: width}, noise, seed)


def widen_into(
    model: keras.Model, larger: keras.Model, *, noise: float = 0.0, seed: int = 0
) -> None:
    """Give a wider network of the same kind the answers of a narrower one, in place.

    MobileNet at alpha 0.5 begins where one at alpha 0.25 has come to.

    Args:
        model: The narrower one; it stays as it is.
        larger: Of the same layers by name, none of them narrower. It may take images
            of another size.
        noise: As in ``widen``.
        seed: As in ``widen``.

    Raises:
        KerasnetsError: The networks differ in more than their widths, or as in
            ``widen``.
    """
    channels = trace(model)
    widths = {}
    for maker, _ in channels.ties.makers:
        name = channels.names[id(maker)]
        other = next((x for x in larger.layers if x.name == name), None)
        if type(other) is not type(maker):
            raise KerasnetsError(
                f"{larger.name!r} is no wider {model.name!r}: it has no "
                f"{type(maker).__name__} {name!r}"
            )
        widths[name] = _width(other)
    wider = _widened(model, channels, widths, noise, seed)
    weights = {layer.name: layer.get_weights() for layer in wider.layers}
    for layer in larger.layers:
        own = [tuple(weight.shape) for weight in layer.weights]
        given = [weight.shape for weight in weights.get(layer.name, [])]
        if own != given:
            raise KerasnetsError(
                f"{larger.name!r} is no wider {model.name!r}: the weights of "
                f"{layer.name!r} have the shapes {own}, and {given} when it is widened"
            )
    for layer in larger.layers:
        layer.set_weights(weights.get(layer.name, []))


def deepen(
    model: keras.Model,
    after: str,
    *,
    kernel_size: int = 3,
    images: np.ndarray | None = None,
) -> keras.Model:
    """Return a network with one more layer that answers alike.

    Behind the layer comes a convolution (behind vectors a dense layer) that is the
    identity, batch normalisation that undoes itself where the network has any, and the
    activation of the layer once more: one that leaves its own results as they are, as
    ReLU does. Sigmoid, tanh and the like do not.

    Args:
        model: As in ``widen``.
        after: Name of an activation, or of a layer; one without activation gets
            one behind it that has none.
        kernel_size: Of the convolution.
        images: Some images as the model takes them. The new batch normalisation takes
            its statistics from them, so that a training begins near the identity too;
            without any it begins with mean 0 and variance 1 (section 2.3).

    Returns:
        A functional model with a layer ``AFTER_deeper`` and, where they are needed,
        ``AFTER_deeper_bn`` and ``AFTER_deeper_activation``. It is not compiled.

    Raises:
        KerasnetsError: There is no such layer, its activation changes its own results,
            it gives neither maps nor vectors, or the answers are not the same.
    """
    channels = trace(model)
    found = [
        layer for layer in all_layers(model) if channels.names.get(id(layer)) == after
    ]
    if not found:
        raise KerasnetsError(_no_such_layer(model, after, channels.names.values()))
    activation = _repeatable_activation(found[0], after)
    has_norms = any(isinstance(x, layers.BatchNormalization) for x in all_layers(model))
    name = f"{after}_deeper"
    if name in channels.names.values():
        raise KerasnetsError(f"{model.name!r} has a layer {name!r} already")
    norm = layers.BatchNormalization(name=f"{name}_bn") if has_norms else None

    calls = []

    def behind(x):
        calls.append(x)
        if len(calls) > 1:
            raise KerasnetsError(f"{after!r} is called twice: one place is accepted")
        if len(x.shape) not in (2, 4):
            raise KerasnetsError(
                f"{after!r} gives {tuple(x.shape)}: maps (batch, rows, columns, "
                "channels) or vectors are accepted"
            )
        x = _identity(x, kernel_size, name, bias=norm is None)
        x = x if norm is None else norm(x)
        return x if activation is None else activation(f"{name}_activation")(x)

    same = np.ones(len(channels.free), int)
    deeper = rebuilt(model, channels, same, {after: behind})
    if norm is not None:
        _undo_itself(deeper, deeper.get_layer(norm.name), images)
    _check_kept(model, deeper)
    return deeper


def _widened(
    model: keras.Model,
    channels: Channels,
    widths: dict[str, int],
    noise: float,
    seed: int,
) -> keras.Model:
    """The model with layers of other widths."""
    if noise < 0:
        raise KerasnetsError(f"noise {noise}: 0 or more is accepted")
    makers = {channels.names[id(x)]: (x, ids) for x, ids in channels.ties.makers}
    random = np.random.default_rng(seed)
    copies = np.ones(len(channels.free), int)
    settled = np.zeros(len(channels.free), bool)
    for name, width in widths.items():
        if name not in makers:
            raise KerasnetsError(_no_such_layer(model, name, makers))
        ids = makers[name][1]
        groups = np.unique(channels.groups[ids])
        extra = width - int(copies[channels.groups[ids]].sum())
        if extra < 0 or (extra == 0 and len(widths) == 1):
            raise KerasnetsError(
                f"{name!r} has {width - extra} channels: more are accepted, not {width}"
            )
        if extra:
            among = groups[channels.free[groups] & ~settled[groups]]
            _check_free(channels, among, ids, name)
            each = len(ids) // len(groups)
            if extra % each:
                raise KerasnetsError(
                    f"{name!r} has {each} groups, which stay alike: its width may be a "
                    f"multiple of {each}, not {width}"
                )
            np.add.at(copies, random.choice(among, extra // each), 1)
        settled[groups] = True
    wider = rebuilt(model, channels, copies)
    _check_kept(model, wider)
    if noise:
        for name, (maker, ids) in makers.items():
            _part(
                maker,
                wider.get_layer(name),
                copies[channels.groups[ids]],
                noise,
                random,
            )
    return wider


def _check_free(
    channels: Channels, among: np.ndarray, ids: np.ndarray, name: str
) -> None:
    """Raise where no channel of a layer can be copied."""
    for layer, row in channels.ties.rows:
        if np.isin(channels.groups[row], among).any():
            raise KerasnetsError(
                f"{name!r} cannot be widened: {channels.names[id(layer)]!r} "
                f"({type(layer).__name__}) tells neighbouring channels apart by their "
                "places"
            )
    if not len(among):
        reasons = channels.ties.reasons(ids) or ["they are tied to those of another"]
        raise KerasnetsError(f"{name!r} cannot be widened: {'; '.join(reasons)}")


def _part(maker, wider, times: np.ndarray, noise: float, random) -> None:
    """Add noise to the weights that make copies, not to those they copy."""
    kernel = traits_of(maker).kernels[-1]
    values = np.moveaxis(np.array(getattr(wider, kernel.name)), kernel.outs, -1)
    copied = np.concatenate([np.arange(n) > 0 for n in times])
    drawn = random.normal(0, noise * values.std(), values.shape)
    values = values + np.where(copied, drawn, 0)
    getattr(wider, kernel.name).assign(np.moveaxis(values, -1, kernel.outs))


def _width(layer: Any) -> int:
    return layer.units if isinstance(layer, layers.Dense) else layer.filters


def _no_such_layer(model: keras.Model, name: str, known: Iterable[str]) -> str:
    return f"{model.name!r} has no layer {name!r} for that; it has {', '.join(known)}"


def _repeatable_activation(layer: Any, name: str) -> Callable[[str], Any] | None:
    """What makes the activation of a layer once more, by its name; None for none."""
    if traits_of(layer).kernels or isinstance(layer, layers.Activation):
        function = layer.activation
        if function is keras.activations.linear:
            return None
        if isinstance(function, layers.Layer):
            return _repeatable_activation(function, name)

        def make(new: str) -> Any:
            return layers.Activation(function, name=new)

    else:
        traits = traits_of(layer)
        if not (traits.channels in ("passes", "mixes", "weighs") and traits.pointwise):
            return None
        if traits.idle:
            return None
        function = layer

        def make(new: str) -> Any:
            return type(layer).from_config({**layer.get_config(), "name": new})

    if getattr(function, "weights", None) or not _leaves_its_results(function):
        called = getattr(function, "__name__", type(function).__name__)
        raise KerasnetsError(
            f"{name!r} cannot be followed by the identity: its activation {called} "
            "changes its own results; one with f(f(x)) = f(x), as ReLU, is accepted"
        )
    return make


def _leaves_its_results(function: Callable) -> bool:
    """Whether f(f(x)) = f(x)."""
    numbers = np.linspace(-10, 10, 401, dtype="float32").reshape(1, -1)
    once = np.asarray(function(keras.ops.convert_to_tensor(numbers)))
    twice = np.asarray(function(keras.ops.convert_to_tensor(once)))
    return bool(np.allclose(once, twice, atol=1e-6))


def _identity(x, kernel_size: int, name: str, *, bias: bool):
    """The layer that gives what it takes."""
    width = x.shape[-1]
    kernel = np.eye(width)
    if len(x.shape) == 2:
        layer = layers.Dense(width, use_bias=bias, name=name)
    else:
        layer = layers.Conv2D(
            width, kernel_size, padding="same", use_bias=bias, name=name
        )
        window = np.zeros((kernel_size, kernel_size))
        middle = (kernel_size - 1) // 2
        window[middle, middle] = 1
        kernel = np.multiply.outer(window, kernel)
    outputs = layer(x)
    layer.set_weights([kernel, np.zeros(width)] if bias else [kernel])
    return outputs


def _undo_itself(model: keras.Model, norm: Any, images: np.ndarray | None) -> None:
    """Let scale and offset of a batch normalisation undo its statistics."""
    mean, variance = np.array(norm.moving_mean), np.array(norm.moving_variance)
    if images is not None:
        before = keras.Model(model.input, norm.input)
        maps = np.asarray(before(images, training=False), "float64")
        axes = tuple(range(maps.ndim - 1))
        mean, variance = maps.mean(axis=axes), maps.var(axis=axes)
    norm.moving_mean.assign(mean)
    norm.moving_variance.assign(variance)
    norm.beta.assign(mean)
    norm.gamma.assign(np.sqrt(variance + norm.epsilon))


def _check_kept(model: keras.Model, other: keras.Model) -> None:
    """Raise where two networks answer random images differently."""
    random = np.random.default_rng(0)

    def draw(tensor):
        shape = tensor.shape[1:]
        small, large = random.normal(size=shape), random.uniform(0, 255, shape)
        return np.stack([small, large]).astype("float32")

    inputs = keras.tree.map_structure(draw, model.input)
    given, found = (
        [
            np.asarray(x, "float64")
            for x in keras.tree.flatten(net(inputs, training=False))
        ]
        for net in (model, other)
    )
    for theirs, ours in zip(given, found, strict=True):
        apart = float(np.abs(ours - theirs).max())
        most = _TOLERANCE * max(1.0, float(np.abs(theirs).max()))
        if not apart <= most:
            raise KerasnetsError(
                f"{other.name!r} does not answer as before: outputs are {apart:.2g} "
                f"apart, {most:.2g} is accepted"
            )
