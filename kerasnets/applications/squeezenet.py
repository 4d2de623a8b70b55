"""SqueezeNet: the accuracy of AlexNet with a fiftieth of its parameters.

Iandola et al. 2016, "SqueezeNet: AlexNet-level accuracy with 50x fewer parameters and
<0.5MB model size", Table 1, and the authors' releases v1.0 and v1.1. A fire module
squeezes its input with 1x1 convolutions and expands it again, half with 1x1, half with
3x3; the classifier is a 1x1 convolution whose map is averaged. v1.1 has a smaller stem
and pools earlier: 2.2 times less computation. ``bypass`` adds the input of fire modules
to their output (section 6): "simple" where they have equal channels, "complex" at the
others too, through a 1x1 convolution.

A ReLU stands between the last convolution and the average, as in the paper, so that the
"logits" are nowhere negative; an image at which all are 0 teaches nothing.

SqueezeNetCIFAR is v1.1 as Hasanpour et al. 2018, "Towards Principled Design of Deep
Convolutional Networks: Introducing SimpNet", compared it with theirs: stem and first
pooling with stride 1. ``saf`` is the SAF pooling of their Table XI. SqueezeNetCIFARBN
has batch normalisation after the convolutions but two, which their file leaves out, and
the last.

Departures:
    - Images of 227 pixels as in the release; the 224 of Table 1 do not give its map of
      111.
    - v1.0's last convolution has a border of one zero pixel as in the release, so that
      the average is over 15x15, not 13x13. torchvision has none: ``form="torch"``.
    - The paper has the bypass with v1.0 only; here v1.1 has it too.
    - Batch-norm statistics move by a tenth each step, as in all networks here; by 1/100
      in the file.

Table 1 prints 1,248,424 parameters. Table 3 prints 7.7 MB for complex bypass: the
1,589,672 that figure 2 draws are 6.4 MB. The release gives 1.72 GFLOPS for v1.0, two
operations a multiply-add, and 0.72 for v1.1, which is 0.78. The 768K parameters printed
for the networks for CIFAR-10 are not those of their files.
"""

from dataclasses import dataclass
from typing import Unpack

import keras
from keras import layers

from kerasnets import blocks
from kerasnets.applications import builder
from kerasnets.applications.builder import Common, Shape
from kerasnets.errors import KerasnetsError
from kerasnets.pretrained import HEAD, UNIT, Preprocessing, origin
from kerasnets.pretrained.names import squeezenet as names

# of the release's train_val.prototxt: images of 256 pixels cropped to 227
CAFFE_RELEASE = Preprocessing(
    (104.0, 117.0, 123.0), (1.0,) * 3, channels="BGR", size=227, crop=227 / 256
)
# Caffe's "xavier" is uniform with variance 1 / fan-in
INITIALIZER = "lecun_uniform"
BYPASSES = (None, "simple", "complex")
EPSILON = 1e-5


@dataclass(frozen=True, kw_only=True)
class Form:
    """In what the releases in Caffe and in torchvision differ.

    Attributes:
        side: Side of the images.
        border: Whether the last convolution has the border of zeros that the row says.
    """

    side: int
    border: bool


FORMS = {
    "paper": Form(side=227, border=True),
    "torch": Form(side=224, border=False),
}


@dataclass(frozen=True, kw_only=True)
class Stem:
    """The first convolution, without padding."""

    filters: int
    kernel_size: int
    strides: int


@dataclass(frozen=True, kw_only=True)
class Variant(builder.Network):
    """Stem and fire modules of a release.

    Attributes:
        stem: The first convolution.
        pool_strides: Strides of the first pooling.
        stages: For each stage, which starts with pooling, the squeezed width of its
            fire modules; they expand to four times that, twice.
        border: Zero pixels around the map before the last convolution.
        bare: Convolutions without batch normalisation; None where all are.
    """

    stem: Stem
    pool_strides: int = 2
    stages: tuple[tuple[int, ...], ...]
    border: int = 0
    bare: tuple[str, ...] | None = None
    family: str = "SqueezeNet"
    year: int = 2016
    input_shape: tuple[int, int, int] = (227, 227, 3)
    source: str = "Iandola et al. 2016, Table 1"
    preprocessing: Preprocessing = CAFFE_RELEASE


