import copy
import random
import subprocess
import sys
from contextlib import suppress

import flatbuffers
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from kerasnets.errors import KerasnetsError
from kerasnets.export.flatbuffer import pack
from kerasnets.export.metadata.archive import read_file, with_files
from kerasnets.export.runtime import sandbox
from kerasnets.export.runtime.sandbox import check_loadable, check_structure


def tensor(shape, buffer, **changes):
    return schema.TensorT(
        shape=list(shape), type=schema.TensorType.FLOAT32, buffer=buffer, **changes
    )


def build():
    """The model y = x + [1, 2, 3], x and y of shape (2, 3)."""
    numbers = np.frombuffer(np.array([1, 2, 3], "<f4").tobytes(), np.uint8)
    graph = schema.SubGraphT(
        tensors=[tensor((2, 3), 1), tensor((3,), 2), tensor((2, 3), 3)],
        inputs=[0],
        outputs=[2],
        operators=[
            schema.OperatorT(
                opcodeIndex=0,
                inputs=[0, 1],
                outputs=[2],
                builtinOptionsType=schema.BuiltinOptions.AddOptions,
                builtinOptions=schema.AddOptionsT(),
            )
        ],
    )
    return schema.ModelT(
        version=3,
        operatorCodes=[schema.OperatorCodeT(version=1)],
        subgraphs=[graph],
        buffers=[schema.BufferT(data=x) for x in (None, None, numbers, None)],
    )


@pytest.fixture(scope="module")
def good():
    return pack(build())


def refused(buffer) -> str:
    """The one line that refuses a file."""
    with pytest.raises(KerasnetsError) as error:
        check_loadable(buffer, "some.tflite")
    message = str(error.value)
    assert "some.tflite" in message
    assert "\n" not in message
    return message


def test_good_file_is_tried_out(good):
    check_loadable(good, "some.tflite")


def test_file_with_our_checksum_is_compared_only(good, monkeypatch):
    tried = []
    monkeypatch.setattr(sandbox, "_try_out", lambda *file: tried.append(file))
    check_loadable(with_files(good, {"labels.txt": "a\nb\n"}), "some.tflite")
    assert not tried
    check_loadable(good, "some.tflite")
    assert tried == [(good, "some.tflite")]
    changed = bytearray(with_files(good, {}))
    changed[100] ^= 1
    assert "its checksum differs" in refused(bytes(changed))


@pytest.mark.parametrize("content", [b"", b"TFL3", b"hello, world", b"PK" + bytes(99)])
def test_what_is_no_litert_file_is_refused(content):
    assert "lacks the identifier TFL3" in refused(content)


def test_only_the_frame_of_a_file_is_refused():
    for root, reason in (b"\0\0\0\0", "schema is 0"), (b"\xff" * 4, "damaged or cut"):
        assert reason in refused(root + b"TFL3" + bytes(50))


def change(path, value):
    """Put a value into the model: ``subgraphs 0 tensors 1 buffer``."""
    model = build()
    *way, last = path.split()
    place = model
    for step in way:
        place = place[int(step)] if step.isdigit() else getattr(place, step)
    if last.isdigit():
        place[int(last)] = value
    else:
        setattr(place, last, value)
    return model


