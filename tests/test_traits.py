"""The table of traits against what the layers of Keras do."""

import keras
import numpy as np
import pytest
from keras import layers, ops

from kerasnets import layers as own, traits
from kerasnets.traits import TABLE, traits_of

# classes of keras.layers that have no row, with the reason
WITHOUT = {
    "no layer to be used as it is": "Layer Wrapper RNN InputLayer Lambda",
    "made of other layers, which have rows": """
        Bidirectional TimeDistributed SpectralNormalization Pipeline StackedRNNCells""",
    "mixes channels by what it sees in the image": """
        LayerNormalization GroupNormalization RMSNormalization UnitNormalization
        Attention AdditiveAttention MultiHeadAttention GroupedQueryAttention Dot""",
    "sequences, in which no channel goes": """
        LSTM GRU SimpleRNN LSTMCell GRUCell SimpleRNNCell ConvLSTM1D ConvLSTM2D
        ConvLSTM3D Masking RepeatVector Permute""",
    "axes are the user's": "EinsumDense Embedding ReversibleEmbedding Normalization",
    "works on images, in front of all channels that may go": """
        CenterCrop AugMix AutoContrast CutMix Equalization MaxNumBoundingBoxes MixUp
        ContrastLimitedAdaptiveHistogramEqualization
        RandAugment RandomBrightness RandomColorDegeneration RandomColorJitter
        RandomContrast RandomCrop RandomElasticTransform RandomErasing RandomFlip
        RandomGaussianBlur RandomGrayscale RandomHue RandomInvert RandomPerspective
        RandomPosterization RandomRotation RandomSaturation RandomSharpness RandomShear
        RandomTranslation RandomZoom Solarization""",
    "works on sound, text or tables": """
        MelSpectrogram STFTSpectrogram CategoryEncoding Discretization HashedCrossing
        Hashing IntegerLookup StringLookup TextVectorization""",
    "holds code or another library's network": """
        TFSMLayer FlaxLayer JaxLayer TorchModuleWrapper""",
}


def layer_classes(module):
    """The layer classes of a module, each once."""
    found = {
        one
        for one in vars(module).values()
        if isinstance(one, type) and issubclass(one, keras.Layer)
    }
    return sorted(found, key=lambda one: one.__name__)


def test_every_layer_of_keras_has_a_row_or_a_reason():
    reasons = {name: why for why, those in WITHOUT.items() for name in those.split()}
    without = {kind.__name__ for kind in layer_classes(layers) if kind not in TABLE}
    assert without == reasons.keys()


def test_every_layer_of_ours_has_a_row():
    assert [kind for kind in layer_classes(own) if kind not in TABLE] == []


# how to make a layer where its class alone does not say it
ARGUMENTS = {
    "Activation": ("relu",),
    "AdaptiveAveragePooling2D": (3,),
    "AdaptiveMaxPooling2D": (3,),
    "AlphaDropout": (0.5,),
    "AveragePooling2D": (2,),
    "CeilMaxPooling2D": (3, 2),
    "ChannelPad": (2,),
    "Conv2D": (6, 3),
    "Conv2DTranspose": (6, 3),
    "Cropping2D": (1,),
    "Dense": (6,),
    "DepthwiseConv2D": (3,),
    "Dropout": (0.5,),
    "GaussianDropout": (0.5,),
    "GaussianNoise": (0.5,),
    "Maxout": (2,),
    "PReLU": ("zeros", None, None, (1, 2)),
    "RadialBasis": ([[0.0] * 4],),
    "Rescaling": (0.5,),
    "Pixels": ((0.0,) * 4, (1.0,) * 4),
    "Resizing": (3, 3),
    "SAFPooling2D": (0.5,),
    "SeparableConv2D": (6, 3),
    "SpatialDropout2D": (0.5,),
    "StochasticDepth": (0.5,),
}
MAP = (6, 6, 4)


def on_map(which):
    """Those of the table that take one map, with such traits."""
    return [
        kind
        for kind in traits.classes(which)
        if kind.__name__[-2:] not in ("1D", "3D")
        and not kind.__name__.startswith(("Conv1D", "Conv3D"))
        and TABLE[kind].channels not in ("ties", "joins")
    ]


def made(kind):
    return kind(*ARGUMENTS.get(kind.__name__, ()))


def images(seed=0):
    return np.random.default_rng(seed).normal(size=(2, *MAP)).astype("float32")


def name_of(kind):
    return kind.__name__