def _squeezenet(
    variant: Variant,
    input_shape: Shape | None = None,
    *,
    bypass: str | None = None,
    dropout: float = 0.5,
    form: str | None = None,
    **common: Unpack[Common],
) -> keras.Model:
    """Build the network as a Keras functional model.

    Args:
        input_shape: (height, width, channels), 32 pixels a side or more; sides may be
            None. (227, 227, 3) when None, (224, 224, 3) in the form "torch".
        bypass: None, "simple" or "complex": fire modules with shortcuts.
        dropout: Share of the last fire module's map dropped in training.
        form: "paper" for the authors' release in Caffe, "torch" for torchvision's; None
            is that of the weights.
    """
    weights = common.get("weights")
    builder.check_choice("bypass", bypass, BYPASSES)
    if bypass and origin(weights) == "torch":
        raise KerasnetsError(
            f"bypass {bypass!r}: the networks in torchvision, whose weights "
            f"{str(weights)!r} are, have none"
        )
    form = builder.resolve_form(form, weights, FORMS)
    if input_shape is None and common.get("input_tensor") is None:
        input_shape = (FORMS[form].side, FORMS[form].side, 3)
    net = builder.start(variant, input_shape, common, form=form, forms=FORMS)
    x = _features(variant, net.image, bypass)
    if net.include_top:
        border = variant.border if FORMS[form].border else 0
        x = _classify(x, net, dropout=dropout, border=border)
    kind = f"_{bypass}" if bypass else ""
    return net.finish(x, title=f"{variant.name.lower()}{kind}")


def _squeezenet_cifar(
    variant: Variant,
    input_shape: Shape | None = None,
    *,
    dropout: float = 0.5,
    saf: float = 0.0,
    **common: Unpack[Common],
) -> keras.Model:
    """Build the network as a Keras functional model.

    Args:
        dropout: Share of the last fire module's map dropped in training.
        saf: Share of the maxima dropped behind each pooling in training; 0.2 in the
            authors' comparison.
    """
    net = builder.start(variant, input_shape, common)
    x = _features(variant, net.image, bypass=None, saf=saf)
    if net.include_top:
        x = _classify(x, net, dropout=dropout, border=0)
    return net.finish(x)


def _features(variant: Variant, x, bypass: str | None, saf: float = 0.0):
    """Stem, then pooling and fire modules, which the paper counts from 2."""
    x = _conv(
        x,
        variant.stem.filters,
        variant.stem.kernel_size,
        strides=variant.stem.strides,
        padding="valid",
        bare=variant.bare,
        name="stem",
    )
    number = 2
    for stage, widths in enumerate(variant.stages, start=1):
        strides = variant.pool_strides if stage == 1 else 2
        x = _pool(x, strides=strides, saf=saf, name=f"pool{stage}")
        for squeezed in widths:
            name = f"fire{number}"
            x = fire(x, squeezed, bypass=bypass, bare=variant.bare, name=name)
            number += 1
    return x


def _pool(x, *, strides: int, saf: float, name: str):
    """3x3 maximum, dropout where there is SAF pooling."""
    if strides == 1:
        x = layers.MaxPooling2D(3, strides=1, name=name)(x)
    else:
        x = blocks.ceil_max_pool(x, name=name)
    return builder.drop(x, saf, name=f"{name}_dropout")