HUGE = [1 << 20, 1 << 20]
SCALES = schema.QuantizationParametersT(scale=[1.0, 2.0], zeroPoint=[0, 0])
SIGNATURE = schema.SignatureDefT(subgraphIndex=0, inputs=[schema.TensorMapT("x", 9)])
TENSOR, OPERATOR = "subgraphs 0 tensors 1", "subgraphs 0 operators 0"
STRUCTURES = {
    "schema": ("version", 2, "its schema is 2; 3 is accepted"),
    "no graph": ("subgraphs", [], "it has no subgraphs"),
    "no buffer": ("buffers", [], "it has no buffers"),
    "buffer": (f"{TENSOR} buffer", 4, "tensor 1 names part 4 of 4"),
    "code": (f"{OPERATOR} opcodeIndex", 1, "operator 0 names part 1 of 1"),
    "operand": (f"{OPERATOR} inputs 1", 3, "operator 0 names part 3 of 3"),
    "negative operand": (f"{OPERATOR} outputs 0", -2, "operator 0 names part -2 of 3"),
    "input": ("subgraphs 0 inputs 0", 1 << 30, "the graph names part 1073741824 of 3"),
    "no tensors": ("subgraphs 0 tensors", [], "the graph names part 0 of 0"),
    "short buffer": (
        f"{TENSOR} shape",
        [4],
        r"tensor 1 of shape \[4\] needs 16 bytes; 12 are stored",
    ),
    "type": (f"{TENSOR} type", schema.TensorType.INT8, "needs 3 bytes; 12 are stored"),
    "int4": (f"{TENSOR} type", schema.TensorType.INT4, "needs 2 bytes; 12 are stored"),
    "terabytes": (
        "subgraphs 0 tensors 2 shape",
        HUGE,
        r"tensor 2 of shape \[1048576, 1048576\] needs 4398046511104 bytes",
    ),
    "overflow": (f"{TENSOR} shape", [1 << 30] * 5, "needs 57089907708238395242331438"),
    "negative side": (f"{TENSOR} shape", [-3], r"tensor 1 has the shape \[-3\]"),
    "scales": (f"{TENSOR} quantization", SCALES, "has 2 scales and 2 zero points"),
    "signature": ("signatureDefs", [SIGNATURE], "a signature names part 9 of 3"),
    "metadata": ("metadata", [schema.MetadataT("x", 7)], "metadata names part 7 of 4"),
}


@pytest.mark.parametrize("case", STRUCTURES)
def test_parts_that_do_not_fit_are_refused(case):
    path, value, reason = STRUCTURES[case]
    with pytest.raises(KerasnetsError, match=reason):
        check_structure(pack(change(path, value)))


def test_buffer_beyond_the_end_is_refused():
    """In a file of more than 2 GiB, buffers lie behind the flatbuffer."""
    model, builder = build(), flatbuffers.Builder()
    model.buffers[2] = schema.BufferT(offset=99, size=1 << 40)
    builder.Finish(model.Pack(builder), b"TFL3")
    with pytest.raises(KerasnetsError, match="damaged or cut short"):
        check_structure(bytes(builder.Output()))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (f"{OPERATOR} inputs", [0, 1, -1]),
        (f"{TENSOR} quantization", schema.QuantizationParametersT(scale=[0.5] * 3)),
        ("subgraphs 0 tensors 0 shapeSignature", [-1, 3]),
    ],
)
def test_parts_that_fit_are_accepted(path, value):
    check_structure(pack(change(path, copy.deepcopy(value))))


def test_structure_is_looked_at_in_the_child():
    assert "needs 4398046511104 bytes" in refused(
        pack(change("subgraphs 0 tensors 2 shape", HUGE))
    )


def test_memory_of_many_tensors_is_limited():
    """Each below the limit of one; together above the child's."""
    model = build()
    for index in (0, 2):
        model.subgraphs[0].tensors[index].shape = [300_000_000, 3]
    refused(pack(model))


def test_operator_that_litert_lacks_is_named():
    model = change("operatorCodes 0 builtinCode", schema.BuiltinOperator.CUSTOM)
    model.operatorCodes[0].deprecatedBuiltinCode = schema.BuiltinOperator.CUSTOM
    model.operatorCodes[0].customCode = "FlexThing"
    assert "FlexThing" in refused(pack(model))


