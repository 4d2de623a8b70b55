"""The rules of ``phone_report``: when a layer is named, why, and what to do about it.

Measured means: a small network with the layer was converted with TensorFlow 2.21 and
loaded by LiteRT 2.3 on x86, and the operators that its XNNPACK left over were read.
"""

from collections.abc import Callable
from dataclasses import dataclass

from keras import layers as keras_layers

from kerasnets import layers
from kerasnets.analysis import phone_sites as on
from kerasnets.analysis.phone_sites import HUGE_DENSE, WIDE_CHANNELS, Site

# Concerns, the gravest first.
CONVERSION = "conversion"  # there will be no such file
BOTH = "float32 and int8"  # outside XNNPACK in every file
INT8 = "int8"  # outside XNNPACK in an int8 file
ACCURACY = "int8 accuracy"
GPU = "GPU"
SPARSE = "sparse inference"
SIZE = "size"
COST = "cost"
CONCERNS = (CONVERSION, BOTH, INT8, ACCURACY, GPU, SPARSE, SIZE, COST)


@dataclass(frozen=True)
class Rule:
    """When a finding is made, and what it says."""

    concern: str
    applies: Callable[[Site], bool]
    why: str
    advice: str


RULES = (
    Rule(
        CONVERSION,
        on.is_grouped_transposed,
        "LiteRT has no transposed convolution in groups (tensorflow issue 62181)",
        "one transposed convolution a group, then Concatenate; or groups=1",
    ),
    Rule(
        CONVERSION,
        on.has_open_sides,
        "a side of None leaves every later size open; convert wants fixed ones, and "
        "XNNPACK plans its memory by them",
        "build the network with the height and width that the phone will give",
    ),
    Rule(
        CONVERSION,
        on.is_half_precision,
        "half precision becomes Flex operators, which LiteRT alone does not run",
        "kerasnets.export.convert goes by to_float32; Keras's own export does not",
    ),
    Rule(
        CONVERSION,
        on.is_a(keras_layers.RNN),
        "the loop over steps becomes a graph of its own, which convert refuses",
        "convolutions over the steps, or Keras's own export",
    ),
    Rule(
        BOTH,
        on.is_a(layers.LocalResponseNorm),
        "LOCAL_RESPONSE_NORMALIZATION is outside XNNPACK, and in an int8 file float32 "
        "between DEQUANTIZE and QUANTIZE",
        "leave it out, or take batch normalisation, which folds into the convolution",
    ),
    Rule(
        BOTH,
        on.repeats_pixels,
        "repeated pixels become TILE or RESIZE_NEAREST_NEIGHBOR, outside XNNPACK",
        'interpolation="bilinear", or a transposed convolution with stride 2',
    ),
    Rule(
        BOTH,
        on.is_a(keras_layers.Conv3D),
        "CONV_3D is outside XNNPACK, and float32 in an int8 file too",
        "two-dimensional convolutions with the depth in the channels",
    ),
    Rule(
        BOTH,
        on.joins_many,
        "XNNPACK joins up to five maps; CONCATENATION of more is outside it",
        "join in two steps",
    ),
    Rule(
        BOTH,
        on.picks_pixels,
        "AVERAGE_POOL_2D and MAX_POOL_2D of single pixels are outside XNNPACK",
        "a 1x1 convolution with stride 2",
    ),
    Rule(
        BOTH,
        on.is_cut_relu,
        "a threshold becomes GREATER and SELECT_V2, outside XNNPACK",
        "plain ReLU",
    ),
    Rule(
        BOTH,
        on.computes("selu", "logsoftmax", "flip", "take", "power"),
        "GREATER and SELECT, LOG_SOFTMAX, REVERSE_V2, GATHER, POW are outside XNNPACK",
        "ReLU for SELU; the others before or after the network",
    ),
    Rule(
        INT8,
        on.averages,
        "AVERAGE_POOL_2D of int8 is outside XNNPACK (in float32 it is inside)",
        "stride in the convolution, maximum or global average pooling",
    ),
    Rule(
        INT8,
        on.computes("hardsilu", "hardswish", "gelu", "prelu"),
        "HARD_SWISH, GELU and PRELU of int8 are outside XNNPACK (in float32 inside)",
        "ReLU or ReLU6, leaky ReLU for PReLU",
    ),
    Rule(
        INT8,
        on.computes(
            *("softplus", "mish", "exponential", "softsign"),
            *("exp", "log", "sqrt", "absolute"),
        ),
        "EXP, LOG, SQRT, ABS and DIV of int8 are outside XNNPACK (in float32 inside)",
        "ReLU; sigmoid and tanh are inside too",
    ),
    Rule(
        INT8,
        on.computes("elu", "square"),
        "ELU and SQUARE stay float32 in an int8 file, between DEQUANTIZE and QUANTIZE",
        "ReLU or leaky ReLU; Multiply for the square",
    ),
    Rule(
        INT8,
        on.is_a(keras_layers.Maximum, keras_layers.Minimum),
        "MAXIMUM and MINIMUM of int8 are outside XNNPACK (in float32 inside)",
        "Add, or Maxout on joined channels, whose REDUCE_MAX is inside",
    ),
    Rule(
        INT8,
        on.is_capped_elsewhere,
        "only a cap of 6 folds into the layer before; others become MINIMUM and RELU, "
        "of int8 outside XNNPACK",
        "ReLU(6.0), or no cap",
    ),
    Rule(
        INT8,
        on.is_relu_on_joined,
        "a ReLU that folds into no layer before it is outside XNNPACK in int8",
        "ReLU before the concatenation",
    ),
    Rule(
        INT8,
        on.is_softmax_inside,
        "SOFTMAX of int8 is outside XNNPACK (in float32 inside)",
        "sigmoid gates",
    ),
    Rule(
        INT8,
        on.is_a(
            keras_layers.LayerNormalization,
            keras_layers.GroupNormalization,
            keras_layers.UnitNormalization,
        ),
        "statistics of the image itself need SQUARED_DIFFERENCE or SQUARE, RSQRT and "
        "more; of int8 outside XNNPACK or float32",
        "batch normalisation, which folds into the convolution",
    ),
    Rule(
        INT8,
        on.is_a(keras_layers.MultiHeadAttention, keras_layers.Dot),
        "BATCH_MATMUL of int8 is outside XNNPACK (in float32 inside)",
        'the float16 file, or weights alone in int8: format="int8_weights"',
    ),
    Rule(
        INT8,
        on.is_a(layers.RadialBasis),
        "SQUARED_DIFFERENCE of int8 is outside XNNPACK (in float32 inside)",
        "a dense layer",
    ),
    Rule(
        ACCURACY,
        on.has_wide_channels,
        f"a channel reaches more than {WIDE_CHANNELS} times as far as the median one; "
        "a map has one scale for all channels, so most use few of the 256 steps",
        "ReLU6 behind it, weight decay on gamma, or quantisation-aware training",
    ),
    Rule(
        ACCURACY,
        on.computes("silu", "swish"),
        "LOGISTIC and MUL are both rounded to 8 bits, and what is below 0 gets the "
        "few steps from -0.28 up",
        "ReLU6 for int8 files",
    ),
    Rule(
        GPU,
        on.is_a(layers.Maxout),
        "the pieces become a fifth axis; the GPU delegate takes tensors of four. On "
        "the CPU RESHAPE and REDUCE_MAX are inside XNNPACK",
        "run it on the CPU",
    ),
    Rule(
        SPARSE,
        on.pads_at_the_end,
        'XNNPACK runs a network sparse if stride 2 has zeros on all sides; "same" '
        "puts them at the end",
        'MobileNet(..., padding="symmetric"): ZeroPadding2D before, padding "valid"',
    ),
    Rule(
        SPARSE,
        on.drops_sides,
        "XNNPACK's sparse part ends in a global average that keeps its sides of 1",
        "GlobalAveragePooling2D(keepdims=True), then Flatten",
    ),
    Rule(
        SPARSE,
        on.is_no_plain_depthwise,
        "XNNPACK's sparse part has no groups, dilation or depth_multiplier above 1",
        "one filter a channel, undilated; 1x1 convolutions without groups",
    ),
    Rule(
        SIZE,
        on.is_huge_dense,
        f"more than {HUGE_DENSE:,} weights see each pixel of the map",
        "global average pooling before the dense layer",
    ),
    Rule(
        COST,
        on.is_a(layers.Maxout),
        "all pieces are computed and all but the largest thrown away",
        "as many channels as units, with ReLU",
    ),
    Rule(
        COST,
        on.is_a(layers.HighwayGate),
        "a second convolution of the same size computes the gate; all of it is inside "
        "XNNPACK",
        "a residual sum, which costs one ADD",
    ),
    Rule(
        COST,
        on.stands_alone,
        "no convolution right before it to fold into: MUL and ADD over the whole map",
        "convolution, batch normalisation, ReLU, in this order",
    ),
    Rule(
        COST,
        on.has_odd_channels,
        "XNNPACK computes channels in vectors of 4 or more: the rest costs as much "
        "as a full one",
        "a number of channels that 8 divides",
    ),
)