def fire(
    x,
    squeezed: int,
    *,
    bypass: str | None,
    bare: tuple[str, ...] | None = None,
    name: str,
):
    """1x1, ReLU, {1x1, ReLU | 3x3, ReLU} side by side; + x or 1x1 of x with bypass."""
    y = _conv(x, squeezed, 1, bare=bare, name=f"{name}_squeeze")
    halves = [
        _conv(y, 4 * squeezed, 1, bare=bare, name=f"{name}_expand1x1"),
        _conv(y, 4 * squeezed, 3, bare=bare, name=f"{name}_expand3x3"),
    ]
    y = layers.Concatenate(name=f"{name}_concat")(halves)
    fits = x.shape[-1] == y.shape[-1]
    if bypass is None or (bypass == "simple" and not fits):
        return y
    if not fits:
        x = blocks.conv(
            x, y.shape[-1], 1, initializer=INITIALIZER, name=f"{name}_bypass_conv"
        )
    return layers.Add(name=f"{name}_add")([x, y])


def _conv(
    x,
    filters: int,
    kernel_size: int,
    *,
    strides: int = 1,
    padding: str = "same",
    bare: tuple[str, ...] | None,
    name: str,
):
    """Convolution, BN unless it is one of the ``bare``, ReLU."""
    x = blocks.conv(
        x,
        filters,
        kernel_size,
        strides=strides,
        padding=padding,
        initializer=INITIALIZER,
        name=f"{name}_conv",
    )
    if bare is not None and name not in bare:
        x = blocks.batch_norm(x, epsilon=EPSILON, name=f"{name}_bn")
    return layers.ReLU(name=f"{name}_relu")(x)


def _classify(x, net: builder.Draft, *, dropout: float, border: int):
    """Dropout, 1x1, ReLU, global average, activation; in float32 from the 1x1 on."""
    x = builder.drop(x, dropout, name="dropout")
    if border:
        x = layers.ZeroPadding2D(border, name=f"{HEAD}_pad")(x)
    x = layers.Conv2D(
        net.classes,
        1,
        # (annotated as str only)
        kernel_initializer=keras.initializers.RandomNormal(stddev=0.01),  # type: ignore
        dtype="float32",
        name=HEAD,
    )(x)
    x = layers.ReLU(dtype="float32", name=f"{HEAD}_relu")(x)
    x = layers.GlobalAveragePooling2D(dtype="float32", name="avg_pool")(x)
    return builder.activate(x, net.classifier_activation)


def _variant(name: str, stem: Stem, *stages: tuple[int, ...], **values):
    row = Variant(
        name=name,
        stem=stem,
        stages=stages,
        counterparts=names.counterparts([len(widths) for widths in stages]),
        **values,
    )
    return builder.variant(_squeezenet, row)


def _cifar_variant(name: str, bare: tuple[str, ...] | None = None):
    row = Variant(
        name=name,
        year=2018,
        classes=10,
        input_shape=(32, 32, 3),
        preprocessing=UNIT,
        stem=Stem(filters=64, kernel_size=3, strides=1),
        pool_strides=1,
        stages=STAGES_1_1,
        bare=bare,
        source="Hasanpour et al. 2018",
    )
    return builder.variant(_squeezenet_cifar, row)


_STEM_1_0 = Stem(filters=96, kernel_size=7, strides=2)
_STEM_1_1 = Stem(filters=64, kernel_size=3, strides=2)
_STAGES_1_0 = (16, 16, 32), (32, 48, 48, 64), (64,)
STAGES_1_1 = (16, 16), (32, 32), (48, 48, 64, 64)
_RELEASE = "the authors' release v1.1"
_BARE = ("fire2_squeeze", "fire4_expand1x1")

SqueezeNet1_0 = _variant("SqueezeNet1_0", _STEM_1_0, *_STAGES_1_0, border=1)
SqueezeNet1_1 = _variant("SqueezeNet1_1", _STEM_1_1, *STAGES_1_1, source=_RELEASE)
SqueezeNetCIFAR = _cifar_variant("SqueezeNetCIFAR")
SqueezeNetCIFARBN = _cifar_variant("SqueezeNetCIFARBN", _BARE)
