"""The blocks that a person would draw, and the picture of them."""

import keras
import pytest
from keras import layers

from kerasnets import applications
from kerasnets.errors import KerasnetsError
from kerasnets.reports import plot
from kerasnets.reports.architecture import Block, architecture_blocks


def told(model):
    """(words, channels, side, count) of each block behind the image."""
    image, *blocks = architecture_blocks(model)
    assert image.kind == "image"
    return [(b.words, b.channels, *b.sides[:1], b.count) for b in blocks]


def unet_level(channels, side, *, down=False):
    """Two convolutions without padding, and pooling on the way down."""
    level = [("3x3 conv", channels, side - lost, 1) for lost in (0, 2)]
    pooled = ("2x2/2 max pool", channels, (side - 2) // 2, 1)
    return [*level, pooled] if down else level


PUBLISHED = {
    # He et al. 2015, Table 6: 2n layers a stage, n = 18
    "resnet110": [
        ("3x3 conv", 16, 32, 1),
        ("3x3, 3x3 + shortcut", 16, 32, 18),
        ("3x3/2, 3x3 + subsampled shortcut", 32, 16, 1),
        ("3x3, 3x3 + shortcut", 32, 16, 17),
        ("3x3/2, 3x3 + subsampled shortcut", 64, 8, 1),
        ("3x3, 3x3 + shortcut", 64, 8, 17),
        ("global average pool", 64, 1),
        ("dense 10", 10, 1),
    ],
    # Howard et al. 2017, Table 1
    "mobilenet": [
        ("3x3/2 conv", 32, 112, 1),
        ("3x3 depthwise, 1x1", 64, 112, 1),
        ("3x3/2 depthwise, 1x1", 128, 56, 1),
        ("3x3 depthwise, 1x1", 128, 56, 1),
        ("3x3/2 depthwise, 1x1", 256, 28, 1),
        ("3x3 depthwise, 1x1", 256, 28, 1),
        ("3x3/2 depthwise, 1x1", 512, 14, 1),
        ("3x3 depthwise, 1x1", 512, 14, 5),
        ("3x3/2 depthwise, 1x1", 1024, 7, 1),
        ("3x3 depthwise, 1x1", 1024, 7, 1),
        ("global average pool", 1024, 1),
        ("dense 1000", 1000, 1),
    ],
    # Ronneberger et al. 2015, Figure 1
    "unet": [
        *unet_level(64, 570, down=True),
        *unet_level(128, 282, down=True),
        *unet_level(256, 138, down=True),
        *unet_level(512, 66, down=True),
        *unet_level(1024, 30),
        ("2x2/2 transposed conv", 512, 56, 1),
        ("joined with 56x56x512 from above", 1024, 56, 1),
        *unet_level(512, 54),
        ("2x2/2 transposed conv", 256, 104, 1),
        ("joined with 104x104x256 from above", 512, 104, 1),
        *unet_level(256, 102),
        ("2x2/2 transposed conv", 128, 200, 1),
        ("joined with 200x200x128 from above", 256, 200, 1),
        *unet_level(128, 198),
        ("2x2/2 transposed conv", 64, 392, 1),
        ("joined with 392x392x64 from above", 128, 392, 1),
        *unet_level(64, 390),
        ("1x1 conv", 2, 388, 1),
    ],
    # Srivastava et al. 2015, "Highway B" of Table 2
    "highway19": [
        ("3x3 conv", 32, 32, 1),
        ("input | 3x3 | 3x3 sigmoid", 32, 32, 4),
        ("2x2/2 max pool", 32, 16, 1),
        ("3x3 conv", 80, 16, 1),
        ("input | 3x3 | 3x3 sigmoid", 80, 16, 5),
        ("2x2/2 max pool", 80, 8, 1),
        ("3x3 conv", 128, 8, 1),
        ("input | 3x3 | 3x3 sigmoid", 128, 8, 5),
        ("1x1 conv", 100, 8, 1),
        ("global average pool", 100, 1),
        ("dense 10", 10, 1),
    ],
    # LeCun et al. 1998, Figure 2
    "lenet5original": [
        ("5x5 conv", 6, 28, 1),
        ("2x2/2 subsampling", 6, 14, 1),
        ("5x5 conv", 16, 10, 1),
        ("2x2/2 subsampling", 16, 5, 1),
        ("5x5 conv", 120, 1, 1),
        ("global average pool", 120, 1),
        ("dense 84", 84, 1),
        ("radial basis", 10, 1),
    ],
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_blocks_of_the_zoo(name):
    assert told(applications.build(name)) == PUBLISHED[name]


def conv(x, filters, kernel, name=None, **options):
    return layers.Conv2D(filters, kernel, padding="same", name=name, **options)(x)


def residual(x):
    y = conv(layers.ReLU()(conv(x, 8, 1)), 8, 3)
    shortcut = x if x.shape[-1] == 8 else conv(x, 8, 1)
    return layers.ReLU()(layers.Add()([y, shortcut]))


def module(x):
    pool = layers.MaxPooling2D(3, strides=1, padding="same")(x)
    branches = [conv(x, 4, 1), conv(conv(x, 4, 1), 4, 5), conv(pool, 4, 1)]
    return layers.Concatenate()(branches)


def dense_unit(x):
    return layers.Concatenate()([x, conv(layers.BatchNormalization()(x), 4, 3)])


def gated(x):
    gate = layers.GlobalAveragePooling2D(keepdims=True)(x)
    return layers.Multiply()([x, conv(gate, x.shape[-1], 1)])


def auxiliary(x):
    side = layers.Dense(3, name="auxiliary1_logits")(
        layers.Flatten(name="auxiliary1_flatten")(x)
    )
    return conv(x, 5, 3), side


@pytest.mark.parametrize(
    ("build", "blocks"),
    [
        (
            lambda x: residual(residual(residual(x))),
            [
                ("residual block", "1x1, 3x3 + 1x1 shortcut", 8, 1),
                ("residual block", "1x1, 3x3 + shortcut", 8, 2),
            ],
        ),
        (
            lambda x: conv(conv(x, 3, 1), 3, 3) + x,
            [("residual block", "1x1, 3x3 + shortcut", 3, 1)],
        ),
        (
            lambda x: module(module(x)),
            [("inception module", "1x1 | 1x1, 5x5 | 3x3 max pool, 1x1", 12, 2)],
        ),
        (
            lambda x: dense_unit(dense_unit(x)),
            [("dense unit", "input | 3x3", 11, 2)],
        ),
        (
            lambda x: layers.Concatenate()([conv(x, 4, 1), conv(x, 4, 3)]),
            [("parallel module", "1x1 | 3x3", 8, 1)],
        ),
        (gated, [("other layer", "channel weights", 3, 1)]),
        (
            auxiliary,
            [
                ("convolution", "3x3 conv", 5, 1),
                ("auxiliary head", "dense 3", 3, 1),
            ],
        ),
        (
            # the names make a block of what the graph does not part
            lambda x: conv(conv(x, 8, 1, "stage1_block1_a"), 8, 3, "stage1_block1_b"),
            [("convolution", "1x1, 3x3", 8, 1)],
        ),
        (
            lambda x: conv(x, 6, 3, groups=3),
            [("convolution", "3x3 g3 conv", 6, 1)],
        ),
        (
            lambda x: layers.Dropout(0.5)(layers.PReLU()(layers.Rescaling(2.0)(x))),
            [],
        ),
    ],
)
def test_blocks_of_a_graph_without_names(build, blocks):
    image = keras.Input((16, 16, 3))
    _, *found = architecture_blocks(keras.Model(image, build(image)))
    assert [(b.kind, b.words, b.channels, b.count) for b in found] == blocks


def test_model_without_a_graph_is_shown_layer_by_layer():
    class Pair(keras.Model):
        def __init__(self):
            super().__init__()
            self.parts = [layers.Conv2D(4, 3), layers.Conv2D(4, 3)]

        def call(self, x):
            return self.parts[1](self.parts[0](x))

    found = architecture_blocks(Pair(), (9, 9, 3))
    assert [(b.words, b.sides) for b in found] == [
        ("3x3 conv", (7, 7)),
        ("3x3 conv", (5, 5)),
    ]


BLOCKS = [
    Block("image", "image", 3, (32, 32)),
    Block("convolution", "3x3 conv", 16, (32, 32)),
    Block("inception module", "1x1 | " + " | ".join(["1x1, 7x1, 1x7"] * 5), 64, (8, 8)),
    Block("dense layer", "dense 10", 10, (), count=2),
]


@pytest.mark.parametrize("ending", ["svg", "png"])
def test_picture_is_the_same_each_time(tmp_path, ending):
    pictures = [tmp_path / f"{i}.{ending}" for i in range(2)]
    for picture in pictures:
        plot.draw(BLOCKS, picture, title="net")
    first, second = (picture.read_bytes() for picture in pictures)
    assert first == second
    assert b"<dc:date>" not in first
    assert len(list(tmp_path.iterdir())) == 2  # nothing half written is left


def test_every_kind_has_a_colour_of_its_own():
    assert len(set(plot.COLOURS.values())) == len(plot.COLOURS)


@pytest.mark.parametrize("name", ["net.gif", "net", "svg"])
def test_other_endings_are_refused(tmp_path, name):
    with pytest.raises(KerasnetsError, match=r"does not end in \.svg or \.png"):
        plot.draw(BLOCKS, tmp_path / name)
    assert not list(tmp_path.iterdir())
