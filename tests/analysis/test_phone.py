"""What phone_report finds, each rule by the smallest network that meets it."""

from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

from kerasnets.analysis.phone import phone_report
from kerasnets.analysis.phone_rules import (
    ACCURACY,
    BOTH,
    CONVERSION,
    COST,
    GPU,
    INT8,
    RULES,
    SIZE,
    SPARSE,
)
from kerasnets.applications import MobileNet
from kerasnets.layers import HighwayGate, LocalResponseNorm, Maxout, RadialBasis


class TransposedInGroups(layers.Conv2DTranspose):
    """As other libraries have it."""

    groups = 2


def conv(x, filters=8, **arguments: Any):
    """3x3, the sides kept."""
    return layers.Conv2D(filters, 3, padding="same", **arguments)(x)


def network(body, shape=(16, 16, 4)):
    """Convolution, what is tried, classifier."""
    inputs = keras.Input(shape)
    x = conv(inputs)
    return keras.Model(inputs, layers.Dense(4, name="classes")(body(x)))


def wide(x):
    """One channel a hundred times as wide as the others."""

    def gamma(shape, dtype=None) -> Any:
        return np.where(np.arange(*shape) == 3, 100.0, 1.0)

    arguments: Any = {"gamma_initializer": gamma, "name": "it"}
    return layers.BatchNormalization(**arguments)(conv(x))


IT: Any = {"name": "it"}
# concern, part of the reason, and what of a network it is found in
CASES = {
    "grouped transposed": (
        *(CONVERSION, "62181"),
        lambda x: TransposedInGroups(8, 2, **IT)(x),
    ),
    "recurrent": (
        *(CONVERSION, "loop"),
        lambda x: layers.LSTM(4, **IT)(layers.Reshape((16, 128))(x)),
    ),
    "lrn": (BOTH, "LOCAL_RESPONSE", LocalResponseNorm(**IT)),
    "nearest": (BOTH, "TILE", layers.UpSampling2D(2, **IT)),
    "resized": (BOTH, "TILE", layers.Resizing(8, 8, interpolation="nearest", **IT)),
    "conv3d": (
        *(BOTH, "CONV_3D"),
        lambda x: layers.Conv3D(2, 3, **IT)(layers.Reshape((16, 16, 4, 2))(x)),
    ),
    "six joined": (
        *(BOTH, "up to five"),
        lambda x: layers.Concatenate(**IT)([conv(x) for _ in range(6)]),
    ),
    "pixels picked": (BOTH, "single", layers.AveragePooling2D(1, strides=2, **IT)),
    "threshold": (BOTH, "SELECT_V2", layers.ReLU(threshold=0.1, **IT)),
    "selu": (BOTH, "SELECT", layers.Activation("selu", **IT)),
    "average": (INT8, "AVERAGE_POOL_2D", layers.AveragePooling2D(2, **IT)),
    "hard swish": (INT8, "HARD_SWISH", layers.Activation("hard_swish", **IT)),
    "gelu within": (INT8, "GELU", layers.Conv2D(8, 1, activation="gelu", **IT)),
    "prelu": (INT8, "PRELU", layers.PReLU(**IT)),
    "mish": (INT8, "EXP", layers.Activation("mish", **IT)),
    "elu": (INT8, "ELU", layers.ELU(**IT)),
    "maximum": (INT8, "MAXIMUM", lambda x: layers.Maximum(**IT)([x, conv(x)])),
    "cap of 1": (INT8, "cap", layers.ReLU(1.0, **IT)),
    "relu on joined": (
        *(INT8, "folds into no layer"),
        lambda x: layers.ReLU(**IT)(layers.Concatenate()([x, conv(x)])),
    ),
    "softmax": (INT8, "SOFTMAX", layers.Softmax(**IT)),
    "layer norm": (INT8, "RSQRT", layers.LayerNormalization(**IT)),
    "attention": (
        *(INT8, "BATCH_MATMUL"),
        lambda x: layers.MultiHeadAttention(1, 4, **IT)(x, x),
    ),
    "radial": (
        *(INT8, "SQUARED_DIFFERENCE"),
        lambda x: RadialBasis([[1.0] * 8], **IT)(layers.GlobalMaxPooling2D()(x)),
    ),
    "wide": (ACCURACY, "16 times", wide),
    "swish": (ACCURACY, "LOGISTIC", layers.Activation("swish", **IT)),
    "maxout": (GPU, "fifth axis", Maxout(2, **IT)),
    "stride 2": (
        *(SPARSE, "all sides"),
        layers.DepthwiseConv2D(3, strides=2, padding="same", **IT),
    ),
    "average's sides": (
        *(SPARSE, "sides of 1"),
        lambda x: layers.GlobalAveragePooling2D(**IT)(layers.DepthwiseConv2D(3)(x)),
    ),
    "two a channel": (
        *(SPARSE, "depth_multiplier"),
        layers.DepthwiseConv2D(3, depth_multiplier=2, **IT),
    ),
    "pieces": (COST, "thrown away", Maxout(2, **IT)),
    "highway": (
        *(COST, "gate"),
        lambda x: HighwayGate(**IT)([conv(x), conv(x, activation="sigmoid"), x]),
    ),
    "batch norm first": (
        *(COST, "MUL and ADD"),
        lambda x: layers.BatchNormalization(**IT)(layers.MaxPooling2D()(x)),
    ),
    "seven": (COST, "vectors of 4", layers.Conv2D(7, 1, **IT)),
}


