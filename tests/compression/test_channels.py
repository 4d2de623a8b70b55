"""Structured pruning: silent channels leave without a trace, and only those."""

from functools import partial

import keras
import numpy as np
import pytest
from keras import layers
from support.tiny_zoo import TINY, at, changed, images, smaller, some_modules
from support.weights import randomise

from kerasnets import applications as zoo
from kerasnets.analysis import count_madds, shapes_only
from kerasnets.applications import preprocessing
from kerasnets.compression.channels import prune_channels
from kerasnets.errors import KerasnetsError
from kerasnets.layers import HighwayGate, Maxout, SpatialPyramidPooling
from kerasnets.saving import load_model, save_model

WIDTHS = ("filters", "units", "extra")


def first_stages(build, count, **changes):
    """The stages of a network up to one, changed."""
    return changed(build.network.stages[:count], **changes)


# small enough to be built three times
NETS = {
    **TINY,
    "vgg": partial(
        smaller(zoo.VGG16BN, stages=((3,),) * 5), **at(32, dense_units=32, dropout=0.0)
    ),
    "inception": partial(
        smaller(zoo.BNInception, modules=some_modules(zoo.BNInception, "3a", "3c")),
        **at(32),
    ),
    "inceptionresnet": partial(
        smaller(
            zoo.InceptionResNetV1,
            stages=first_stages(zoo.InceptionResNetV1, 1, blocks=1),
        ),
        **at(75),
    ),
    "mobilenetv2": partial(
        smaller(zoo.MobileNetV2, stages=first_stages(zoo.MobileNetV2, 2, blocks=2)),
        **at(32, alpha=0.35),
    ),
    "mobilenetv3": partial(
        smaller(
            zoo.MobileNetV3Small,
            stages=first_stages(zoo.MobileNetV3Small, 3, expansions=(4,)),
        ),
        **at(32, alpha=0.25),
    ),
}


def last_layers(model):
    """The layers that make the channels of the outputs: they keep their widths."""
    names = set()
    for tensor in model.outputs:
        layer = tensor._keras_history.operation
        while not hasattr(layer, "kernel"):
            layer = layer.input._keras_history.operation
        names.add(layer.name)
    return names


