"""CIFAR ResNets v2: the activations before the weights, 110 to 1001 layers.

He et al. 2016, "Identity Mappings in Deep Residual Networks", section 4 and appendix:
a 3x3 convolution of 16 filters, three stages of n units on maps of 32, 16 and 8
pixels, BN, ReLU, global average pooling and the classifier. 110 layers have units of
two 3x3 convolutions and shortcuts without parameters (option A of He et al. 2015); 164
and 1001 have bottlenecks with the stride on their first 1x1 convolution, and where
the width changes, from 16 to 64 in the first stage too, a 1x1 convolution makes the
shortcut. It has no BN of its own but shares the unit's first BN and ReLU. The
first BN and ReLU of all follow conv1, before the paths of the first unit part.

Printed figures: 10.2M parameters with 1001 layers are the weights of convolutions and
classifier (10.18M); the trainable parameters are 10.33M.

Departures:
    - Weights start uniform, with the variance of the paper's normal distribution, as
      in ``resnet``.
    - Pixels are scaled to [-1, 1]; the paper subtracts the mean image.
"""

from dataclasses import dataclass

import keras
from keras import layers

from kerasnets import blocks
from kerasnets.applications import builder, resnet
from kerasnets.pretrained import UNIT, Preprocessing

EPSILON = 1e-5
STEM_FILTERS = 16


@dataclass(frozen=True, kw_only=True)
class Variant(resnet.Variant):
    """The stages, the units they are made of, and the shortcuts where shapes change.

    Attributes:
        shortcut: "A": identity, with zeros for new channels; "B": 1x1 convolutions
            where the width changes.
    """

    shortcut: str = "B"
    family: str = "CIFAR ResNet v2"
    year: int = 2016
    input_shape: tuple[int, int, int] = (32, 32, 3)
    minimum: int = 4
    source: str = "He et al. 2016, section 4"
    preprocessing: Preprocessing = UNIT


def _resnet_v2(
    variant: Variant,
    input_shape: tuple[int | None, int | None, int] | None = None,
    zero_init_residual: bool = False,
    stochastic_depth: float = 0.0,
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
        zero_init_residual: start the last convolution of each unit at zero, so that
            the unit starts as its shortcut.
        stochastic_depth: share of training steps that leave out the last unit's
            branch, growing linearly from unit to unit (Huang et al. 2016).
    """
    inputs = builder.image_input(variant, input_shape, input_tensor)
    residual = resnet.Residual(
        shortcut=variant.shortcut,
        zero_init=zero_init_residual,
        stochastic_depth=stochastic_depth,
    )
    x = features(inputs, variant, residual)
    x = builder.averaged_top(
        x,
        include_top,
        pooling,
        classes,
        classifier_activation,
        initializer=resnet.INITIALIZER,
    )
    return builder.finish(inputs, x, network=variant, weights=weights, name=name)


def features(x, variant: Variant, residual: resnet.Residual, dropout: float = 0.0):
    """3x3, the units of all stages, BN, ReLU."""
    x = _conv(x, resnet.Convolution(STEM_FILTERS, 3), name="stem")
    x = _activate(x, name="stem")
    activated = True
    for convolutions, depth, name in resnet.arranged(variant, resnet.FORMS["paper"]):
        x = residual_unit(
            x,
            convolutions,
            residual,
            activated=activated,
            dropout=dropout,
            depth=depth,
            name=name,
        )
        activated = False
    return _activate(x, name="final")


def residual_unit(
    x,
    convolutions: tuple[resnet.Convolution, ...],
    residual: resnet.Residual,
    *,
    activated: bool,
    dropout: float,
    depth: float,
    name: str,
):
    """BN, ReLU, convolution two or three times, + shortcut.

    The first BN and ReLU are left out where the input is ``activated``; dropout, where
    not 0, comes before the last convolution. ``depth`` is the unit's number as a share
    of all units.
    """
    y = x if activated else _activate(x, name=f"{name}_1")
    shortcut = _shortcut(x, y, convolutions, residual, name=name)
    *first, last = convolutions
    for number, convolution in enumerate(first, start=1):
        y = _conv(y, convolution, name=f"{name}_{number}")
        y = _activate(y, name=f"{name}_{number + 1}")
    if dropout:
        y = layers.Dropout(dropout, name=f"{name}_dropout")(y)
    initializer = "zeros" if residual.zero_init else resnet.INITIALIZER
    y = _conv(y, last, initializer, name=f"{name}_{len(convolutions)}")
    rate = depth * residual.stochastic_depth
    y = blocks.drop_branch(y, rate, name=f"{name}_drop")
    return layers.Add(name=f"{name}_add")([y, shortcut])


def _shortcut(x, activated, convolutions, residual: resnet.Residual, *, name: str):
    """1x1 on the activated input where the width changes (option B), else the input."""
    filters, strides = convolutions[-1].filters, convolutions[0].strides
    if residual.shortcut == "B" and x.shape[-1] != filters:
        project = resnet.Convolution(filters, 1, strides)
        return _conv(activated, project, name=f"{name}_shortcut")
    return blocks.identity_shortcut(x, filters, strides=strides, name=name)


def _conv(
    x,
    convolution: resnet.Convolution,
    initializer: str = resnet.INITIALIZER,
    *,
    name: str,
):
    """Convolution ``name``_conv with zeros on all sides."""
    return blocks.conv(
        x,
        convolution.filters,
        convolution.kernel_size,
        strides=convolution.strides,
        padding="symmetric",
        use_bias=False,
        initializer=initializer,
        name=f"{name}_conv",
    )


def _activate(x, *, name: str):
    """BN ``name``_bn, ReLU ``name``_relu."""
    x = blocks.batch_norm(x, epsilon=EPSILON, name=f"{name}_bn")
    return layers.ReLU(name=f"{name}_relu")(x)


def _published(params: float, top1: float | None = None):
    if top1 is None:
        return builder.Published(params=params)
    return builder.Published(
        params=params,
        top1=top1,
        protocol="CIFAR-10, flips and shifts",
        source="He et al. 2016, Table 4",
    )


ResNet110V2 = builder.variant(
    _resnet_v2,
    Variant(
        name="ResNet110V2",
        block=resnet.basic,
        stages=resnet.stages((18, 18, 18), 16, 16),
        shortcut="A",
        params=1_736_058,
        madds=252_887_680,
        published=_published(1.7e6),
    ),
)
ResNet164V2 = builder.variant(
    _resnet_v2,
    Variant(
        name="ResNet164V2",
        block=resnet.bottleneck,
        stages=resnet.stages((18, 18, 18), 16, 64),
        params=1_727_482,
        madds=244_500_992,
        published=_published(1.7e6, 94.54),
    ),
)
ResNet1001V2 = builder.variant(
    _resnet_v2,
    Variant(
        name="ResNet1001V2",
        block=resnet.bottleneck,
        stages=resnet.stages((111, 111, 111), 16, 64),
        params=10_476_922,
        madds=1_487_849_984,
        published=_published(10.2e6, 95.08),
    ),
)
