import numpy as np
import pytest

from kerasnets.errors import KerasnetsError
from kerasnets.export.conversion.litert import convert
from kerasnets.export.runtime.interpreter import (
    LiteRTModel,
    TensorInfo,
    open_interpreter,
)

from . import handmade
from .handmade import Operator, Tensor, write_file

STEPS = TensorInfo("x", (1, 3), np.dtype(np.uint8), scale=0.5, zero_point=10)


def test_real_values_are_quantised_and_back():
    stored = STEPS.stored(np.array([-100.0, 0.3, 1.0, 500.0]))
    assert stored.dtype == np.uint8
    # 0.3 is 0.6 steps; both ends of the range are reached
    assert stored.tolist() == [0, 11, 12, 255]
    assert STEPS.real(stored).tolist() == [-5, 0.5, 1, 122.5]


def test_what_is_quantised_already_stays():
    pixels = np.array([0, 7, 255], np.uint8)
    assert STEPS.stored(pixels) is pixels


def test_a_file_of_any_kind_runs():
    model = LiteRTModel(handmade.float_file(weight=2))
    images = np.arange(12, dtype=np.float32).reshape(3, 2, 2, 1)
    (answers,) = model.predict([images])
    np.testing.assert_array_equal(answers, 2 * images)
    (info,) = model.inputs
    assert (info.name, info.shape, info.dtype) == ("x", (1, 2, 2, 1), np.float32)


def sums() -> bytes:
    """Two inputs, two outputs: the sum and the difference, of batch 2."""
    return write_file(
        [Tensor(name, (2, 3)) for name in "abst"],
        [Operator("ADD", "ab", "s"), Operator("SUB", "ab", "t")],
        "ab",
        "st",
    )


def test_several_ends_and_a_fixed_batch():
    a, b = np.random.default_rng(0).normal(size=(2, 5, 3)).astype(np.float32)
    found = LiteRTModel(sums()).predict([a, b])
    np.testing.assert_allclose(found, [a + b, a - b], rtol=1e-6)
    empty = LiteRTModel(sums()).predict([a[:0], b[:0]])
    assert [array.shape for array in empty] == [(0, 3), (0, 3)]


@pytest.mark.parametrize("shapes", [[(2, 3)], [(2, 3), (2, 4)], [(2, 3), (3, 3)]])
def test_arrays_that_do_not_fit_are_refused(shapes):
    arrays = [np.zeros(shape, np.float32) for shape in shapes]
    with pytest.raises(KerasnetsError, match=r"takes \(n, 3\), \(n, 3\)"):
        LiteRTModel(sums()).predict(arrays)


def test_a_file_of_any_batch_takes_all_at_once(small, images):
    one, free = (LiteRTModel(convert(small, batch=batch)) for batch in (1, None))
    assert free.inputs[0].shape == (None, 16, 16, 3)
    assert free.outputs[0].name == "probabilities"
    for count in (3, 7, 1):
        expected, found = (model.predict([images[:count]]) for model in (one, free))
        np.testing.assert_allclose(found, expected, atol=1e-6)


def test_every_tensor_can_be_kept(float_file, images):
    # without it, XNNPACK takes the graph and its inner tensors are empty
    interpreter = open_interpreter(float_file, keep_tensors=True)
    pixels = images[:1].astype(np.float32)
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], pixels)
    interpreter.invoke()
    nodes = interpreter._get_ops_details()
    assert "DELEGATE" not in [node["op_name"] for node in nodes]
    first = interpreter.get_tensor(int(nodes[0]["outputs"][0]))
    np.testing.assert_allclose(first, pixels - 127.5)