def halved(model):
    """The same network with half the channels in every layer but the last."""

    def half(layer):
        config = layer.get_config()
        if layer.name not in last_layers(model):
            config |= {key: config[key] // 2 for key in WIDTHS if key in config}
        return type(layer).from_config(config)

    return shapes_only(lambda: keras.models.clone_model(model, clone_function=half))


def silence_odd(model):
    """Every odd channel gives zero, in every layer but the last."""
    for layer in model.layers:
        if layer.name in last_layers(model):
            continue
        for variable in layer.weights:
            value = np.array(variable)
            if variable.name in ("gamma", "beta", "moving_mean", "bias"):
                value[1::2] = 0
            elif isinstance(layer, layers.Conv2DTranspose):
                value[..., 1::2, :] = 0
            elif variable.name == "kernel":
                value[..., 1::2] = 0
            variable.assign(value)
    return model


def run(model, count=2):
    x = images(model, count)
    return [np.asarray(y) for y in keras.tree.flatten(model(x, training=False))]


def assert_same_outputs(ours, theirs):
    for y, expected in zip(run(ours), run(theirs), strict=True):
        assert np.max(np.abs(expected)) > 0
        np.testing.assert_allclose(y, expected, atol=1e-6 * np.max(np.abs(expected)))


@pytest.mark.parametrize(
    ("name", "criterion"),
    [
        ("lenet5", "l1"),  # a vector of the map, subsampling without weights
        ("vgg", "batch_norm"),  # dense layers without batch norm
        ("inception", "batch_norm"),
        ("inceptionresnet", "batch_norm"),
        ("resnet18", "batch_norm"),  # projections
        ("resnet18", "l1"),
        ("resnet50v2", "batch_norm"),  # batch norm on the sums
        ("resnext50_32x4d", "batch_norm"),  # grouped convolutions
        ("densenet121", "batch_norm"),
        ("preluneta", "l1"),  # a spatial pyramid
        ("mobilenet", "batch_norm"),
        ("mobilenetv2", "batch_norm"),
        ("mobilenetv3", "batch_norm"),  # squeeze and excite
        ("stochasticdepthresnet110", "batch_norm"),  # padded shortcuts
        ("dsn", "l1"),  # three outputs
        ("highway10", "l1"),
        ("simplenet310k", "batch_norm"),
        ("unet", "l1"),  # transposed convolutions
    ],
)
def test_silent_channels_leave_and_no_others(name, criterion):
    model = silence_odd(randomise(NETS[name](classifier_activation=None)))
    half = halved(model)
    share = count_madds(half) / count_madds(model)
    pruned = prune_channels(model, madds=share, criterion=criterion)
    assert count_madds(pruned) == count_madds(half)
    for layer, expected in zip(pruned.layers, half.layers, strict=True):
        assert layer.name == expected.name
        theirs = model.get_layer(layer.name).get_weights()
        for ours, whole, like in zip(
            layer.get_weights(), theirs, expected.weights, strict=True
        ):
            steps = np.array(whole.shape) // like.shape
            even = whole[tuple(slice(None, None, step) for step in steps)]
            np.testing.assert_array_equal(ours, even, err_msg=layer.name)
    assert_same_outputs(pruned, model)


@pytest.mark.parametrize(
    "name", ["nincifar10", "allcnnc", "maxoutcifar10", "fitnet1", "alexnetowt"]
)
def test_other_families_lose_half_and_run(name):
    model = randomise(TINY[name](classifier_activation=None))
    pruned = prune_channels(model, criterion="l1")
    assert 0.45 < count_madds(pruned) / count_madds(model) <= 0.5
    assert all(np.all(np.isfinite(y)) for y in run(pruned))


def plain(widths=(8, 6), size: int | None = 8, **options):
    """3x3, BN, ReLU twice, average, 10 classes."""
    x = image = keras.Input((size, size, 3), name="image")
    for i, width in enumerate(widths, start=1):
        x = layers.Conv2D(width, 3, padding="same", name=f"conv{i}")(x)
        x = layers.BatchNormalization(name=f"bn{i}", **options)(x)
        x = layers.ReLU(name=f"relu{i}")(x)
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    return keras.Model(image, layers.Dense(10, name="logits")(x), name="plain")


def set_gammas(model, **values):
    for name, gamma in values.items():
        model.get_layer(name).gamma.assign(np.array(gamma, "float32"))
    return model


def widths(model):
    """The channels that each convolution and dense layer makes."""
    counts = {
        layer.name: getattr(layer, "filters", getattr(layer, "units", None))
        for layer in model.layers
    }
    return {name: count for name, count in counts.items() if count}


@pytest.mark.parametrize(
    ("most", "first", "second"),
    [
        # 64 positions of 9 taps, 3 to 8 to 6 channels, 60: 41,532 multiply-adds
        (41_532, [], []),
        # without the lowest, 8/6 against 9/40: 576 * (21 + 42) + 60
        (36_348, [1], []),
        # the three lowest, and not one fewer: 576 * (18 + 30) + 50
        (28_000, [1, 4], [1]),
        # here the second lowest fits again: 576 * (18 + 36) + 60
        (31_200, [1, 4], []),
    ],
)
def test_lowest_scales_go_until_the_multiply_adds_fit(most, first, second):
    bn1 = [8, -1, 7, 6, 2, 9, 8, 7]
    # as a share of its layer's mean, however small
    bn2 = [0.3, 0.09, 0.5, -0.6, 0.4, 0.5]
    model = set_gammas(randomise(plain()), bn1=bn1, bn2=bn2)
    assert count_madds(model) == 41_532
    pruned = prune_channels(model, madds=most / 41_532)
    assert count_madds(pruned) <= most
    np.testing.assert_array_equal(
        pruned.get_layer("bn1").gamma, np.delete(bn1, first).astype("float32")
    )
    np.testing.assert_array_equal(
        pruned.get_layer("bn2").gamma, np.delete(bn2, second).astype("float32")
    )
    kernel = np.delete(model.get_layer("conv2").kernel, first, axis=2)
    np.testing.assert_array_equal(
        pruned.get_layer("conv2").kernel, np.delete(kernel, second, axis=3)
    )


def test_nested_model_that_is_called_as_in_training():
    image, inner = keras.Input((6, 6, 4)), keras.Input((6, 6, 4))
    dropped = keras.Model(inner, layers.Dropout(0.5)(inner), name="dropped")
    x = layers.Dense(8, name="first")(dropped(image, training=True))
    model = keras.Model(image, layers.Dense(5, name="logits")(x))
    same = prune_channels(model, madds=1, criterion="l1")
    x = images(model)
    assert np.any(model(x) != model(x))  # Monte Carlo dropout
    assert np.any(same(x) != same(x))


def test_sequential_models_in_each_other():
    first = keras.Sequential(
        [keras.Input((8, 8, 3)), layers.Conv2D(8, 3, name="a")], name="first"
    )
    late = keras.Sequential(  # built when it is called
        [layers.BatchNormalization(), layers.ReLU(), layers.Conv2D(8, 3, name="b")],
        name="late",
    )
    model = keras.Sequential([first, late, layers.Flatten(), layers.Dense(2)])
    randomise(model)
    whole = prune_channels(model, madds=1.0)
    assert_same_outputs(whole, model)
    half = prune_channels(model, criterion="l1")
    assert half.get_layer("a").filters < 8
    assert half.output_shape == model.output_shape
    assert count_madds(half) <= count_madds(model) / 2
    with pytest.raises(KerasnetsError, match="or a built Sequential"):
        prune_channels(keras.Sequential([layers.Dense(2)]))


def test_l1_norms_by_hand():
    image = keras.Input((4, 4, 1))
    x = layers.Conv2D(4, 1, use_bias=False, name="conv")(image)
    x = layers.Flatten()(x)
    model = keras.Model(image, layers.Dense(2, name="logits")(x))
    model.get_layer("conv").kernel.assign([[[[3.0, -1.0, 2.0, -4.0]]]])
    dense = np.arange(128.0).reshape(64, 2)
    model.get_layer("logits").set_weights([dense, np.zeros(2)])
    pruned = prune_channels(model, criterion="l1")
    np.testing.assert_array_equal(
        np.ravel(pruned.get_layer("conv").kernel), [3.0, -4.0]
    )
    # of each of the 16 positions the first and the last channel
    np.testing.assert_array_equal(
        pruned.get_layer("logits").kernel,
        dense.reshape(16, 4, 2)[:, [0, 3]].reshape(32, 2),
    )


def test_equal_scores_go_evenly_and_a_tenth_stays():
    pruned = prune_channels(plain((40, 40)), madds=0.27)
    assert widths(pruned) == {"conv1": 20, "conv2": 20, "logits": 10}
    flat = set_gammas(plain((40, 40)), bn1=[1e-3] * 39 + [1.0])
    # 39 channels of the first layer score lowest of all, but only 36 may go
    assert widths(prune_channels(flat, madds=0.09))["conv1"] == 4


@pytest.mark.parametrize("multiple", [4, 8])
def test_multiples(multiple):
    model = randomise(plain((32, 20, 24, 8)))
    pruned = prune_channels(model, madds=0.4, multiple=multiple)
    before = widths(model)
    assert all(
        width % multiple == 0 or width == before[name]
        for name, width in widths(pruned).items()
    )
    assert 0.25 < count_madds(pruned) / count_madds(model) <= 0.4
    for name in ("bn1", "bn2", "bn3", "bn4"):  # the smallest scales have gone
        kept = np.array(pruned.get_layer(name).gamma)
        largest = np.sort(model.get_layer(name).gamma)[-len(kept) :]
        np.testing.assert_array_equal(np.sort(kept), largest)
    run(pruned)


def test_spared_layers_keep_all():
    model = randomise(plain((16, 16)))
    pruned = prune_channels(model, spare=["bn2"])
    assert widths(pruned)["conv2"] == 16 > widths(pruned)["conv1"]


def around(body, filters=8):
    """A convolution, ``body``, a dense layer; channels 1 and 2 of the first silent."""
    image = keras.Input((6, 6, 4))
    x = layers.Conv2D(filters, 3, padding="same", name="first")(image)
    model = keras.Model(image, layers.Dense(5, name="logits")(body(x)))
    first = randomise(model).get_layer("first")
    kernel = np.array(first.kernel)
    kernel[..., 1:3] = 0
    first.set_weights([kernel, np.zeros(filters)])
    return model


def shared(x):
    """One convolution of two inputs."""
    conv = layers.Conv2D(8, 1, name="shared")
    return conv(conv(x))


class Unknown(layers.Layer):
    """Mixes channels in a way that nobody knows."""

    def call(self, inputs):
        return keras.ops.flip(inputs, axis=-1)


@pytest.mark.parametrize(
    "body",
    [
        shared,
        Unknown(),
        lambda x: keras.ops.flip(x, axis=-1),
        layers.Softmax(),
        layers.Activation("softmax"),
        layers.LayerNormalization(),
        layers.BatchNormalization(axis=1),
        layers.Reshape((8, 36)),
        layers.Rescaling([1.0] * 8),
    ],
)
def test_what_mixes_channels_keeps_them(body):
    model = around(body)
    with pytest.raises(KerasnetsError, match=r"madds 0.1 cannot be reached: 1.0 is"):
        prune_channels(model, madds=0.1, criterion="l1")
    same = prune_channels(model, madds=1, criterion="l1")
    assert_same_outputs(same, model)


def excited(x):
    """Squeeze and excite in the manner of keras.applications' EfficientNet."""
    y = layers.Reshape((1, 1, x.shape[-1]))(layers.GlobalAveragePooling2D()(x))
    y = layers.Conv2D(x.shape[-1], 1, activation="sigmoid", name="excite")(y)
    return layers.Multiply()([x, y])


def nested(x):
    """A model with a layer whose name is also outside."""
    inner = keras.Input(x.shape[1:])
    y = layers.Conv2D(8, 3, activation=layers.ReLU(), name="first")(inner)
    return keras.Model(inner, y, name="block")(x)


def weighed(x):
    """A factor for each pixel: one channel beside many."""
    return layers.Multiply()([x, layers.Conv2D(1, 1, name="factor")(x)])


@pytest.mark.parametrize(
    ("body", "left"),
    [
        (lambda x: layers.PReLU()(x), {}),
        (excited, {"excite": 6}),
        (nested, {"block_first": 8}),
        (weighed, {"factor": 1}),
        (lambda x: HighwayGate()([x, x, x]), {}),
        (
            lambda x: layers.DepthwiseConv2D(3, depth_multiplier=3, use_bias=False)(x),
            {},
        ),
        (lambda x: layers.SeparableConv2D(9, 3, depth_multiplier=2, name="s")(x), {}),
        (lambda x: SpatialPyramidPooling((2, 1))(x), {}),
        (lambda x: layers.Concatenate()([x, layers.ReLU()(x), x]), {}),
        (lambda x: layers.Concatenate(axis=1)([x, x]), {}),
        (lambda x: layers.Flatten()(x), {}),
        (lambda x: layers.Reshape((-1,))(x), {}),
        (lambda x: layers.Reshape((36, x.shape[-1]))(x), {}),
        (lambda x: layers.Conv2DTranspose(7, 2, name="up")(x), {"up": 7}),
    ],
)
def test_what_passes_channels_on(body, left):
    model, smaller = around(body), around(body, filters=6)
    share = count_madds(smaller) / count_madds(model)
    pruned = prune_channels(model, madds=share, criterion="l1")
    assert widths(pruned).items() >= {"first": 6, "logits": 5, **left}.items()
    assert count_madds(pruned) == count_madds(smaller)
    np.testing.assert_array_equal(
        pruned.get_layer("first").kernel,
        np.delete(model.get_layer("first").kernel, [1, 2], axis=3),
    )
    assert_same_outputs(pruned, model)


def test_pieces_of_a_unit_go_together():
    model = around(lambda x: Maxout(2)(x))
    # channel 1 belongs to unit 0, channel 2 to unit 1
    pruned = prune_channels(model, madds=0.5, criterion="l1")
    np.testing.assert_array_equal(
        pruned.get_layer("first").kernel,
        np.array(model.get_layer("first").kernel)[..., 4:],
    )


def test_groups_stay_equal():
    model = around(lambda x: layers.Conv2D(12, 1, groups=2, name="grouped")(x))
    kernel = np.array(model.get_layer("first").kernel)
    kernel[..., [1, 5]] = 0  # the second channel of each group
    model.get_layer("first").set_weights([kernel, np.zeros(8)])
    pruned = prune_channels(model, madds=0.8, criterion="l1")
    assert widths(pruned)["first"] == 6
    np.testing.assert_array_equal(
        pruned.get_layer("first").kernel, np.delete(kernel, [1, 5], axis=3)
    )
    assert pruned.get_layer("grouped").kernel.shape[2] == 3


def test_result_is_an_ordinary_network(tmp_path):
    model = randomise(TINY["resnet110v2"](classifier_activation=None))
    weights = model.get_weights()
    pruned = prune_channels(model)
    assert (pruned.name, pruned.output_shape) == (model.name, (None, 10))
    assert [x.name for x in pruned.layers] == [x.name for x in model.layers]
    for before, after in zip(weights, model.get_weights(), strict=True):
        np.testing.assert_array_equal(before, after)

    save_model(pruned, tmp_path / "pruned.keras")
    loaded = load_model(tmp_path / "pruned.keras")
    assert_same_outputs(loaded, pruned)
    assert preprocessing(loaded) == preprocessing(pruned) == preprocessing(model)

    pruned.compile("sgd", "mse")
    before = [np.array(x) for x in pruned.trainable_weights]
    pruned.train_on_batch(images(pruned), np.ones((2, 10)))
    for old, new in zip(before, pruned.trainable_weights, strict=True):
        assert np.all(np.isfinite(new)), new.path
        assert np.any(old != new), new.path


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"madds": 0}, "madds 0: above 0, at most 1 is accepted"),
        ({"madds": 1.5}, "madds 1.5: above 0"),
        ({"criterion": "l2"}, "criterion 'l2': 'batch_norm' or 'l1' is accepted"),
        ({"multiple": 0}, "multiple 0: a whole number of 1 or more"),
        ({"multiple": 2.0}, "multiple 2.0: a whole number"),
        ({"spare": ["conv9"]}, r"spare names \['conv9'\], which are not layers of"),
        ({"madds": 0.01}, r"madds 0.01 cannot be reached: 0.0\d+ is the least"),
    ],
)
def test_errors(arguments, message):
    with pytest.raises(KerasnetsError, match=message):
        prune_channels(plain(), **arguments)


def test_networks_that_cannot_be_pruned():
    with pytest.raises(KerasnetsError, match=r"has none: take criterion='l1'"):
        prune_channels(plain(scale=False))
    with pytest.raises(KerasnetsError, match=r"0.584 is the least that can"):
        prune_channels(TINY["alexnet"](), criterion="l1")  # normalises over channels
    with pytest.raises(KerasnetsError, match="no fixed size"):
        prune_channels(plain(size=None))

    class Own(keras.Model):
        def call(self, inputs):
            return inputs

    with pytest.raises(KerasnetsError, match="is not a functional model"):
        prune_channels(Own())