@pytest.mark.parametrize("name", CASES)
def test_it_is_found_with_its_reason(name):
    concern, reason, body = CASES[name]
    report = phone_report(network(body))
    found = [x for x in report.findings if x.concern == concern and reason in x.why]
    assert [x.layer for x in found] == ["it"]
    assert (concern in (BOTH, INT8)) == any(x in report.unaccelerated for x in found)


def test_every_rule_is_met_by_some_network():
    networks = [network(body) for _, _, body in CASES.values()]
    networks += [huge(), half_precision(), MobileNet((None, None, 3), alpha=0.25)]
    reasons = {x.why for model in networks for x in phone_report(model).findings}
    assert reasons == {rule.why for rule in RULES}


def huge():
    """64 x 64 pixels seen by 256 units: 1,048,576 weights."""
    inputs = keras.Input((64, 64, 1))
    return keras.Model(inputs, layers.Dense(256, name="it")(layers.Flatten()(inputs)))


def half_precision():
    inputs = keras.Input((8,))
    return keras.Model(inputs, layers.Dense(2, dtype="mixed_float16")(inputs))


def test_a_dense_layer_of_a_million_weights_is_named_for_its_size():
    (finding,) = phone_report(huge()).findings
    assert (finding.layer, finding.concern) == ("it", SIZE)


@pytest.mark.parametrize(
    "body",
    [
        lambda x: layers.ReLU(6.0)(layers.BatchNormalization()(conv(x))),
        lambda x: layers.BatchNormalization()(layers.Dropout(0.5)(conv(x))),
        lambda x: layers.LeakyReLU()(conv(x, groups=2)),
        lambda x: layers.Conv2DTranspose(8, 2, strides=2, activation="relu")(x),
        lambda x: layers.UpSampling2D(2, interpolation="bilinear")(x),
        lambda x: layers.Concatenate()([conv(x) for _ in range(5)]),
        lambda x: conv(layers.Concatenate()([x, conv(x)]), activation="relu"),
        lambda x: layers.MaxPooling2D()(layers.Activation("sigmoid")(x)),
        lambda x: layers.GlobalAveragePooling2D()(layers.Multiply()([x, conv(x)])),
    ],
)
def test_what_xnnpack_takes_is_not_named(body):
    assert phone_report(network(body)).findings == ()


def test_mobilenet_is_accelerated_and_its_symmetric_form_sparse_too():
    usual, symmetric = (
        phone_report(MobileNet((32, 32, 3), alpha=0.25, padding=padding))
        for padding in ("same", "symmetric")
    )
    assert usual.unaccelerated == ()
    assert [(x.layer, x.concern) for x in usual.findings] == [
        ("stem_conv", SPARSE),
        *((f"stage{i}_block1_depthwise_conv", SPARSE) for i in range(2, 6)),
        ("avg_pool", SPARSE),
    ]
    assert symmetric.findings == ()


def test_lines_put_equal_findings_together_and_the_gravest_first():
    def body(x):
        for i in range(6):
            x = layers.Activation("swish", name=f"swish{i}")(conv(x))
        return LocalResponseNorm(name="norm")(x)

    report = phone_report(network(body))
    lines = report.lines()
    assert lines[0].endswith(": 7 findings")
    assert lines[1] == "float32 and int8: norm"
    assert lines[4] == "int8 accuracy: swish0, swish1, swish2, swish3 and 2 more"
    assert len(lines) == 7
    assert str(report) == "\n".join(lines)
