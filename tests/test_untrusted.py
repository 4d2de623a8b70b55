"""Malicious model files, one for each way that is known; none of them is opened."""

import base64
import io
import json
import marshal
import os
import pickle
import re
import stat
import tarfile
import warnings
import zipfile

import h5py
import keras
import numpy as np
import pytest

from kerasnets import saving
from kerasnets.errors import KerasnetsError

MEGABYTE = 1 << 20


@pytest.fixture(scope="module")
def honest(tmp_path_factory):
    """The members of a model file that Keras wrote."""
    path = tmp_path_factory.mktemp("honest") / "model.keras"
    keras.Sequential([keras.Input((2,)), keras.layers.Dense(3, name="dense")]).save(
        path
    )
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "evil.keras"


def write(path, members, packing=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", packing) as archive:
        for name, content in members.items():
            archive.writestr(name, content)


def unreachable(*_, **__):
    pytest.fail("Keras has opened the file")


def refused(path, monkeypatch) -> str:
    """The one line that refuses a file, before Keras has seen it."""
    with monkeypatch.context() as patch:
        patch.setattr(saving.saving_lib, "load_model", unreachable)
        with pytest.raises(KerasnetsError) as error:
            saving.load_model(path)
    message = str(error.value)
    assert str(path) in message
    assert "\n" not in message
    return message


def test_honest_file_is_read(honest, path):
    write(path, honest)
    assert saving.load_model(path).count_params() == 9
    write(path, honest, zipfile.ZIP_DEFLATED)
    assert saving.load_model(str(path)).count_params() == 9


# --- what a configuration may name -------------------------------------------------


def lambda_layer(marker="never"):
    """A Lambda layer as Keras writes it, whose code makes a folder."""
    code = compile(f"lambda x: (__import__('os').mkdir({marker!r}), x)[1]", "", "eval")
    function = next(part for part in code.co_consts if hasattr(part, "co_code"))
    packed = base64.b64encode(marshal.dumps(function)).decode()
    inner = {"code": packed, "defaults": None, "closure": None}
    return keras_object(
        "keras.layers",
        "Lambda",
        name="evil",
        trainable=True,
        arguments={},
        function={"class_name": "__lambda__", "config": inner},
    )


def keras_object(module, kind, /, **config):
    described = {"class_name": kind, "config": config, "registered_name": None}
    return {"module": module, **described}


def function(module, name):
    described = {"class_name": "function", "config": name, "registered_name": name}
    return {"module": module, **described}


def called(layer, *args):
    """A function in place of a layer, which a graph would call with its arguments."""
    return {**layer, "name": "x", "inbound_nodes": [{"args": args, "kwargs": {}}]}


def dense(**config):
    return keras_object(
        "keras.layers", "Dense", **{"name": "inner", "units": 3, **config}
    )


def nested(**more):
    model = keras_object("keras", "Sequential", name="nested", layers=[dense()])
    return {**model, **more}


UNSAFE = function("keras.config", "enable_unsafe_deserialization")
WITHOUT_MODULE = {k: v for k, v in lambda_layer().items() if k != "module"}
CONFIGURATIONS = {
    "CVE-2024-3660": (lambda_layer(), "'evil' .keras.layers.Lambda. runs code"),
    "CVE-2025-1550": (called(function("os", "system"), "ls"), "os.system is no func"),
    "1550, a class": (keras_object("subprocess", "Popen", args="ls"), "no part of a m"),
    "CVE-2025-8747": (
        called(function("keras.utils", "get_file"), "x", "http://localhost/x"),
        "keras.utils.get_file is no function",
    ),
    "CVE-2025-9906": (called(UNSAFE), "enable_unsafe_deserialization is no function"),
    "keras 22035": (
        keras_object("keras.layers", "TFSMLayer", name="saved", filepath="/tmp/x"),
        "'saved' .keras.layers.TFSMLayer. runs code",
    ),
    "22035, its own module": (
        keras_object("keras.src.export.tfsm_layer", "TFSMLayer", filepath="/tmp/x"),
        "TFSMLayer runs code",
    ),
    "keras 23026": (
        called(function("keras.utils", "image_dataset_from_directory"), "/"),
        "image_dataset_from_directory is no function",
    ),
    "keras 23048, without a module": (WITHOUT_MODULE, "'evil' .Lambda. runs code"),
    "23048, inside a wrapper": (
        keras_object("keras.layers", "TimeDistributed", layer=lambda_layer()),
        "'evil' .keras.layers.Lambda. runs code",
    ),
    "lambda as an activation": (
        dense(activation={"class_name": "__lambda__", "config": {"value": "x"}}),
        "__lambda__ is a Python lambda",
    ),
    "lambda as a nested model's loss": (
        nested(compile_config={"loss": lambda_layer()["config"]["function"]}),
        "__lambda__ is a Python lambda",
    ),
    "pickled torch module": (
        keras_object("keras.layers", "TorchModuleWrapper", module="x"),
        "TorchModuleWrapper runs code",
    ),
    "builtins": (dense(activation=function("builtins", "eval")), "builtins.eval is no"),
    "an object from its name": (
        dense(activation=function("keras.activations", "deserialize")),
        "activations.deserialize is no function",
    ),
    "a file of words": (
        keras_object("keras.layers", "StringLookup", vocabulary="/etc/passwd"),
        "StringLookup reads the file '/etc/passwd'",
    ),
    "a type": (
        {**keras_object("tensorflow", "__typespec__"), "spec_name": "TensorSpec"},
        "__typespec__ is no part of a model",
    ),
    "strings a gigabyte long": (
        dense(units={"class_name": "__numpy__", "config": {"dtype": "S1000000000"}}),
        "__numpy__ is no array of numbers",
    ),
    "a custom layer nobody registered": (
        {**keras_object("theirs", "Theirs"), "registered_name": "theirs>Theirs"},
        "theirs.Theirs is no part of a model.*registered beforehand",
    ),
    "no name": ({"class_name": ["Dense"], "config": {}}, "has no name"),
}


@pytest.mark.parametrize("case", CONFIGURATIONS)
def test_configuration_that_is_more_than_a_model_is_refused(
    case, honest, path, monkeypatch
):
    layer, reason = CONFIGURATIONS[case]
    config = json.loads(honest["config.json"])
    config["config"]["layers"].append(layer)
    write(path, {**honest, "config.json": json.dumps(config)})

    assert re.search(reason, refused(path, monkeypatch))


def lambda_file(honest, path):
    """The file of CVE-2024-3660, and the folder that it makes."""
    marker = path.with_name("it ran")
    config = json.loads(honest["config.json"])
    config["config"]["layers"].append(lambda_layer(str(marker)))
    write(path, {**honest, "config.json": json.dumps(config)})
    return marker


def test_the_lambda_is_a_real_one(honest, path):
    marker = lambda_file(honest, path)
    with warnings.catch_warnings(action="ignore"):
        keras.saving.load_model(path, safe_mode=False)
    assert marker.exists()


def test_a_user_who_switched_safe_mode_off_is_still_safe(honest, path, monkeypatch):
    marker = lambda_file(honest, path)
    keras.config.enable_unsafe_deserialization()
    try:
        assert "runs code" in refused(path, monkeypatch)
        # what the inspection might overlook, Keras still refuses
        monkeypatch.setattr(saving.vetted, "check_config", lambda *_: None)
        with pytest.raises(KerasnetsError, match="cannot be read by Keras"):
            saving.load_model(path)
    finally:
        keras.src.backend.common.global_state.set_global_attribute(
            "safe_mode_saving", None
        )
    assert not marker.exists()


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        (b"", "damaged"),
        (b"\xff\xfe{", "damaged"),
        (b"[" * 100_000, "damaged"),
        (b"[]", "describes no model"),
        (b'{"class_name"', "damaged"),
    ],
)
def test_damaged_configuration_is_refused(config, reason, honest, path, monkeypatch):
    write(path, {**honest, "config.json": config})
    assert reason in refused(path, monkeypatch)


