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

import keras
from keras import layers

from kerasnets import blocks
from kerasnets.applications import builder
from kerasnets.errors import KerasnetsError
from kerasnets.pretrained import HEAD, TORCH, UNIT, Preprocessing, Twin, origin

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
        side: of the images.
        border: whether the last convolution has the border of zeros that the row says.
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
        stem: the first convolution.
        pool_strides: of the first pooling.
        stages: for each stage, which starts with pooling, the squeezed width of its
            fire modules; they expand to four times that, twice.
        border: zero pixels around the map before the last convolution.
        bare: convolutions without batch normalisation; None where all are.
    """

    stem: Stem
    pool_strides: int = 2
    stages: tuple[tuple[int, ...], ...]
    border: int = 0
    bare: tuple[str, ...] | None = None
    family: str = "SqueezeNet"
    year: int = 2016
    input_shape: tuple[int, int, int] = (227, 227, 3)
    preprocessing: Preprocessing = CAFFE_RELEASE


def _squeezenet(
    variant: Variant,
    input_shape: tuple[int | None, int | None, int] | None = None,
    bypass: str | None = None,
    dropout: float = 0.5,
    form: str | None = None,
    include_top: bool = True,
    weights: str | None = None,
    input_tensor=None,
    pooling: str | None = None,
    classes: int = 1000,
    classifier_activation: str | None = "softmax",
    name: str | None = None,
) -> keras.Model:
    """Build the network as a Keras functional model.

    Args:
        input_shape: (height, width, channels), 32 pixels a side or more; sides may be
            None. (227, 227, 3) when None, (224, 224, 3) in the form "torch".
        bypass: None, "simple" or "complex": fire modules with shortcuts.
        dropout: share of the last fire module's map dropped in training.
        form: "paper" for the authors' release in Caffe, "torch" for torchvision's; None
            is that of the weights.
    """
    form = builder.manner(form, weights, FORMS)
    if bypass not in BYPASSES:
        raise KerasnetsError(f"bypass {bypass!r} is unknown: None, 'simple', 'complex'")
    if bypass and origin(weights) == "torch":
        raise KerasnetsError(
            f"bypass {bypass!r}: the networks in torchvision, whose weights "
            f"{str(weights)!r} are, have none"
        )
    if input_shape is None and input_tensor is None:
        input_shape = (FORMS[form].side, FORMS[form].side, 3)
    inputs = builder.image_input(variant, input_shape, input_tensor)
    x = _features(variant, inputs, bypass)
    if include_top:
        x = _classify(
            x,
            classes,
            classifier_activation,
            dropout=dropout,
            border=variant.border if FORMS[form].border else 0,
        )
    else:
        x = builder.pooled_features(x, pooling)
    kind = f"_{bypass}" if bypass else ""
    return builder.finish(
        inputs,
        x,
        network=variant,
        weights=weights,
        name=name,
        form=form,
        title=f"{variant.name.lower()}{kind}",
    )


def _squeezenet_cifar(
    variant: Variant,
    input_shape: tuple[int | None, int | None, int] | None = None,
    dropout: float = 0.5,
    saf: float = 0.0,
    include_top: bool = True,
    weights: str | None = None,
    input_tensor=None,
    pooling: str | None = None,
    classes: int = 10,
    classifier_activation: str | None = "softmax",
    name: str | None = None,
) -> keras.Model:
    """Build the network as a Keras functional model.

    Args:
        dropout: share of the last fire module's map dropped in training.
        saf: share of the maxima dropped behind each pooling in training; 0.2 in the
            authors' comparison.
    """
    builder.check_rate("dropout", dropout)
    builder.check_rate("saf", saf)
    inputs = builder.image_input(variant, input_shape, input_tensor)
    x = _features(variant, inputs, bypass=None, saf=saf)
    if include_top:
        x = _classify(x, classes, classifier_activation, dropout=dropout, border=0)
    else:
        x = builder.pooled_features(x, pooling)
    return builder.finish(inputs, x, network=variant, weights=weights, name=name)


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
    return layers.Dropout(saf, name=f"{name}_dropout")(x) if saf else x


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


def _classify(x, classes: int, classifier_activation, *, dropout: float, border: int):
    """Dropout, 1x1, ReLU, global average, activation; in float32 from the 1x1 on."""
    builder.check_count("classes", classes)
    if dropout:
        x = layers.Dropout(dropout, name="dropout")(x)
    if border:
        x = layers.ZeroPadding2D(border, name=f"{HEAD}_pad")(x)
    x = layers.Conv2D(
        classes,
        1,
        kernel_initializer=keras.initializers.RandomNormal(stddev=0.01),  # type: ignore
        dtype="float32",
        name=HEAD,
    )(x)
    x = layers.ReLU(dtype="float32", name=f"{HEAD}_relu")(x)
    x = layers.GlobalAveragePooling2D(dtype="float32", name="avg_pool")(x)
    return builder.activate(x, classifier_activation)


def _torch_names(stages: tuple[tuple[int, ...], ...]) -> dict[str, str]:
    """Where torchvision keeps stem, fire modules and classifier."""
    names, place, number = {"stem_conv": "features.0", HEAD: "classifier.1"}, 2, 2
    for widths in stages:
        for _ in widths:
            place += 1
            for part in ("squeeze", "expand1x1", "expand3x3"):
                names[f"fire{number}_{part}_conv"] = f"features.{place}.{part}"
            number += 1
        place += 1  # the pooling
    return names


def _variant(name: str, stages: tuple[tuple[int, ...], ...], **values):
    row = Variant(
        name=name,
        stages=stages,
        torch=Twin(
            library="torchvision",
            builder=name.lower(),
            layer=_torch_names(stages).__getitem__,
            preprocessing=TORCH,
        ),
        **values,
    )
    return builder.variant(_squeezenet, row)


SqueezeNet1_0 = _variant(
    "SqueezeNet1_0",
    ((16, 16, 32), (32, 48, 48, 64), (64,)),
    stem=Stem(filters=96, kernel_size=7, strides=2),
    border=1,
    params=1_248_424,
    madds=861_339_936,
    source="Iandola et al. 2016, Table 1",
    published=builder.Published(
        params=1_248_424,
        madds=860e6,
        top1=57.5,
        top5=80.3,
        protocol="ImageNet, single crop",
        source="Iandola et al. 2016, Table 2",
    ),
)
STAGES_1_1 = ((16, 16), (32, 32), (48, 48, 64, 64))
SqueezeNet1_1 = _variant(
    "SqueezeNet1_1",
    STAGES_1_1,
    stem=Stem(filters=64, kernel_size=3, strides=2),
    params=1_235_496,
    madds=387_747_520,
    source="the authors' release v1.1",
    published=builder.Published(madds=360e6),
)


def _cifar_variant(name: str, top1: float, **values):
    source = "Hasanpour et al. 2018"
    row = Variant(
        name=name,
        year=2018,
        input_shape=(32, 32, 3),
        preprocessing=UNIT,
        stem=Stem(filters=64, kernel_size=3, strides=1),
        pool_strides=1,
        stages=STAGES_1_1,
        madds=68_138_752,
        source=source,
        published=builder.Published(
            params=768e3,
            top1=top1,
            protocol="CIFAR-10, flips and shifts",
            source=f"{source}, Table S3",
        ),
        **values,
    )
    return builder.variant(_squeezenet_cifar, row)


SqueezeNetCIFAR = _cifar_variant("SqueezeNetCIFAR", top1=88.60, params=727_626)
SqueezeNetCIFARBN = _cifar_variant(
    "SqueezeNetCIFARBN",
    top1=92.20,
    bare=("fire2_squeeze", "fire4_expand1x1"),
    params=738_826,
)