def test_crash_of_litert_is_survived():
    """A branch that takes itself, until the stack ends."""
    boolean = schema.TensorT(shape=[1], type=schema.TensorType.BOOL, buffer=1)
    branch = schema.OperatorT(
        opcodeIndex=0,
        inputs=[0, 1],
        outputs=[2],
        builtinOptionsType=schema.BuiltinOptions.IfOptions,
        builtinOptions=schema.IfOptionsT(thenSubgraphIndex=1, elseSubgraphIndex=1),
    )
    model = build()
    model.operatorCodes[0].builtinCode = schema.BuiltinOperator.IF
    model.operatorCodes[0].deprecatedBuiltinCode = schema.BuiltinOperator.IF
    model.subgraphs = [
        schema.SubGraphT(
            tensors=[boolean, tensor((1,), 0), tensor((1,), 3)],
            inputs=[1],
            outputs=[2],
            operators=[branch],
        )
    ] * 2
    model.buffers[1] = schema.BufferT(data=np.ones(1, np.uint8))
    assert "LiteRT crashes on it (SIGSEGV)" in refused(pack(model))


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", r"on it (SIGSEGV)"),
        ("import os; os.abort()", "crashes on it (SIGABRT)"),
        ("import no_such_module", "ModuleNotFoundError: No module named"),
        ("import os; os._exit(9)", "the process said nothing"),
        ("import time; time.sleep(60)", "did not run it within 1 seconds"),
    ],
)
def test_end_of_the_child_is_one_line(code, reason, good, monkeypatch):
    run = subprocess.run

    def stand_in(command, **kwargs):
        return run([sys.executable, "-c", code], **kwargs)

    monkeypatch.setattr(sandbox, "_SECONDS", 1)
    monkeypatch.setattr(sandbox.subprocess, "run", stand_in)
    assert reason in refused(good)


def test_child_imports_no_tensorflow(good, tmp_path):
    (tmp_path / "good.tflite").write_bytes(good)
    code = (
        "import sys, pathlib; from kerasnets.export.runtime import sandbox;"
        "buffer = pathlib.Path(sys.argv[1]).read_bytes();"
        "sandbox.check_structure(buffer); sandbox._run(buffer);"
        "print([x for x in ('tensorflow', 'keras') if x in sys.modules])"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "good.tflite")]
    end = subprocess.run(command, capture_output=True, text=True, check=True)
    assert end.stdout.strip() == "[]"


def test_other_numbers_are_no_damage(good):
    """Bits of the constant [1, 2, 3] turned over: another model, which runs."""
    place = good.index(np.array([1, 2, 3], "<f4").tobytes())
    for offset in range(12):
        mutant = bytearray(good)
        mutant[place + offset] ^= 1
        check_loadable(bytes(mutant), "mutant")


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_a_file_cut_short_is_refused(good, share):
    refused(good[: int(share * len(good))])


def test_mutants_do_no_harm(good):
    """Numbers replaced anywhere: refused, or they run in a process of their own."""
    draw, accepted = random.Random(4), []
    for _ in range(12):
        mutant = bytearray(good)
        place = draw.randrange(8, len(good) - 4)
        mutant[place : place + 4] = draw.randbytes(4)
        with suppress(KerasnetsError):
            check_loadable(bytes(mutant), "mutant")
            accepted.append(bytes(mutant))
    assert 0 < len(accepted) < 12
    code = (
        "import sys; from kerasnets.export.runtime.smoke_run import answers_to_zeros;"
        "[answer] = answers_to_zeros(sys.stdin.buffer.read()); print(answer.size)"
    )
    for mutant in accepted:
        command = [sys.executable, "-c", code]
        end = subprocess.run(command, input=mutant, capture_output=True, check=False)
        assert end.returncode == 0, end.stderr


def test_labels_of_honest_size_are_read(good):
    assert read_file(with_files(good, {"labels.txt": "a\nb"}), "labels.txt") == "a\nb"
    with pytest.raises(KerasnetsError, match="archive behind the model"):
        read_file(good, "labels.txt")
    with pytest.raises(KerasnetsError, match="has 16777217 bytes"):
        read_file(with_files(good, {"x": "x" * ((1 << 24) + 1)}), "x")