# --- what an archive may hold ------------------------------------------------------


def link(target):
    info = zipfile.ZipInfo("config.json")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    return info, target


def add(name, content=b"x"):
    return lambda members: [*members.items(), (name, content)]


def replace(name, item):
    return lambda members: [*((k, v) for k, v in members.items() if k != name), item]


NPZ = io.BytesIO()
np.savez(NPZ, a=np.zeros(3))
ARCHIVES = {
    "keras 23015: link": (replace("config.json", link("/etc/passwd")), "is a link"),
    "path out": (add("../../evil.py"), "'../../evil.py', which is a path out"),
    "absolute path": (add("/etc/cron.d/evil"), "a path out of the archive"),
    "path of another system": (add("..\\evil.py"), "a path out of the archive"),
    "drive": (add("C:\\evil.py"), "a path out of the archive"),
    "assets": (add("assets/words.txt"), "'assets/words.txt', which is no part"),
    "keras 23016: npz": (
        replace("model.weights.h5", ("model.weights.npz", NPZ.getvalue())),
        "'model.weights.npz', which is no part of a model",
    ),
    "no weights": (
        lambda members: list(members.items())[:2],
        "holds config.json, metadata.json; exactly",
    ),
    "nothing": (lambda members: [], "holds nothing; exactly"),
}


