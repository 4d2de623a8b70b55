"""FitNets: thin deep maxout networks that learn from the hints of a wide one.

Romero et al. 2015, "FitNets: Hints for Thin Deep Nets", Tables 5 to 7: three groups of
3x3 maxout convolutions of two pieces, 2x2 max pooling after the first and the second
group and 8x8 after the third, 500 dense maxout units of five pieces and the classifier.
The norm of each piece's weights is limited as in the released configuration: 0.9 in the
convolutions, 1.9 in the dense units, 1.9365 in the classifier. The teacher is
``MaxoutCIFAR10``; its second layer is the hint for the last layer of the student's
second group, both after their pooling (a 2x2 convolution brings the student's map of 8
pixels to the teacher's of 7).

Initial weights are so small (0.005 at most) that a layer passes on about a tenth of the
signal or less: the deep ones hardly learn without the hint.

Departures:
    - The last pooling takes the maximum of the whole map, which has 8x8 pixels for the
      paper's images; so the network takes images of any size.
    - The release learns the convolutions at a twentieth of the learning rate, and
      prepares images by global contrast normalisation and ZCA whitening: neither is
      part of the graph.

The printed costs count weights without biases, and two pieces in the dense units, where
text and release have five. Those of FitNet-3, 1.6 million and 392 million, need a first
group of 64 filters throughout (FitNet3Wide), not the 32, 48, 64 and 64 of Table 7
(FitNet3); the printed accuracy is that of whichever was trained.
"""

from dataclasses import dataclass
from typing import Unpack

import keras
from keras import layers

from kerasnets.applications import builder
from kerasnets.applications.builder import Common, Shape
from kerasnets.applications.maxout import classify, conv_maxout, dense_maxout

CONVOLUTION_NORM = 0.9


@dataclass(frozen=True, kw_only=True)
class Variant(builder.Network):
    """The filters of each group, the dense units, and where the hint is given.

    Attributes:
        groups: Units of each convolution, group by group.
        units: Dense maxout units.
        dense_pieces: Pieces of each of them.
        hint: The guided layer, which learns to tell what the teacher's layer gives.
        teacher_hint: That layer in ``MaxoutCIFAR10``.
    """

    groups: tuple[tuple[int, ...], ...]
    units: int = 500
    dense_pieces: int = 5
    hint: str = "stage2_pool"
    teacher_hint: str = "conv2_pool"
    family: str = "FitNet"
    year: int = 2014
    input_shape: tuple[int, int, int] = (32, 32, 3)
    minimum: int = 4
    classes: int = 10
    source: str = "Romero et al. 2015, Table 7"


def _fitnet(
    variant: Variant,
    input_shape: Shape | None = None,
    **common: Unpack[Common],
) -> keras.Model:
    """Build the network as a Keras functional model."""
    net = builder.start(variant, input_shape, common)
    x = net.image
    for stage, group in enumerate(variant.groups, start=1):
        if stage > 1:
            x = layers.MaxPooling2D(2, name=f"stage{stage - 1}_pool")(x)
        for i, filters in enumerate(group, start=1):
            x = conv_maxout(
                x,
                filters,
                3,
                zeros=1,
                max_norm=CONVOLUTION_NORM,
                name=f"stage{stage}_conv{i}",
            )
    if net.include_top:
        x = builder.pooled_features(x, "max")
        x = dense_maxout(x, variant.units, variant.dense_pieces, name="fc1")
        x = classify(x, net)
    return net.finish(x)


def _variant(name: str, *groups: tuple[int, ...], **values):
    return builder.variant(_fitnet, Variant(name=name, groups=groups, **values))


_COSTS = "Romero et al. 2015, the costs of Table 5"

FitNet1 = _variant("FitNet1", (16,) * 3, (32,) * 3, (48, 48, 64))
FitNet2 = _variant("FitNet2", (16, 32, 32), (48, 64, 80), (96, 96, 128))
FitNet3 = _variant("FitNet3", (32, 48, 64, 64), (80,) * 4, (128,) * 3)
FitNet3Wide = _variant("FitNet3Wide", (64,) * 4, (80,) * 4, (128,) * 3, source=_COSTS)
FitNet4 = _variant("FitNet4", (32, 32, 32, 48, 48), (80,) * 6, (128,) * 6)
