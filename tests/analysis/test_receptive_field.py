"""What a position sees: by hand, by the literature, and by where gradients arrive."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from kerasnets import applications
from kerasnets.analysis import cost
from kerasnets.training import native_kernels


def fields(model):
    return {row.name: row.receptive_field for row in cost(model).layers}


def last_field(build, side=64):
    image = keras.Input((side, side, 1))
    return cost(keras.Model(image, build(image))).layers[-1].receptive_field


def chain(*steps):
    def build(x):
        for step in steps:
            x = step(x)
        return x

    return build


def conv(kernel, strides=1, padding="same", **options):
    return lambda x: layers.Conv2D(
        2, kernel, strides=strides, padding=padding, **options
    )(x)


def residual(*, strides):
    def build(x):
        y = conv(3)(conv(3, strides)(x))
        return layers.Add()([y, conv(1, strides)(x)])

    return build


def branches(x):
    side = layers.AveragePooling2D(3, strides=1, padding="same")(x)
    return layers.Concatenate()([conv(1)(x), conv((1, 7))(x), conv(3)(conv(3)(side))])


def shifted(x):
    """Two 1x1 branches that look at different pixels."""
    right = layers.Cropping2D(((0, 0), (2, 0)))(x)
    left = layers.Cropping2D(((0, 0), (0, 2)))(x)
    return layers.Add()([left, right])


NETS = {
    "three 3x3": (chain(conv(3), conv(3), conv(3)), (7, 7)),
    "even kernel": (chain(conv(2), conv(4)), (5, 5)),
    # 3, then 3 of them 2 pixels apart, then 3 of those 4 apart
    "strided": (chain(conv(3, 2), conv(3, 2), conv(3)), (15, 15)),
    "strided, valid": (chain(conv(5, 2, "valid"), conv(3, 2, "valid")), (9, 9)),
    "dilated": (chain(conv(3, dilation_rate=2), conv(3, dilation_rate=4)), (13, 13)),
    "asymmetric": (chain(conv((1, 7)), conv((5, 1)), conv((3, 1), 2)), (7, 7)),
    "rows and columns": (chain(conv((1, 7)), conv((3, 1))), (3, 7)),
    "average pooling": (
        chain(conv(3), layers.AveragePooling2D(2), conv(3)),
        (8, 8),
    ),
    "depthwise": (
        chain(layers.DepthwiseConv2D(3, strides=2), layers.SeparableConv2D(2, 3)),
        (7, 7),
    ),
    "residual": (chain(residual(strides=2), residual(strides=1)), (15, 15)),
    "branches": (chain(branches), (7, 7)),
    "branches, strided": (chain(conv(3, 2), branches), (15, 15)),
    "branches aside": (chain(conv(3), shifted), (3, 5)),
    "zeros around": (
        chain(layers.ZeroPadding2D(3), conv(7, 2, "valid"), conv(3)),
        (11, 11),
    ),
    "transposed": (
        chain(conv(3, 2), layers.Conv2DTranspose(2, 4, strides=2, padding="same")),
        (5, 5),
    ),
    "repeated": (chain(conv(3, 2), layers.UpSampling2D(2), conv(3)), (5, 5)),
}


@pytest.mark.parametrize("name", NETS)
def test_by_hand(name):
    build, expected = NETS[name]
    assert last_field(build) == expected


@pytest.mark.parametrize("name", NETS)
@pytest.mark.parametrize("side", [64, 63])
def test_gradient_arrives_from_the_field_alone(name, side):
    build, expected = NETS[name]
    image = keras.Input((side, side, 1))
    model = keras.Model(image, build(image))
    for weight in model.weights:
        weight.assign(np.ones(weight.shape))
    pixels = tf.ones((1, side, side, 1))
    # (oneDNN's gradients of strided 1x1 convolutions may end the process)
    with native_kernels(model), tf.GradientTape() as tape:
        tape.watch(pixels)
        outputs = model(pixels)
        row, column = outputs.shape[1] // 2, outputs.shape[2] // 2
        middle = tf.reduce_sum(outputs[0, row, column])
    rows, columns = np.nonzero(tape.gradient(middle, pixels).numpy()[0, :, :, 0])
    assert (np.ptp(rows) + 1, np.ptp(columns) + 1) == expected


def chain_of_strides(last):
    """The 3x3 and strided convolutions of ResNet-50, strides on the 3x3 or the 1x1."""
    steps = [conv(7, 2), layers.MaxPooling2D(3, strides=2, padding="same")]
    for stage, units in enumerate((3, 4, 6, 3)):
        for unit in range(units):
            stride = 2 if stage and not unit else 1
            steps += [conv(1), conv(3, stride)] if last else [conv(1, stride), conv(3)]
    return chain(*steps)


@pytest.mark.parametrize(("last", "field"), [(False, 483), (True, 427)])
def test_resnet50_by_the_place_of_its_strides(last, field):
    assert last_field(chain_of_strides(last), 224) == (field, field)


# Araujo, Norris and Sim 2019, "Computing Receptive Fields of Convolutional Neural
# Networks", Table 1: end points of VGG-16, ResNet-50 (v1) and MobileNet
@pytest.mark.parametrize(
    ("build", "layer", "field"),
    [
        (keras.applications.VGG16, "block5_pool", 212),
        (keras.applications.ResNet50, "conv5_block3_out", 483),
        (applications.build, "stage5_block2_pointwise_relu", 315),
    ],
)
def test_published_fields(build, layer, field):
    arguments = {"name": "mobilenet"} if build is applications.build else {}
    model = build(**arguments, weights=None, include_top=False)
    if None in model.input_shape[1:]:
        assert cost(model, (224, 224, 3)).layers[-1].receptive_field == (field, field)
    else:
        assert fields(model)[layer] == (field, field)


def test_layers_that_see_the_whole_image():
    image = keras.Input((8, 8, 3), name="image")
    x = layers.GlobalAveragePooling2D(keepdims=True, name="squeeze")(image)
    x = layers.Multiply(name="gate")([image, x])
    x = layers.Flatten(name="flatten")(x)
    seen = fields(keras.Model(image, layers.Dense(3, name="dense")(x)))
    assert seen == {
        "image": (1, 1),
        **dict.fromkeys(("squeeze", "gate", "flatten", "dense"), "all"),
    }


def test_layers_of_1998():
    seen = fields(applications.build("lenet5original"))
    assert [seen[name] for name in ("c1", "s2", "c3", "s4", "c5", "f6")] == [
        (5, 5),
        (6, 6),
        (14, 14),
        (16, 16),
        (32, 32),
        "all",
    ]


def test_what_is_not_known_is_not_guessed():
    image = keras.Input((8, 8, 3))
    every_other = image[:, ::2, ::2]
    assert last_field(lambda x: conv(3)(x[:, ::2, ::2])) is None
    both = layers.Concatenate()([every_other, layers.MaxPooling2D(2)(image)])
    assert cost(keras.Model(image, both)).layers[-1].receptive_field is None