@pytest.mark.parametrize("kind", traits.classes(lambda row: row.kernels), ids=name_of)
def test_kernels_lie_as_the_row_says(kind):
    row = TABLE[kind]
    extra = {"depth_multiplier": 3} if row.kernels[0].depthwise else {}
    size = () if kind is layers.Dense else (2,)
    counts = () if row.depthwise else (6,)
    layer = kind(*counts, *size, **extra)
    layer.build((None, *(5,) * row.rank, 4))
    found = traits.kernels_of(layer)
    assert list(found) == [one.name for one in row.kernels]
    comes_in = 4
    for one, kernel in zip(row.kernels, found.values(), strict=True):
        goes_out = 3 if one.depthwise else 6
        assert (kernel.shape[one.ins], kernel.shape[one.outs]) == (comes_in, goes_out)
        assert kernel.shape[:-2] in ((2,) * row.rank, (1,) * row.rank)
        comes_in *= 3
    made_of = {one.name: (12 if one.depthwise else 6) for one in row.kernels}
    assert traits.channels_made(layer) == made_of


def test_kernels_of_an_unknown_layer_have_the_usual_names():
    class Twice(keras.Layer):
        def build(self, shape):
            self.kernel = self.add_weight(shape=(shape[-1], 5))

    layer = Twice()
    layer.build((None, 3))
    assert list(traits.kernels_of(layer)) == ["kernel"]
    assert traits.channels_made(layer) == {"kernel": 5}
    assert traits_of(layer) == traits.UNKNOWN


def test_a_subclass_has_the_traits_of_its_nearest_class():
    class Wide(layers.Conv2D):
        pass

    assert traits_of(Wide(2, 3)) is TABLE[layers.Conv2D]


@pytest.mark.parametrize(
    "kind", on_map(lambda row: row.channels in ("passes", "weighs")), ids=name_of
)
def test_channels_that_pass_do_not_see_each_other(kind):
    layer, x = made(kind), images()
    whole = np.asarray(layer(x))
    assert whole.shape[-1] == MAP[-1]
    changed = x.copy()
    changed[..., 1] += 1.0
    after = np.asarray(layer(changed))
    np.testing.assert_array_equal(whole[..., [0, 2, 3]], after[..., [0, 2, 3]])


@pytest.mark.parametrize("kind", on_map(lambda row: row.pointwise), ids=name_of)
def test_pointwise_layers_treat_all_positions_alike(kind):
    layer, x = made(kind), images()
    whole = np.asarray(layer(x))
    swapped = np.asarray(layer(x[:, ::-1]))
    np.testing.assert_allclose(swapped, whole[:, ::-1], rtol=1e-6, atol=1e-6)
    alone = np.asarray(layer(x[:, 2:3, 4:5]))
    np.testing.assert_allclose(alone, whole[:, 2:3, 4:5], rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("kind", on_map(lambda row: row.idle), ids=name_of)
def test_idle_layers_give_what_they_take(kind):
    layer, x = made(kind), images()
    np.testing.assert_array_equal(np.asarray(layer(x, training=False)), x)


def test_identities_do_so_in_training_too():
    kinds = on_map(lambda row: row.identity)
    assert layers.Identity in kinds
    for kind in kinds:
        np.testing.assert_array_equal(made(kind)(images(), training=True), images())
        assert not made(kind).weights
        assert TABLE[kind].idle


@pytest.mark.parametrize("kind", traits.classes(lambda row: row.channels == "ties"))
def test_ties_are_channel_on_channel(kind):
    count = 3 if kind is own.HighwayGate else 2
    given = [images(seed) for seed in range(count)]
    whole = np.asarray(kind()(given))
    given[1][..., 1] += 1.0
    np.testing.assert_array_equal(
        whole[..., [0, 2, 3]], np.asarray(kind()(given))[..., [0, 2, 3]]
    )


def test_sides_are_where_the_layer_has_its_channels():
    first = layers.MaxPooling2D(data_format="channels_first")
    assert traits.sides(first, (None, 3, 8, 9)) == (8, 9)
    assert traits.sides(layers.Dense(2), (None, 8, 9, 3)) == (8, 9)
    assert traits.sides(layers.Dense(2), (None, 3)) == ()
    assert traits.sides(layers.ReLU(), (None, 3, 8, 9), "channels_first") == (8, 9)


def test_transposed_ones_spread_a_position():
    for kind in traits.classes(lambda row: row.transposed):
        rank = TABLE[kind].rank
        layer = kind(1, 2, strides=2, use_bias=False, kernel_initializer="ones")
        x = np.zeros((1, *(3,) * rank, 1), "float32")
        x[(0, *(1,) * rank, 0)] = 1.0
        assert tuple(layer.compute_output_shape(x.shape)) == (1, *(6,) * rank, 1)
        assert ops.sum(layer(x)) == 2**rank
