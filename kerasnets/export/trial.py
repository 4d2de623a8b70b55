"""A file is run once before anyone gets it."""

import numpy as np
from ai_edge_litert.interpreter import Interpreter

from kerasnets.errors import KerasnetsError

# examples in a file that takes any number
_SOME = 3


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
        interpreter = Interpreter(model_content=buffer)
        if batch is None:
            for details in interpreter.get_input_details():
                shape = (_SOME, *map(int, details["shape"][1:]))
                interpreter.resize_tensor_input(details["index"], shape)
        interpreter.allocate_tensors()
        for details in interpreter.get_input_details():
            zeros = np.zeros(details["shape"], details["dtype"])
            interpreter.set_tensor(details["index"], zeros)
        interpreter.invoke()
        answers = [
            interpreter.get_tensor(details["index"])
            for details in interpreter.get_output_details()
        ]
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
