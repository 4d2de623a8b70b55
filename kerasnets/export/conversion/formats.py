"""The number formats of a LiteRT file, and who makes each.

Measured on a MobileNet 0.5 and a ResNet-20 taught 32x32 digits, 397 others: bytes, and
how the probabilities correlate with the model's; TensorFlow's converter 2.21 beside
ai-edge-quantizer 0.10 (AEQ).

=============  ====================  ====================
format         MobileNet             ResNet-20
=============  ====================  ====================
float32        3,283 kB  1.00000     1,085 kB  1.00000
float16        1,653 kB  0.99999       552 kB  1.00000
dynamic          916 kB  0.99979       292 kB  0.99998
by AEQ           912 kB  0.99811       289 kB  0.99998
int8             979 kB  0.99599       300 kB  0.99995
by AEQ           979 kB  0.99485       299 kB  0.99987
int8_weights     915 kB  0.99893       291 kB  0.99998
int4_weights     516 kB  0.94738       155 kB  0.99223
=============  ====================  ====================

The converter's dynamic and int8 files are closer to the model, so it makes them; it has
no file of quantised weights alone, so AEQ makes those. Of its ways to four bits, the
plain one (least and largest weight of a channel) was closer than OCTAV and MSE; with
activations quantised while running the answers are as good as without, and the file is
smaller.
"""

import warnings
from collections.abc import Callable, Iterable
from typing import Any

import keras
import numpy as np

from kerasnets.errors import KerasnetsError
from kerasnets.export.conversion.layer_names import plain_variable_names
from kerasnets.export.conversion.wrapper import Graph

Samples = Callable[[], Iterable[list[np.ndarray]]]

# what each format holds: weights, and what is computed with
FORMATS = {
    "float32": "float32 weights and activations",
    "float16": "float16 weights, float32 activations",
    "dynamic": "int8 weights, activations quantised while running",
    "int8": "int8 weights and activations, by calibration",
    "int8_weights": "int8 weights, float32 activations",
    "int4_weights": "int4 weights of convolutions and dense layers, int8 of others,"
    " activations quantised while running",
}
# Names while converting: a user's own may be none that TensorFlow takes, and it sorts
# by them.
_PLACES = ("input_{:03}", "output_{:03}")
# those that ai-edge-quantizer makes from the float32 file
_BY_QUANTIZER = ("int8_weights", "int4_weights")
SPARSE = ("float32", "float16")


def make(
    graph: Graph,
    *,
    format: str,
    batch: int | None,
    io: str = "float32",
    sparse: bool = False,
    samples: Samples | None = None,
) -> bytes:
    """Convert a graph with built-in operators only.

    Args:
        graph: What to convert.
        format: One of ``FORMATS``.
        batch: How many examples the file takes, None for any number.
        io: dtype of the ends of an int8 file, "uint8" or "float32".
        sparse: Whether zeros are left out of float kernels.
        samples: Inputs in order, one example at a time, that set the ranges of an int8
            file; None where fake quantisation inside the graph sets them.

    Returns:
        The file as the converter or the quantiser writes it; ``signature_names`` says
        what its ends are to be called.

    Raises:
        KerasnetsError: An operator is not built in.
    """
    import tensorflow as tf

    converter = _converter(graph, batch)
    if format in ("float16", "dynamic", "int8"):
        converter.optimizations.add(tf.lite.Optimize.DEFAULT)
    if sparse:
        converter.optimizations.add(tf.lite.Optimize.EXPERIMENTAL_SPARSITY)
    if format == "float16":
        converter.target_spec.supported_types = [tf.float16]
    elif format == "int8":
        kind = tf.uint8 if io == "uint8" else tf.float32
        converter.inference_input_type = converter.inference_output_type = kind
        if samples is not None:
            converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
            converter.representative_dataset = lambda: map(_placed, samples())
    with plain_variable_names(graph.variables):
        buffer = _run(converter)
    return _quantized(buffer, format) if format in _BY_QUANTIZER else buffer


def _placed(sample: list[np.ndarray]) -> dict[str, np.ndarray]:
    """Return an example by the names of its inputs: the converter reorders them."""
    return {_PLACES[0].format(index): array for index, array in enumerate(sample)}


def signature_names(graph: Graph) -> dict[str, str]:
    """Return the names of a graph's ends by those that they have while converting."""
    return {
        place.format(index): name
        for place, names in zip(_PLACES, (graph.inputs, graph.outputs), strict=True)
        for index, name in enumerate(names)
    }


def _converter(graph: Graph, batch: int | None) -> Any:
    """Trace the graph, its ends named by their places."""
    import tensorflow as tf

    specs = [
        tf.TensorSpec((batch, *shape), dtype, name=_PLACES[0].format(index))
        for index, (shape, dtype) in enumerate(graph.inputs.values())
    ]

    @tf.function(input_signature=specs, autograph=False)
    def function(*tensors: Any) -> dict[str, Any]:
        answers = graph.call(*tensors)
        return {_PLACES[1].format(i): answer for i, answer in enumerate(answers)}

    module = tf.Module()
    module.function = function
    # The converter freezes the variables that it finds here.
    module.variables_to_freeze = [_tf_variable(v) for v in graph.variables]
    concrete = function.get_concrete_function()
    converter = tf.lite.TFLiteConverter.from_concrete_functions([concrete], module)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    return converter


def _tf_variable(variable: Any) -> Any:
    """Return the TensorFlow variable of a Keras variable."""
    return variable.value if isinstance(variable, keras.Variable) else variable


def _run(converter: Any) -> bytes:
    """Run the converter; what it cannot convert becomes one line."""
    from tensorflow.lite.python.convert_phase import ConverterError

    with warnings.catch_warnings():
        # It asks for the input's mean and deviation, an option of TensorFlow 1; the
        # ranges come from the calibration images.
        warnings.filterwarnings("ignore", "Statistics for quantized inputs")
        # of the interpreter that the converter itself uses
        warnings.filterwarnings(
            "ignore", r"\s*Warning: tf.lite.Interpreter is deprecated"
        )
        try:
            return converter.convert()
        except ConverterError as error:
            raise KerasnetsError(_explain(error)) from error


def _explain(error: Any) -> str:
    """Say in one line which operators, made by which layers, LiteRT does not have."""
    culprits = {
        f"{entry.operator.name.removeprefix('tf.')} at {_place(entry)}"
        for entry in error.errors
        if entry.operator.name
    }
    if not culprits:
        return f"the converter failed: {str(error).splitlines()[0]}"
    return "the model needs operators that LiteRT does not have built in: " + ", ".join(
        sorted(culprits)
    )


def _place(entry: Any) -> str:
    """Return the path of a failed operator in the graph: model/layer/.../operator."""
    names = (call.name for call in entry.location.call if call.name)
    return next(names, "unknown place").split("@")[0]


def _quantized(buffer: bytes, format: str) -> bytes:
    """Quantise the weights of a float32 file."""
    from ai_edge_quantizer import quantizer
    from ai_edge_quantizer.qtyping import TFLOperationName

    worker = quantizer.Quantizer(bytearray(buffer))
    every = TFLOperationName.ALL_SUPPORTED
    if format == "int8_weights":
        worker.add_weight_only_config(".*", every, num_bits=8)
    else:
        worker.add_dynamic_config(".*", every, num_bits=8)
        for operator in (TFLOperationName.CONV_2D, TFLOperationName.FULLY_CONNECTED):
            worker.add_dynamic_config(".*", operator, num_bits=4)
    result = worker.quantize(enable_progress_report=False)
    return bytes(result.quantized_model or b"")
