"""U-Net against Figure 1 of the paper; its paths followed pixel by pixel."""

import keras
import numpy as np
import pytest
from support.tiny_zoo import TINY

from kerasnets import applications
from kerasnets.analysis import count_madds, count_params
from kerasnets.applications import UNet, unet_with_encoder
from kerasnets.errors import KerasnetsError


def small(input_shape=(44, 48, 1), **arguments):
    return UNet(input_shape, **{"filters": 2, "depth": 2, "dropout": 0, **arguments})


def test_maps_are_those_of_figure_1():
    model = UNet(filters=1)  # sizes only: the 64 of the paper are 1 here
    maps = [
        ("encoder1_conv1", 570, 1),
        ("encoder1_conv2", 568, 1),
        ("encoder1_pool", 284, 1),
        ("encoder2_conv1", 282, 2),
        ("encoder2_conv2", 280, 2),
        ("encoder2_pool", 140, 2),
        ("encoder3_conv1", 138, 4),
        ("encoder3_conv2", 136, 4),
        ("encoder3_pool", 68, 4),
        ("encoder4_conv1", 66, 8),
        ("encoder4_conv2", 64, 8),
        ("encoder4_pool", 32, 8),
        ("bottom_conv1", 30, 16),
        ("bottom_conv2", 28, 16),
        ("decoder4_up", 56, 8),
        ("decoder4_crop", 56, 8),
        ("decoder4_concat", 56, 16),
        ("decoder4_conv1", 54, 8),
        ("decoder4_conv2", 52, 8),
        ("decoder3_crop", 104, 4),
        ("decoder3_concat", 104, 8),
        ("decoder3_conv2", 100, 4),
        ("decoder2_crop", 200, 2),
        ("decoder2_concat", 200, 4),
        ("decoder2_conv2", 196, 2),
        ("decoder1_crop", 392, 1),
        ("decoder1_concat", 392, 2),
        ("decoder1_conv2", 388, 1),
        ("logits", 388, 2),
    ]
    for name, side, channels in maps:
        shape = model.get_layer(name).output.shape[1:]
        assert shape == (side, side, channels), name
    kinds = (keras.layers.Conv2D, keras.layers.Conv2DTranspose)
    assert sum(isinstance(layer, kinds) for layer in model.layers) == 23


def test_relu_follows_the_3x3_convolutions_only():
    active = {
        layer.name
        for layer in UNet(filters=1).layers
        if getattr(layer, "activation", None) is keras.activations.relu
    }
    assert len(active) == 18
    assert all(name[:-1].endswith("_conv") for name in active)


def set_identities(model, *, from_skip):
    """Kernels that hand the first channel on, in the middle, from one of the paths."""
    for layer in model.layers:
        if not layer.weights:
            continue
        kernel, bias = (np.zeros(weight.shape) for weight in layer.get_weights())
        if layer.name.endswith("_up"):
            # the whole 2x2 of a transposed kernel, the pixel itself of the other
            transposed = isinstance(layer, keras.layers.Conv2DTranspose)
            kernel[(slice(None), slice(None)) if transposed else (0, 0)][..., 0, 0] = 1
        else:
            beside = layer.name.startswith("decoder") and layer.name.endswith("conv1")
            channel = kernel.shape[2] // 2 if beside and not from_skip else 0
            middle = kernel.shape[0] // 2
            kernel[middle, middle, channel, 0] = 1
        layer.set_weights([kernel, bias])


@pytest.mark.parametrize("upsampling", ["transposed", "nearest"])
@pytest.mark.parametrize(("depth", "height", "width"), [(1, 20, 22), (2, 44, 48)])
def test_each_pixel_is_answered_where_it_lies(depth, height, width, upsampling):
    model = small(
        (height, width, 1),
        depth=depth,
        upsampling=upsampling,
        classifier_activation=None,
    )
    image = np.random.default_rng(0).uniform(1, 2, (height, width)).astype("float32")
    border = {1: 8, 2: 20}[depth]  # (12 * 2**depth - 8) / 2
    middle = (slice(border, height - border), slice(border, width - border))

    set_identities(model, from_skip=True)
    answer = model.predict(image[None, ..., None], verbose=0)[0, ..., 0]
    np.testing.assert_array_equal(answer, image[middle])

    # through the bottom: the maximum of the window in which the pixel lies
    set_identities(model, from_skip=False)
    answer = model.predict(image[None, ..., None], verbose=0)[0, ..., 0]
    side, first = 2**depth, {1: 2, 2: 6}[depth]  # 2; 2 + 2 * 2 pixels cut before
    for (row, column), value in np.ndenumerate(answer):
        top, left = (
            (at + border - first) // side * side + first for at in (row, column)
        )
        assert value == image[top : top + side, left : left + side].max()


