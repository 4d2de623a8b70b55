"""Operations that Keras lacks, as layers that save, load and run on every backend."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from kerasnets.errors import KerasnetsError


@keras.saving.register_keras_serializable("kerasnets")
class ChannelPad(keras.layers.Layer):
    """Appends channels of zeros: half of the parameter-free shortcut (option A).

    Input (batch, height, width, channels), output (batch, height, width,
    channels + extra).

    Args:
        extra: number of zero channels, appended after the existing ones as in the
            authors' later code (fb.resnet.torch); He et al. 2015, section 3.3.
    """

    def __init__(self, extra: int, **kwargs):
        super().__init__(**kwargs)
        self.extra = extra

    def call(self, inputs):
        return ops.pad(inputs, [(0, 0), (0, 0), (0, 0), (0, self.extra)])

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], input_shape[-1] + self.extra)

    def get_config(self):
        return {**super().get_config(), "extra": self.extra}


@keras.saving.register_keras_serializable("kerasnets")
class LocalResponseNorm(keras.layers.Layer):
    """Divides each value by a power of the energy of its neighbouring channels.

    y_i = x_i / (bias + alpha * sum_j x_j^2)^beta, j over ``depth`` channels around i
    (fewer at the ends). Krizhevsky et al. 2012, section 3.3. This is the convention of
    the paper and of TensorFlow; Caffe and Torch divide alpha by the depth, so their
    alpha of 1e-4 at depth 5 is 2e-5 here.

    Input and output (batch, height, width, channels).

    Args:
        depth: number of channels in the sum, odd (n in the paper).
        bias: k in the paper.
        alpha: weight of the sum.
        beta: the exponent.
    """

    def __init__(self, depth=5, bias=2.0, alpha=1e-4, beta=0.75, **kwargs):
        super().__init__(**kwargs)
        self.depth, self.bias, self.alpha, self.beta = depth, bias, alpha, beta

    def call(self, inputs):
        channels, reach = inputs.shape[-1], self.depth // 2
        squares: Any = ops.pad(ops.square(inputs), [(0, 0)] * 3 + [(reach, reach)])
        energy = sum(squares[..., i : i + channels] for i in range(self.depth))
        # half precision would lose the sum beside the bias
        base = ops.cast(energy, "float32") * self.alpha + self.bias
        return inputs * ops.cast(ops.power(base, -self.beta), self.compute_dtype)

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        own = {name: getattr(self, name) for name in ("depth", "bias", "alpha", "beta")}
        return {**super().get_config(), **own}


@keras.saving.register_keras_serializable("kerasnets")
class ScaledTanh(keras.layers.Layer):
    """The squashing function 1.7159 tanh(2x/3) (LeCun et al. 1998, appendix A)."""

    def call(self, inputs):
        return 1.7159 * ops.tanh(inputs * (2.0 / 3.0))

    def compute_output_shape(self, input_shape):
        return input_shape


@keras.saving.register_keras_serializable("kerasnets")
class Subsampling(keras.layers.Layer):
    """Sums 2x2 windows, then scales and shifts each map by a trainable pair.

    Input (batch, height, width, channels), output (batch, height // 2, width // 2,
    channels); 2 parameters a map. LeCun et al. 1998, section II.B, layer S2. The
    squashing that follows is a layer of its own (``ScaledTanh``).
    """

    pool_size = strides = 2

    def build(self, input_shape):
        channels = input_shape[-1]
        # a unit has the same 4 inputs with one shared weight: fan-in 4
        self.coefficient = self.add_weight(
            shape=(channels,), initializer=fan_in_uniform(4), name="coefficient"
        )
        self.bias = self.add_weight(shape=(channels,), initializer="zeros", name="bias")

    def call(self, inputs):
        window_sum = 4.0 * ops.average_pool(inputs, 2, strides=2, padding="valid")
        return window_sum * self.coefficient + self.bias

    def compute_output_shape(self, input_shape):
        batch, height, width, channels = input_shape
        half = [None if side is None else side // 2 for side in (height, width)]
        return (batch, *half, channels)


@keras.saving.register_keras_serializable("kerasnets")
class PartialConv2D(keras.layers.Layer):
    """A valid convolution in which each output map sees only some input maps.

    Input (batch, height, width, in_maps), output (batch, height - k + 1,
    width - k + 1, out_maps). Only the links of the table have weights: k * k a link
    and a bias a map. LeCun et al. 1998, Table I.

    Args:
        table: for each output map, the indices of the input maps it sees.
        kernel_size: side k of the square kernels.
    """

    def __init__(self, table: Sequence[Sequence[int]], kernel_size: int, **kwargs):
        super().__init__(**kwargs)
        self.table = tuple(tuple(sources) for sources in table)
        self.kernel_size = kernel_size

    @property
    def links(self) -> list[tuple[int, int]]:
        """(input map, output map) of each connection, in the order of the weights."""
        return [
            (source, target)
            for target, sources in enumerate(self.table)
            for source in sources
        ]

    def build(self, input_shape):
        in_maps, out_maps, k = input_shape[-1], len(self.table), self.kernel_size
        fan_in = [k * k * len(self.table[target]) for _, target in self.links]
        self.kernel = self.add_weight(
            shape=(k, k, len(self.links)),
            initializer=fan_in_uniform(fan_in),
            name="kernel",
        )
        self.bias = self.add_weight(shape=(out_maps,), initializer="zeros", name="bias")
        # places each link's kernel in the full (in_maps, out_maps) grid
        self._placement = np.zeros((len(self.links), in_maps * out_maps), "float32")
        for link, (source, target) in enumerate(self.links):
            self._placement[link, source * out_maps + target] = 1.0
        self._full_shape = (k, k, in_maps, out_maps)

    def call(self, inputs):
        placement = ops.cast(self._placement, self.compute_dtype)
        full = ops.reshape(ops.matmul(self.kernel, placement), self._full_shape)
        return ops.conv(inputs, full, padding="valid") + self.bias

    def compute_output_shape(self, input_shape):
        batch, height, width, _ = input_shape
        lost = self.kernel_size - 1
        sides = [None if side is None else side - lost for side in (height, width)]
        return (batch, *sides, len(self.table))

    def count_madds(self, output_shape) -> int:
        """Multiply-adds of one image: the links only, not the full grid."""
        _, height, width, _ = output_shape
        return height * width * len(self.links) * self.kernel_size**2

    def get_config(self):
        return {
            **super().get_config(),
            "table": self.table,
            "kernel_size": self.kernel_size,
        }


@keras.saving.register_keras_serializable("kerasnets")
class RadialBasis(keras.layers.Layer):
    """Squared Euclidean distance of the input to fixed codes: small is similar.

    Input (batch, length), output (batch, classes). The codes are part of the
    configuration, not weights. LeCun et al. 1998, equation 7.

    Args:
        codes: one row of numbers a class, each as long as the input.
    """

    def __init__(self, codes: Sequence[Sequence[float]], **kwargs):
        super().__init__(**kwargs)
        self.codes = [list(map(float, code)) for code in codes]

    def call(self, inputs):
        codes = ops.cast(np.asarray(self.codes), self.compute_dtype)
        return ops.sum(ops.square(ops.expand_dims(inputs, 1) - codes), axis=-1)

    def compute_output_shape(self, input_shape):
        return (input_shape[0], len(self.codes))

    def count_madds(self, output_shape) -> int:
        """Multiply-adds of one image: one square added a code element."""
        return output_shape[-1] * len(self.codes[0])

    def get_config(self):
        return {**super().get_config(), "codes": self.codes}


@keras.saving.register_keras_serializable("kerasnets")
class SpatialPyramidPooling(keras.layers.Layer):
    """The maxima of a map over grids of bins, from maps of any size the same vector.

    Bin i of n along a side of s pixels reaches from floor(i s / n) to
    ceil((i + 1) s / n), i from 0 (He et al. 2014, "Spatial Pyramid Pooling in Deep
    Convolutional Networks for Visual Recognition", appendix A). Keras's adaptive
    pooling has the same bins but wants to know the size beforehand.

    Input (batch, height, width, channels), output (batch, bins * channels): grid after
    grid, row by row.

    Args:
        levels: bins a side of each grid.
    """

    def __init__(self, levels: tuple[int, ...], **kwargs):
        super().__init__(**kwargs)
        self.levels = tuple(levels)

    def call(self, inputs):
        return ops.concatenate([_grid(inputs, n) for n in self.levels], axis=-1)

    def compute_output_shape(self, input_shape):
        return (input_shape[0], sum(n * n for n in self.levels) * input_shape[-1])

    def get_config(self):
        return {**super().get_config(), "levels": list(self.levels)}


def _grid(x, bins: int):
    """The maxima over ``bins`` x ``bins`` parts of the map, as a vector."""
    # (keras.ops has no annotations: its results are taken for None)
    _, height, width, channels = ops.shape(x)  # type: ignore[misc]
    rows = [ops.max(x[:, a:b], axis=1) for a, b in _bounds(height, bins)]
    cells = [
        ops.max(row[:, a:b], axis=1)  # type: ignore[index]
        for row in rows
        for a, b in _bounds(width, bins)
    ]
    return ops.reshape(ops.concatenate(cells, axis=-1), (-1, bins * bins * channels))


def _bounds(side, bins: int) -> list:
    """Where each bin starts and ends; ``side`` may be known only when it runs."""
    return [
        (i * side // bins, ((i + 1) * side + bins - 1) // bins) for i in range(bins)
    ]


@keras.saving.register_keras_serializable("kerasnets")
class Maxout(keras.layers.Layer):
    """The largest of each unit's ``pieces``, which lie side by side in the last axis.

    Input (..., units * pieces), output (..., units): the linear layer before it gives
    the pieces. Goodfellow et al. 2013, section 2; no activation follows.

    Args:
        pieces: how many linear functions a unit takes the maximum of.
    """

    def __init__(self, pieces: int, **kwargs):
        super().__init__(**kwargs)
        self.pieces = pieces

    def build(self, input_shape):
        if input_shape[-1] % self.pieces:
            raise KerasnetsError(
                f"{input_shape[-1]} channels cannot be parted into units of "
                f"{self.pieces} pieces"
            )

    def call(self, inputs):
        # (keras.ops has no annotations)
        *rest, channels = ops.shape(inputs)  # type: ignore[misc]
        units = channels // self.pieces
        return ops.max(ops.reshape(inputs, (*rest, units, self.pieces)), axis=-1)

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], input_shape[-1] // self.pieces)

    def get_config(self):
        return {**super().get_config(), "pieces": self.pieces}


@keras.saving.register_keras_serializable("kerasnets")
class HighwayGate(keras.layers.Layer):
    """Mixes what a layer made of its input with the input: h * t + x * (1 - t).

    Srivastava et al. 2015, "Highway Networks", equation 3. Inputs [h, t, x], three
    tensors of one shape: the transformed input, the gate (0 to 1) and the input.
    """

    def call(self, inputs):
        transformed, gate, carried = inputs
        return transformed * gate + carried * (1.0 - gate)

    def compute_output_shape(self, input_shape):
        return input_shape[0]


@keras.saving.register_keras_serializable("kerasnets")
class StochasticDepth(keras.layers.Layer):
    """Leaves a residual branch out of whole training steps.

    One draw a mini-batch, as in Huang et al. 2016, section 3; what is kept is divided
    by 1 - rate, so that nothing is left to do at inference (the paper multiplies by
    1 - rate there: the same expectation).

    Input and output: the branch, of any shape.

    Args:
        rate: probability that the branch is left out, 0 or more, less than 1.
        seed: of the draws; None takes one from Keras's.
    """

    def __init__(self, rate: float, seed: int | None = None, **kwargs):
        super().__init__(**kwargs)
        self.rate, self.seed = rate, seed
        self.seed_generator = keras.random.SeedGenerator(seed)

    def call(self, inputs, training=False):
        if not training or not self.rate:
            return inputs
        one_draw = (1,) * len(inputs.shape)
        return keras.random.dropout(
            inputs, self.rate, noise_shape=one_draw, seed=self.seed_generator
        )

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {**super().get_config(), "rate": self.rate, "seed": self.seed}


@keras.saving.register_keras_serializable("kerasnets")
class SAFPooling2D(keras.layers.Layer):
    """Maximum pooling whose maxima are dropped at random in training.

    Simple adaptive feature composition pooling (Hasanpour et al. 2018, "Towards
    Principled Design of Deep Convolutional Networks: Introducing SimpNet"): the
    strongest responses are found, and then some silenced, so that the next layer learns
    to compose others. At inference it is plain maximum pooling.

    Input (batch, height, width, channels), output (batch, height // pool_size,
    width // pool_size, channels).

    Args:
        rate: share of the maxima that is dropped; the others are divided by 1 - rate.
        pool_size: side of the windows, and their distance.
        seed: of the draws; None takes one from Keras's.
    """

    def __init__(self, rate: float, pool_size=2, seed: int | None = None, **kwargs):
        super().__init__(**kwargs)
        self.rate, self.pool_size, self.seed = rate, pool_size, seed
        self.strides = pool_size
        self.seed_generator = keras.random.SeedGenerator(seed)

    def call(self, inputs, training=False):
        maxima = ops.max_pool(inputs, self.pool_size, strides=self.pool_size)
        if not training or not self.rate:
            return maxima
        return keras.random.dropout(maxima, self.rate, seed=self.seed_generator)

    def compute_output_shape(self, input_shape):
        batch, height, width, channels = input_shape
        sides = [
            None if side is None else side // self.pool_size for side in (height, width)
        ]
        return (batch, *sides, channels)

    def get_config(self):
        own = {name: getattr(self, name) for name in ("rate", "pool_size", "seed")}
        return {**super().get_config(), **own}


@keras.saving.register_keras_serializable("kerasnets")
class CeilMaxPooling2D(keras.layers.Layer):
    """Maximum pooling whose output size is rounded up, as Caffe's and cuda-convnet's.

    The last window of a row or column may hang over the edge, where nothing counts:
    so maps may be negative, which Keras's padding layers, with their zeros, forbid.

    Input (batch, height, width, channels), output of sides
    ceil((side - pool_size) / strides) + 1.

    Args:
        pool_size: side of the windows.
        strides: their distance, ``pool_size`` at most.
    """

    def __init__(self, pool_size: int, strides: int, **kwargs):
        super().__init__(**kwargs)
        self.pool_size, self.strides = pool_size, strides

    def call(self, inputs):
        # the edge once more: every window that hangs over holds it anyway
        more = self.strides - 1
        x: Any = ops.concatenate([inputs] + [inputs[:, -1:]] * more, axis=1)
        x = ops.concatenate([x] + [x[:, :, -1:]] * more, axis=2)
        return ops.max_pool(x, self.pool_size, strides=self.strides)

    def compute_output_shape(self, input_shape):
        batch, height, width, channels = input_shape
        sides = [
            None if side is None else -(-(side - self.pool_size) // self.strides) + 1
            for side in (height, width)
        ]
        return (batch, *sides, channels)

    def get_config(self):
        own = {name: getattr(self, name) for name in ("pool_size", "strides")}
        return {**super().get_config(), **own}


def fan_in_uniform(fan_in, scale: float = 2.4) -> keras.initializers.Initializer:
    """The uniform distribution on +-scale / fan_in (LeCun et al. 1998, section III).

    ``fan_in`` is a number, or one number for each entry of the last axis.
    """
    return _FanInUniform(fan_in, scale)


@keras.saving.register_keras_serializable("kerasnets")
class _FanInUniform(keras.initializers.Initializer):
    def __init__(self, fan_in, scale: float, seed: int | None = None):
        self.fan_in, self.scale = fan_in, scale
        self.seed = seed if seed is not None else keras.random.SeedGenerator()

    def __call__(self, shape, dtype=None):
        bound = ops.cast(self.scale / np.asarray(self.fan_in, "float64"), dtype)
        return bound * keras.random.uniform(shape, -1.0, 1.0, dtype, seed=self.seed)

    def get_config(self):
        return {"fan_in": self.fan_in, "scale": self.scale}
