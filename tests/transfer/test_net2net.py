"""Networks grow, and answer as before."""

import keras
import numpy as np
import pytest
from keras import layers
from support.tiny_zoo import TINY, images
from support.weights import randomise

from kerasnets import applications
from kerasnets.channels import trace
from kerasnets.errors import KerasnetsError
from kerasnets.transfer import deepen, widen, widen_into


def answers(model, x=None):
    x = images(model) if x is None else x
    outputs = keras.tree.flatten(model(x, training=False))
    return [np.asarray(y, "float64") for y in outputs]


def assert_alike(ours, theirs, x=None):
    """Within the figure that Net2Net is held to here: 1e-4 of the largest output."""
    for y, expected in zip(answers(ours, x), answers(theirs, x), strict=True):
        largest = np.abs(expected).max()
        assert largest > 0
        assert np.abs(y - expected).max() <= 1e-4 * max(1.0, largest)


def sequential(*steps, shape=(6, 6, 3)):
    x = image = keras.Input(shape, name="image")
    for step in steps:
        x = step(x)
    return randomise(keras.Model(image, x, name="net"))


def widths(model):
    """Channels of each layer that makes some, by its name."""
    channels = trace(model)
    return {channels.names[id(x)]: len(ids) for x, ids in channels.ties.makers}


def test_copies_and_their_halves_by_hand():
    """Figure 2 of the paper: a unit is copied, what leaves it is halved."""
    image = keras.Input((2,))
    x = layers.Dense(2, activation="relu", name="hidden")(image)
    model = keras.Model(image, layers.Dense(1, name="out")(x))
    first = np.array([[1.0, 2.0], [3.0, 4.0]])
    rest = [np.array(x) for x in ([5.0, 6.0], [[7.0], [8.0]], [9.0])]
    model.set_weights([first, *rest])
    wider = widen(model, "hidden", 3)
    kernel, bias, out, last = wider.get_weights()
    is_first = np.array_equal(kernel[:, 0], kernel[:, 1])
    order = [0, 0, 1] if is_first else [0, 1, 1]
    np.testing.assert_array_equal(kernel, first[:, order])
    np.testing.assert_array_equal(bias, np.array([5.0, 6.0])[order])
    halves = [[3.5], [3.5], [8.0]] if is_first else [[7.0], [4.0], [4.0]]
    np.testing.assert_array_equal(out, halves)
    np.testing.assert_array_equal(last, [9.0])
    # (1 + 2 * 3 + 5, 2 + 2 * 4 + 6) = (12, 16), and 7 * 12 + 8 * 16 + 9
    assert np.asarray(wider(np.array([[1.0, 2.0]]))).item() == 221


# what is widened, which others with it, and behind which activation a layer comes
FAMILIES = {
    "vgg16bn": ("stage2_conv1", set(), "stage3_conv2_relu"),
    "googlenet": (
        "inception3a_3x3_conv",
        set(),
        "inception3a_1x1_relu",
    ),  # side by side
    "resnet18": (  # sums
        "stage2_block1_2_conv",
        {"stage2_block1_shortcut_conv"},
        "stage2_block1_relu",
    ),
    "resnext50_32x4d": (  # groups, whose convolution in front keeps to them
        "stage2_block1_2_conv",
        set(),
        "stage2_block1_2_relu",
    ),
    "densenet121": ("stage2_block1_2_conv", set(), "stage2_block2_1_relu"),
    "mobilenet": (  # a depthwise convolution follows
        "stage2_block1_pointwise_conv",
        set(),
        "stage2_block1_depthwise_relu",
    ),
    "mobilenetv3small": (  # products of squeeze and excite
        "stage3_block1_expand_conv",
        {"stage3_block1_excite_conv"},
        "stage2_block1_expand_relu",
    ),
    "stochasticdepthresnet110": (  # padded shortcuts
        "stage2_block1_2_conv",
        {"stem_conv", "stage1_block1_2_conv", "stage3_block1_2_conv"},
        "stage2_block1_relu",
    ),
    "nincifar10": ("conv1_conv", set(), "cccp1_relu"),
    "unet": ("decoder2_up", set(), "bottom_conv1"),  # transposed convolutions
    "highway19": (
        "stage1_conv",
        {"stage1_highway1_plain", "stage1_highway1_gate"},
        "stage2_conv",
    ),
}


