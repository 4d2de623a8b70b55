"""A file is run once, on zeros, before anyone gets it."""

import numpy as np
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from kerasnets.errors import KerasnetsError

# examples in a file that takes any number
_SOME = 3


def answers_to_zeros(
    buffer: bytes,
    *,
    examples: int | None = None,
    kernels: OpResolverType = OpResolverType.AUTO,
) -> list[np.ndarray]:
    """Load a file and run it once, on one thread.

    Args:
        buffer: The file.
        examples: How many zeros a file of free batch gets; None for the size inside.
        kernels: With XNNPACK or with LiteRT's own kernels alone.

    Returns:
        What it answers, an array an output.
    """
    interpreter = Interpreter(
        model_content=buffer, num_threads=1, experimental_op_resolver_type=kernels
    )
    if examples is not None:
        for tensor in interpreter.get_input_details():
            shape = (examples, *map(int, tensor["shape"][1:]))
            interpreter.resize_tensor_input(tensor["index"], shape)
    interpreter.allocate_tensors()
    for tensor in interpreter.get_input_details():
        if np.issubdtype(tensor["dtype"], np.number):
            zeros = np.zeros(tensor["shape"], tensor["dtype"])
            interpreter.set_tensor(tensor["index"], zeros)
    interpreter.invoke()
    return [
        interpreter.get_tensor(tensor["index"])
        for tensor in interpreter.get_output_details()
    ]


def check_runs(buffer: bytes, batch: int | None) -> None:
    """Run a file once, on zeros.

    A converter that returns bytes has proved nothing: a MobileNet with 16-bit
    activations converts, and does not load.

    Args:
        buffer: The file.
        batch: What the file was made for; with None it is run on three examples.

    Raises:
        KerasnetsError: LiteRT does not load or run it, or gives another number of
            answers than examples.
    """
    try:
        answers = answers_to_zeros(buffer, examples=_SOME if batch is None else None)
    # ValueError and RuntimeError, as the runtime pleases
    except Exception as error:
        reason = " ".join(str(error).split())
        raise KerasnetsError(
            f"the converter made a file that LiteRT does not run: {reason}"
        ) from error
    wrong = [a.shape for a in answers if batch is None and a.shape[:1] != (_SOME,)]
    if wrong:
        raise KerasnetsError(
            f"the file answers {_SOME} examples with shapes {wrong}: the model fixes"
            " its batch"
        )
