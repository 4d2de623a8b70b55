"""What LiteRT itself answers, without this package."""

from pathlib import Path

import numpy as np
from ai_edge_litert.interpreter import Interpreter


def run(file: bytes | Path, *arrays: np.ndarray) -> list[np.ndarray]:
    """Answers in real numbers, for real numbers, of all examples at once."""
    interpreter = _opened(file)
    for details, array in zip(interpreter.get_input_details(), arrays, strict=True):
        interpreter.resize_tensor_input(details["index"], array.shape)
    return _invoked(interpreter, arrays)


def answers(file: bytes | Path, images: np.ndarray) -> np.ndarray:
    """The real values of the one output, one image after the other."""
    interpreter = _opened(file)
    (found,) = zip(*(_invoked(interpreter, [x[None]]) for x in images), strict=True)
    return np.concatenate(found)


def _opened(file: bytes | Path) -> Interpreter:
    if isinstance(file, bytes):
        return Interpreter(model_content=file)
    return Interpreter(str(file))


def _invoked(interpreter: Interpreter, arrays) -> list[np.ndarray]:
    interpreter.allocate_tensors()
    for details, array in zip(interpreter.get_input_details(), arrays, strict=True):
        scale, zero_point = details["quantization"]
        if scale:
            array = np.clip(np.round(array / scale + zero_point), 0, 255)
        interpreter.set_tensor(details["index"], array.astype(details["dtype"]))
    interpreter.invoke()
    return [
        (
            interpreter.get_tensor(details["index"])
            - np.float32(details["quantization"][1])
        )
        * np.float32(details["quantization"][0] or 1)
        for details in interpreter.get_output_details()
    ]