@pytest.mark.parametrize("name", FAMILIES)
def test_families_answer_alike_when_they_have_grown(name):
    layer, along, activation = FAMILIES[name]
    model = randomise(TINY[name](classifier_activation=None))
    given = [np.array(weight) for weight in model.weights]
    wider = widen(model, layer, widths(model)[layer] * 3 // 2)
    deeper = deepen(model, activation)
    assert_alike(wider, model)
    assert_alike(deeper, model)
    before, after = widths(model), widths(wider)
    assert after[layer] == before[layer] * 3 // 2
    assert {x for x in before if after[x] != before[x]} == {layer, *along}
    assert f"{activation}_deeper" in widths(deeper)
    for weight, kept in zip(model.weights, given, strict=True):
        np.testing.assert_array_equal(weight, kept)


@pytest.mark.parametrize(
    ("name", "layer", "text"),
    [
        ("lenet5", "logits", "they are the network's outputs"),
        ("lenet5original", "c1", "cannot be followed through 'c3' (PartialConv2D)"),
        ("maxoutcifar10", "conv1", "tells neighbouring channels apart by their places"),
        ("alexnet", "conv1", "(LocalResponseNorm)"),
        ("lenet5", "conv9", "no layer 'conv9' for that; it has c1, c3, c5, f6, logits"),
    ],
)
def test_reason_is_told_where_a_layer_cannot_be_widened(name, layer, text):
    model = TINY[name](classifier_activation=None)
    with pytest.raises(KerasnetsError) as told:
        widen(model, layer, 1_000)
    assert text in str(told.value)


@pytest.mark.parametrize(
    ("width", "noise", "text"),
    [
        (8, 0.0, "'first' has 8 channels: more are accepted, not 8"),
        (4, 0.0, "'first' has 8 channels: more are accepted, not 4"),
        (10, 0.0, "'first' has 4 groups, which stay alike"),
        (12, -1.0, "noise -1.0: 0 or more is accepted"),
    ],
)
def test_widths_are_checked(width, noise, text):
    model = sequential(
        layers.Conv2D(8, 1, name="first"),
        layers.Conv2D(8, 3, groups=4, name="grouped"),
        layers.GlobalAveragePooling2D(),
        layers.Dense(3, name="logits"),
    )
    with pytest.raises(KerasnetsError, match=text):
        widen(model, "first", width, noise=noise)


def test_layers_called_twice_stay():
    twice = layers.Conv2D(3, 3, padding="same", activation="relu", name="twice")
    model = sequential(twice, twice, layers.GlobalAveragePooling2D(), layers.Dense(2))
    with pytest.raises(KerasnetsError, match="'twice' is called twice"):
        widen(model, "twice", 6)
    with pytest.raises(KerasnetsError, match="'twice' is called twice"):
        deepen(model, "twice")


@pytest.mark.parametrize(
    ("build", "channels"),
    [
        (lambda: layers.DepthwiseConv2D(3, depth_multiplier=2, name="d"), 4),
        (lambda: layers.SeparableConv2D(4, 3, depth_multiplier=2, name="d"), 4),
    ],
)
def test_channels_told_apart_by_their_places_stay(build, channels):
    """Of c copied, c c', a multiplier of 2 makes c1 c2 c1' c2', not c1 c1' c2 c2'."""
    model = sequential(
        layers.Conv2D(channels, 1, name="first"),
        build(),
        layers.GlobalAveragePooling2D(),
        layers.Dense(2),
    )
    with pytest.raises(KerasnetsError, match=r"'d' .* neighbouring channels apart"):
        widen(model, "first", 6)


def test_noise_parts_the_copies_alone():
    model = sequential(
        layers.Conv2D(6, 3, activation="relu", name="conv"),
        layers.GlobalAveragePooling2D(),
        layers.Dense(2, name="logits"),
    )
    plain, noisy, again = (
        widen(model, "conv", 12, noise=noise, seed=seed)
        for noise, seed in ((0.0, 3), (0.01, 3), (0.01, 3))
    )
    kernels = [np.array(net.get_layer("conv").kernel) for net in (plain, noisy, again)]
    np.testing.assert_array_equal(kernels[1], kernels[2])
    moved = np.any(kernels[0] != kernels[1], axis=(0, 1, 2))
    assert moved.sum() == 6
    # the first of equal ones stays
    assert not moved[np.unique(kernels[0], axis=-1, return_index=True)[1]].any()
    spread = np.std((kernels[1] - kernels[0])[..., moved])
    assert spread == pytest.approx(0.01 * kernels[0].std(), rel=0.2)
    other = widen(model, "conv", 12, seed=4).get_layer("conv").kernel
    assert np.any(np.array(other) != kernels[0])


@pytest.mark.parametrize("activation", ["relu", "relu6", "linear", "hard_shrink"])
def test_activations_that_leave_their_results_are_followed(activation):
    model = sequential(
        layers.Conv2D(4, 3, activation=activation, name="conv"),
        layers.GlobalAveragePooling2D(),
        layers.Dense(2),
    )
    deeper = deepen(model, "conv")
    assert_alike(deeper, model)
    kernel, bias = deeper.get_layer("conv_deeper").get_weights()
    expected = np.zeros((3, 3, 4, 4))
    expected[1, 1] = np.eye(4)
    np.testing.assert_array_equal(kernel, expected)
    np.testing.assert_array_equal(bias, np.zeros(4))


@pytest.mark.parametrize(
    "layer",
    [
        layers.Conv2D(4, 3, activation="tanh", name="act"),
        layers.Conv2D(4, 3, activation="sigmoid", name="act"),
        layers.Activation("silu", name="act"),
        layers.LeakyReLU(name="act"),
        layers.PReLU(name="act"),
        layers.Softmax(name="act"),
    ],
    ids=lambda layer: type(layer).__name__,
)
def test_activations_that_change_their_results_are_refused(layer):
    model = sequential(layer, layers.GlobalAveragePooling2D(), layers.Dense(2))
    with pytest.raises(KerasnetsError, match=r"with f\(f\(x\)\) = f\(x\)"):
        deepen(model, "act")


def test_deeper_by_a_dense_layer_and_by_a_larger_window():
    model = sequential(
        layers.Conv2D(4, 3, activation="relu", name="conv"),
        layers.Flatten(name="flatten"),
        layers.Dense(5, activation="relu", name="fc"),
        layers.Dense(2, name="logits"),
    )
    deeper = deepen(deepen(model, "fc"), "conv", kernel_size=5)
    assert_alike(deeper, model)
    assert deeper.get_layer("fc_deeper").kernel.shape == (5, 5)
    assert deeper.get_layer("conv_deeper").kernel.shape == (5, 5, 4, 4)
    with pytest.raises(KerasnetsError, match="has a layer 'fc_deeper' already"):
        deepen(deeper, "fc")
    with pytest.raises(KerasnetsError, match="no layer 'relu' for that"):
        deepen(deeper, "relu")


def test_new_batch_norm_has_the_statistics_of_images():
    model = sequential(
        layers.Conv2D(4, 3, use_bias=False, name="conv"),
        layers.BatchNormalization(name="bn"),
        layers.ReLU(name="relu"),
        layers.GlobalAveragePooling2D(),
        layers.Dense(2),
    )
    x = images(model, 16)
    deeper = deepen(model, "relu", images=x)
    assert_alike(deeper, model, x)
    maps = np.asarray(keras.Model(model.input, model.get_layer("relu").output)(x))
    gamma, beta, mean, variance = deeper.get_layer("relu_deeper_bn").get_weights()
    np.testing.assert_allclose(mean, maps.mean(axis=(0, 1, 2)), rtol=1e-5)
    np.testing.assert_allclose(variance, maps.var(axis=(0, 1, 2)), rtol=1e-4)
    np.testing.assert_allclose(beta, mean)
    np.testing.assert_allclose(gamma, np.sqrt(variance + 1e-3), rtol=1e-5)
    # in training it is nearly the identity on such images, others are not
    norm = deeper.get_layer("relu_deeper_bn")
    np.testing.assert_allclose(norm(maps, training=True), maps, atol=1e-4)


def mobilenet(alpha, **arguments):
    return applications.build(
        "mobilenet",
        alpha=alpha,
        input_shape=(32, 32, 3),
        classes=10,
        classifier_activation=None,
        **arguments,
    )


def test_a_wider_mobilenet_takes_over_from_a_narrower_one():
    model, larger = randomise(mobilenet(0.25)), mobilenet(0.375)
    widen_into(model, larger)
    assert_alike(larger, model)
    with pytest.raises(KerasnetsError, match="'stem_conv' has 12 channels: more"):
        widen_into(larger, model)
    other = TINY["lenet5"](classifier_activation=None)
    with pytest.raises(KerasnetsError, match=r"is no wider .*: it has no Conv2D"):
        widen_into(model, other)


def test_padded_shortcuts_are_widened_stage_by_stage():
    """A CIFAR ResNet: stage 2 has the channels of stage 1, and as many zeros."""
    model = randomise(TINY["stochasticdepthresnet110"](classifier_activation=None))
    targets = {x: 2 * width for x, width in widths(model).items() if x != "logits"}

    def doubled(layer):
        config = layer.get_config()
        for key in ("filters", "extra"):
            if key in config:
                config[key] *= 2
        return type(layer).from_config(config)

    larger = keras.models.clone_model(model, clone_function=doubled)
    widen_into(model, larger)
    assert_alike(larger, model)
    assert {x: width for x, width in widths(larger).items() if x != "logits"} == targets