@pytest.mark.parametrize("case", ARCHIVES)
def test_archive_that_is_more_than_a_model_is_refused(case, honest, path, monkeypatch):
    change, reason = ARCHIVES[case]
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in change(honest):
            archive.writestr(name, content)
    assert reason in refused(path, monkeypatch)


def test_member_that_is_there_twice_is_refused(honest, path, monkeypatch):
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in honest.items():
            archive.writestr(name, content)
        with pytest.warns(UserWarning, match="Duplicate name"):
            archive.writestr("config.json", b"{}")
    assert "config.json, config.json" in refused(path, monkeypatch)


@pytest.mark.parametrize("member", ["config.json", "model.weights.h5"])
def test_zip_bomb_is_refused(member, honest, path, monkeypatch):
    """Keras 23010."""
    zeros = bytes(65 * MEGABYTE)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, content in {**honest, member: zeros}.items():
            archive.writestr(name, content)
    assert path.stat().st_size < MEGABYTE
    assert f"{member!r}, which is {len(zeros)} bytes" in refused(path, monkeypatch)


def test_other_packings_and_passwords_are_refused(honest, path, monkeypatch):
    write(path, honest, zipfile.ZIP_BZIP2)
    assert "packed in another way" in refused(path, monkeypatch)
    write(path, honest)
    content = bytearray(path.read_bytes())
    content[content.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(content)
    assert "encrypted" in refused(path, monkeypatch)


def tar_with_hard_link():
    """Keras 22973."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        entry = tarfile.TarInfo("config.json")
        entry.type, entry.linkname = tarfile.LNKTYPE, "../../../etc/passwd"
        archive.addfile(entry)
    return stream.getvalue()


def whole_model():
    """CVE-2025-9905: Keras's older format, in which safe mode did not hold."""
    stream = io.BytesIO()
    with h5py.File(stream, "w") as file:
        layers = {"name": "evil", "layers": [lambda_layer()]}
        config = {"class_name": "Sequential", "config": layers}
        file.attrs["model_config"] = json.dumps(config)
    return stream.getvalue()


class Evil:
    def __reduce__(self):
        return os.mkdir, ("never",)


@pytest.mark.parametrize("name", ["evil.keras", "evil.h5", "evil.pkl"])
@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (whole_model(), "a whole-model HDF5 file"),
        (pickle.dumps(Evil()), "a pickle"),
        (tar_with_hard_link(), "no readable archive"),
        (b"", "no readable archive"),
        (b"hello", "no readable archive"),
    ],
)
def test_file_of_another_kind_is_refused(name, content, reason, tmp_path, monkeypatch):
    path = tmp_path / name
    path.write_bytes(content)
    message = refused(path, monkeypatch)
    assert reason in message
    assert "a .keras file is accepted" in message


def test_what_is_no_file_is_refused(tmp_path, monkeypatch):
    assert "No such file" in refused(tmp_path / "missing.keras", monkeypatch)
    assert "is a folder" in refused(tmp_path, monkeypatch)
    (tmp_path / "saved_model.pb").touch()
    assert "is a SavedModel folder" in refused(tmp_path, monkeypatch)
    os.mkfifo(tmp_path / "pipe")
    assert "no regular file" in refused(tmp_path / "pipe", monkeypatch)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.99])
