import gzip

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from kerasnets.export.verification.inspection import (
    arena_bytes,
    delegation,
    ends_in_softmax,
    inspect,
    number_format,
)

from . import handmade
from .handmade import Operator, Tensor, write_file


def three_layers(skip: bool = False) -> bytes:
    """128 bytes -> 64 -> 256 -> 16; with ``skip`` the last reads the 64 again."""
    tensors = [
        Tensor("x", (1, 4, 4, 2)),
        Tensor("w", (100, 100), values=np.zeros((100, 100))),
        Tensor("a", (1, 2, 2, 4)),
        Tensor("b", (1, 4, 4, 4)),
        Tensor("y", (1, 4)),
    ]
    last = ("b", "a") if skip else ("b",)
    operators = [
        Operator("CONV_2D", ("x", "w", ""), ("a",)),
        Operator("TRANSPOSE_CONV", ("a",), ("b",)),
        Operator("FULLY_CONNECTED", last, ("y",)),
    ]
    return write_file(tensors, operators, ("x",), ("y",))


def test_live_activations_by_hand():
    # at the second layer: the input, which is kept, 128; what it reads, 64; and what
    # it writes, 256
    assert arena_bytes(three_layers()) == 128 + 64 + 256
    # at the third: 128, the 64 that is still needed, 256 and 16
    assert arena_bytes(three_layers(skip=True)) == 128 + 64 + 256 + 16


def test_weights_that_are_unpacked_once_are_no_activations():
    file = write_file(
        [
            Tensor("x", (1, 8)),
            Tensor("w16", (8, 8), np.float16, values=np.zeros((8, 8))),
            Tensor("w", (8, 8)),
            Tensor("y", (1, 8)),
        ],
        [
            Operator("DEQUANTIZE", ("w16",), ("w",)),
            Operator("FULLY_CONNECTED", ("x", "w", ""), ("y",)),
        ],
        ("x",),
        ("y",),
    )
    assert arena_bytes(file) == 32 + 32
    assert number_format(file) == "float16"


def running_sum(axis: int = 1) -> bytes:
    """RELU, a running sum, RELU: XNNPACK has no running sum."""
    return write_file(
        [
            *(Tensor(name, (1, 8)) for name in ("x", "a", "b", "y")),
            Tensor("axis", (), np.int32, values=axis),
        ],
        [
            Operator("RELU", ("x",), ("a",)),
            Operator("CUMSUM", ("a", "axis"), ("b",), schema.CumsumOptionsT()),
            Operator("RELU", ("b",), ("y",)),
        ],
        ("x",),
        ("y",),
    )


def test_what_xnnpack_lacks_stays_outside():
    assert delegation(running_sum()) == (2, {"CUMSUM": 1})
    assert delegation(handmade.float_file()) == (1, {})


def test_a_file_is_inspected(float_file):
    buffer = float_file.read_bytes()
    found = inspect(float_file)
    assert found.size == len(buffer)
    assert found.gzip_size == len(gzip.compress(buffer, mtime=0))
    assert found.format == "float32"
    # normalisation (its factor folds into the stem), stem, depthwise, pointwise,
    # residual, pooling, head, softmax; activations and batch norm are inside them
    assert found.operators == {
        "CONV_2D": 2,
        **dict.fromkeys(
            ("ADD", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "MEAN", "SOFTMAX", "SUB"),
            1,
        ),
    }
    assert (found.partitions, found.outside) == (1, {})
    # three maps of 8 x 8 x 8 floats beside the 16 x 16 x 3 of the image, at the sum
    assert found.arena == 4 * (16 * 16 * 3 + 3 * 8 * 8 * 8)


def test_formats_are_told_by_their_numbers(float_file, int8_file):
    assert number_format(int8_file) == "int8"
    assert number_format(handmade.int8_file()) == "int8"
    weights = [
        Tensor("x", (1, 2)),
        Tensor("w8", (2, 2), np.int8, 0.1, values=np.ones((2, 2))),
        Tensor("w", (2, 2)),
        Tensor("y", (1, 2)),
    ]
    dense = Operator("FULLY_CONNECTED", ("x", "w", ""), ("y",))
    unpack = Operator("DEQUANTIZE", ("w8",), ("w",))
    weight_only = write_file(weights, [unpack, dense], ("x",), ("y",))
    assert number_format(weight_only) == "int8_weights"
    dense = Operator("FULLY_CONNECTED", ("x", "w8", ""), ("y",))
    assert number_format(write_file(weights, [dense], ("x",), ("y",))) == "dynamic"


@pytest.mark.parametrize("name", ["float_file", "int8_file"])
def test_a_softmax_at_the_end_is_seen(name, request):
    assert ends_in_softmax(request.getfixturevalue(name)) == (True,)
    assert ends_in_softmax(running_sum()) == (False,)