def test_open_sides_answer_like_fixed_ones():
    fixed, anywhere = small(), small((None, None, 1))
    anywhere.set_weights(fixed.get_weights())
    image = np.random.default_rng(0).normal(size=(1, 44, 48, 1)).astype("float32")
    np.testing.assert_allclose(anywhere(image), fixed(image), rtol=1e-6)


def test_dropout_ends_the_path_down_before_its_skip():
    model = small(dropout=0.25)
    rates = {
        x.name: x.rate for x in model.layers if isinstance(x, keras.layers.Dropout)
    }
    assert rates == {"encoder2_dropout": 0.25, "bottom_dropout": 0.25}
    assert source(model, "decoder2_crop") == source(model, "encoder2_pool")
    assert source(model, "encoder2_pool") == "encoder2_dropout"
    assert source(model, "decoder2_up") == "bottom_dropout"
    assert not any(isinstance(x, keras.layers.Dropout) for x in small().layers)


def source(model, name):
    """The layer whose output the layer ``name`` takes."""
    return model.get_layer(name).input._keras_history.operation.name


@pytest.mark.parametrize("upsampling", ["nearest", "bilinear"])
def test_interpolation_costs_the_up_convolutions_four_times(upsampling):
    transposed, interpolated = small(), small(upsampling=upsampling)
    assert count_params(interpolated) == count_params(transposed)
    # 4x5 pixels from 8 to 4 channels, 4x6 of ... : in_pixels * 4 * in * out
    up = 4 * 5 * 4 * 8 * 4 + 4 * 6 * 4 * 4 * 2
    assert count_madds(interpolated) - count_madds(transposed) == 3 * up
    resize = interpolated.get_layer("decoder1_up_resize")
    assert resize.interpolation == upsampling


def test_padding_keeps_the_size_and_crops_nothing():
    model = small((32, 48, 1), padding="same")
    assert model.output_shape == (None, 32, 48, 2)
    assert not any(isinstance(x, keras.layers.Cropping2D) for x in model.layers)
    assert UNet(filters=1, padding="same").input_shape == (None, 512, 512, 1)


@pytest.mark.parametrize(
    ("arguments", "side"),
    [
        ({}, 4),
        ({"input_shape": (18, 18, 1), "depth": 1}, 2),
        ({"input_shape": (16, 16, 1), "padding": "same"}, 16),
    ],
)
def test_smallest_images(arguments, side):
    model = UNet(**{"input_shape": (188, 188, 1), "filters": 1, **arguments})
    assert model.output_shape[1:3] == (side, side)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"input_shape": (572, 570, 1)}, "570 pixels .* nearest: 556 and 572"),
        ({"input_shape": (512, 512, 1)}, "512 pixels .* nearest: 508 and 524"),
        ({"input_shape": (190, 190, 1)}, "190 pixels .* nearest: 188 and 204"),
        ({"input_shape": (172, 172, 1)}, "172 pixels .* nearest: 188$"),
        ({"input_shape": (64, 64, 1)}, "64 pixels .* nearest: 188$"),
        ({"input_shape": (17, 17, 1), "depth": 1}, "17 pixels .* nearest: 18$"),
        ({"input_shape": (500, 500, 1), "padding": "same"}, "nearest: 496 and 512"),
        ({"padding": "symmetric"}, "padding 'symmetric' is unknown: 'valid' or 'same'"),
        ({"upsampling": "cubic"}, "upsampling 'cubic' is unknown: 'transposed'"),
        ({"classes": 1}, "classes 1 with .*'softmax'.*'sigmoid'"),
        ({"classes": 0}, "classes 0"),
        ({"dropout": 1}, "dropout 1"),
        ({"filters": 0}, "filters 0"),
        ({"depth": 0}, "depth 0"),
    ],
)
def test_bad_arguments_are_named(arguments, message):
    with pytest.raises(KerasnetsError, match=message):
        UNet(**{"filters": 1, **arguments})