def test_file_cut_short_is_refused(share, honest, path, monkeypatch):
    write(path, honest)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    assert "no readable archive" in refused(path, monkeypatch)


def test_changed_weights_are_noticed(honest, path, monkeypatch):
    write(path, honest)
    content = bytearray(path.read_bytes())
    content[content.index(b"\x89HDF") + 1000] ^= 1
    path.write_bytes(content)
    assert "Bad CRC-32" in refused(path, monkeypatch)


# --- what weights may hold ---------------------------------------------------------


def shape_bomb(file):
    file.create_dataset("x", (1 << 40,), "f4", chunks=(1 << 20,), compression="gzip")


def many_small_bombs(file):
    for name in "abcdefgh":
        file.create_dataset(name, (1 << 24,), "f4", chunks=(1 << 20,))


def virtual(file):
    layout = h5py.VirtualLayout((3,), "f4")
    layout[:] = h5py.VirtualSource("/etc/passwd", "x", (3,))
    file.create_virtual_dataset("x", layout)


def external(file):
    file.create_dataset("x", (3,), "f4", external=[("/etc/passwd", 0, 12)])


def external_link(file):
    file["x"] = h5py.ExternalLink("/etc/passwd", "x")


def soft_link(file):
    file["x"] = h5py.SoftLink("/layers")


def loop(file):
    group = file.create_group("x")
    group["again"] = group


def plug_in(file):
    file.create_dataset("x", (300,), "f4", chunks=(100,), compression="lzf")


WEIGHTS = {
    "keras 22975: shape": (shape_bomb, "a bomb: they declare 43980465111.. bytes"),
    "keras 23100: many shapes": (
        many_small_bombs,
        "a bomb: they declare 5368709.. bytes",
    ),
    "keras 22976: virtual": (virtual, "/x in the weights .* other files"),
    "CVE-2026-1669: external": (external, "read from another file, '/etc/passwd'"),
    "external link": (external_link, r"the link /x \(ExternalLink\)"),
    "soft link": (soft_link, r"the link /x \(SoftLink\)"),
    "loop": (loop, "name one object twice, the second time as /x/again"),
    "plug-in": (plug_in, "packed by the plug-ins"),
    "words": (lambda file: file.create_dataset("x", data="word"), "is of object"),
    "a type": (lambda file: file.__setitem__("x", np.dtype("f4")), "is a Datatype"),
    "no shape": (lambda file: file.create_dataset("x", dtype="f4"), "without a shape"),
}


@pytest.mark.parametrize("case", WEIGHTS)
def test_weights_that_are_more_than_numbers_are_refused(
    case, honest, path, monkeypatch
):
    change, reason = WEIGHTS[case]
    stream = io.BytesIO(honest["model.weights.h5"])
    with h5py.File(stream, "a") as file:
        change(file)
    assert len(stream.getvalue()) < MEGABYTE
    write(path, {**honest, "model.weights.h5": stream.getvalue()})

    assert re.search(reason, refused(path, monkeypatch))


@pytest.mark.parametrize("content", [b"", b"nonsense", b"\x89HDF\r\n\x1a\n" * 99])
def test_weights_of_another_kind_are_refused(content, honest, path, monkeypatch):
    write(path, {**honest, "model.weights.h5": content})
    assert "are damaged" in refused(path, monkeypatch)


def test_weights_that_do_not_fit_are_one_line(honest, path):
    config = json.loads(honest["config.json"])
    config["config"]["layers"][-1]["config"]["units"] = 4
    write(path, {**honest, "config.json": json.dumps(config)})
    with pytest.raises(
        KerasnetsError, match=r"evil\.keras cannot be read by Keras"
    ) as e:
        saving.load_model(path)
    assert "\n" not in str(e.value)


def test_what_is_no_model_is_refused(honest, path):
    write(path, {**honest, "config.json": json.dumps(dense())})
    with pytest.raises(KerasnetsError, match="holds a Dense, not a Keras model"):
        saving.load_model(path)