def with_encoder(name="resnet18", **arguments):
    encoder = TINY[name](include_top=False)
    return unet_with_encoder(encoder, (8, 8, 8, 8, 8), **arguments)


def discs():
    """Two noisy images with a red disc each, and the masks of the discs."""
    rows, columns = np.mgrid[:32, :32]
    near = [(rows - 9) ** 2 + (columns - at) ** 2 < 60 for at in (12, 20)]
    masks = np.stack(near).astype("int32")
    images = np.random.default_rng(0).normal(size=(2, 32, 32, 3)).astype("float32")
    images[..., 0] += 3 * masks
    return images, masks


@pytest.mark.parametrize("build", [small, with_encoder])
def test_every_weight_gets_a_finite_gradient(build):
    import tensorflow as tf

    keras.utils.set_random_seed(0)
    same = {"input_shape": (32, 32, 3), "padding": "same"} if build is small else {}
    model = build(**same)
    images, masks = discs()

    @tf.function
    def gradients(images, masks):
        with tf.GradientTape() as tape:
            losses = keras.losses.sparse_categorical_crossentropy(
                masks, model(images, training=True)
            )
        return tape.gradient(losses, [v.value for v in model.trainable_variables])

    found = gradients(images, masks)
    for variable, gradient in zip(model.trainable_variables, found, strict=True):
        assert np.isfinite(gradient).all(), variable.path
        assert np.abs(gradient).max() > 0, variable.path


def test_learns_masks():
    keras.utils.set_random_seed(0)
    model = small((32, 32, 3), padding="same", filters=8, depth=1)
    images, masks = discs()
    model.compile(keras.optimizers.Adam(0.01), "sparse_categorical_crossentropy")
    model.fit(images, masks, epochs=25, verbose=0)
    answers = np.argmax(model.predict(images, verbose=0), axis=-1)
    assert (answers == masks).mean() > 0.97  # no disc at all is 0.82


# a network of each kind of block, and how often it halves its maps
ENCODERS = {
    "vgg16bn": 5,
    "googlenet": 5,
    "resnet18": 5,
    "resnet50": 5,
    "plain18": 5,
    "resnet50v2": 5,
    "wideresnet50_2": 5,
    "resnext50_32x4d": 5,
    "densenet121": 5,
    "preluneta": 4,
    "mobilenet": 5,
    "mobilenetv2": 5,
    "mobilenetv3small": 5,
    "resnet20": 2,
}


@pytest.mark.parametrize(("name", "halvings"), ENCODERS.items())
def test_encoder_of_any_family_with_padding(name, halvings):
    encoder = TINY[name](include_top=False, input_shape=(64, 96, 3))
    model = unet_with_encoder(encoder, (4, 4, 4, 4, 4), classes=3)
    assert model.output_shape == (None, 64, 96, 3)
    # a skip of each size below that of the end, and of the image's if it is computed
    first = 1 if name in ("vgg16bn", "resnet20") else 2
    assert [
        layer.name
        for layer in reversed(model.layers)
        if layer.name.startswith("decoder") and layer.name.endswith("concat")
    ] == [f"decoder{level}_concat" for level in range(first, halvings + 1)]


@pytest.mark.parametrize("name", ["resnet18", "mobilenetv2"])
def test_encoder_for_any_size(name):
    encoder = TINY[name](include_top=False, input_shape=(None, None, 3))
    model = unet_with_encoder(encoder, (4, 4, 4, 4, 4))
    assert model.output_shape == (None, None, None, 2)
    assert model(np.zeros((1, 32, 64, 3), "float32")).shape == (1, 32, 64, 2)


@pytest.mark.parametrize(
    ("name", "arguments", "skips", "end"),
    [
        (
            "resnet18",
            {},
            ["stem_relu"] + [f"stage{i}_block2_relu" for i in (1, 2, 3)],
            "stage4_block2_relu",
        ),
        # as torchvision has it, the first convolution of a stage is of the size before
        (
            "resnet50",
            {"form": "torch"},
            ["stem_relu"]
            + [f"stage{i}_block{j}_relu" for i, j in ((1, 3), (2, 4), (3, 6))],
            "stage4_block3_relu",
        ),
        (
            "mobilenet",
            {"alpha": 0.25},
            [
                f"stage{i}_block{j}_pointwise_relu"
                for i, j in ((1, 1), (2, 2), (3, 2), (4, 6))
            ],
            "stage5_block2_pointwise_relu",
        ),
    ],
)
def test_skips_are_the_ends_of_the_stages(name, arguments, skips, end):
    build = applications.get(name)
    encoder = build((64, 64, 3), include_top=False, **arguments)
    model = unet_with_encoder(encoder, (4, 4, 4, 4, 4))
    joined = [
        model.get_layer(f"decoder{i}_concat").input[0]._keras_history.operation.name
        for i in (2, 3, 4, 5)
    ]
    assert joined == skips
    assert source(model, "decoder5_up") == end


def test_decoder_filters_are_the_last_for_shallow_encoders():
    model = unet_with_encoder(TINY["resnet20"](include_top=False), (256, 7, 5))
    assert model.get_layer("decoder2_conv2").filters == 7
    assert model.get_layer("decoder1_conv2").filters == 5


def test_weights_are_those_of_the_encoder():
    encoder = TINY["resnet18"](include_top=False)
    encoder.trainable = False
    model = unet_with_encoder(encoder, (8, 8, 8, 8, 8))
    trained = {variable.path.split("/")[0] for variable in model.trainable_variables}
    assert all(name.startswith(("decoder", "logits")) for name in trained)
    shared = {id(variable) for variable in model.variables}
    assert {id(variable) for variable in encoder.variables} < shared


@pytest.mark.parametrize("form", ["paper", "torch"])
def test_preprocessing_is_that_of_the_encoder_also_when_loaded(form, tmp_path):
    encoder = TINY["resnet50"](include_top=False, form=form)
    model = unet_with_encoder(encoder, (8, 8, 8, 8, 8))
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert isinstance(loaded, keras.Model)
    expected = applications.preprocessing(encoder)
    assert applications.preprocessing(model) == expected
    assert applications.preprocessing(loaded) == expected
    assert unet_with_encoder(encoder, name="mine").name == "mine"


@pytest.mark.parametrize(
    ("encoder", "arguments", "message"),
    [
        (
            {"name": "squeezenet1_1"},
            {},
            "'squeezenet1_1' makes of images of 67x67 maps",
        ),
        (
            {"name": "resnet18", "input_shape": (100, 64, 3)},
            {},
            "'resnet18' makes of images of 100x64 .* multiples of 32",
        ),
        (
            {"name": "resnet18"},
            {"decoder_filters": (8, 8)},
            r"\(8, 8\) are too few: encoder 'resnet18' halves its maps 5 times",
        ),
        ({"name": "resnet18"}, {"decoder_filters": (8, 0)}, "decoder_filters 0"),
        ({"name": "resnet18"}, {"classes": 1}, "classes 1 with"),
        ({"name": "resnet18"}, {"upsampling": "cubic"}, "upsampling 'cubic'"),
        ({"name": "resnet18", "include_top": True}, {}, "is not a built model from"),
    ],
)
def test_encoder_that_cannot_serve_is_named(encoder, arguments, message):
    name = encoder["name"]
    options = {key: value for key, value in encoder.items() if key != "name"}
    built = TINY[name](**{"include_top": False, **options})
    with pytest.raises(KerasnetsError, match=message):
        unet_with_encoder(built, **arguments)


def test_name_is_no_encoder():
    with pytest.raises(KerasnetsError, match="'resnet18' is not a built model"):
        unet_with_encoder("resnet18")  # type: ignore[arg-type]
