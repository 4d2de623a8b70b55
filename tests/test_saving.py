"""Models of every kind go to disk and come back; files are written whole or not."""

import io
import json
import resource
import threading
import zipfile
from contextlib import contextmanager

import h5py
import keras
import numpy as np
import pytest
from keras import layers, ops

import kerasnets
from kerasnets import applications, saving
from kerasnets.errors import KerasnetsError
from kerasnets.files import write_bytes, write_text
from kerasnets.saving import load_model, save_model


@keras.saving.register_keras_serializable("tests")
class Twice(layers.Layer):
    """A user's layer, with a layer inside."""

    def __init__(self, inner=None, **kwargs):
        super().__init__(**kwargs)
        self.inner = inner or layers.Dense(3)

    def call(self, inputs):
        return 2 * self.inner(inputs)

    def get_config(self):
        inner = keras.saving.serialize_keras_object(self.inner)
        return {**super().get_config(), "inner": inner}

    @classmethod
    def from_config(cls, config):
        inner = keras.saving.deserialize_keras_object(config.pop("inner"))
        return cls(inner, **config)


@keras.saving.register_keras_serializable("tests")
def steep(x):
    return ops.tanh(3 * x)


def sequential(*parts, shape=(6, 6, 3)):
    return keras.Sequential([keras.Input(shape), *parts])


def graph():
    """Operations as nodes; functions, objects and names as arguments."""
    inputs = keras.Input((6, 6, 3))
    x = layers.Conv2D(
        3,
        3,
        padding="same",
        activation=keras.activations.relu,
        kernel_initializer=keras.initializers.HeNormal(seed=3),
        kernel_regularizer=keras.regularizers.L2(1e-4),
        kernel_constraint="max_norm",
    )(inputs)
    x = ops.relu((x + inputs) * 0.5)[:, ::2, 1:, ...]
    x = ops.mean(x, axis=(1, 2)) + np.arange(3.0, dtype="float32")
    heads = [layers.Dense(2, activation=f)(x) for f in (ops.silu, steep, "gelu")]
    return keras.Model(inputs, heads)


def compiled():
    """A compiled model inside another, whose own loss nobody registered."""

    def loss(y, x):
        return ops.mean(y - x)

    schedule = keras.optimizers.schedules.CosineDecay(0.1, 10)
    inner = sequential(layers.Flatten(), layers.Dense(2))
    inner.compile(
        keras.optimizers.SGD(schedule, momentum=0.9),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy", keras.metrics.F1Score()],
    )
    inner.optimizer.build(inner.trainable_variables)
    outer = sequential(inner, layers.Softmax())
    outer.compile("adam", loss)
    return outer


def quantised(mode):
    model = sequential(layers.Dense(8), layers.Dense(4), shape=(6,))
    for layer in model.layers:
        layer.quantize(mode)
    return model


def in_precision(policy):
    return sequential(
        layers.Conv2D(2, 3, dtype=policy),
        layers.BatchNormalization(dtype=policy),
        layers.GlobalAveragePooling2D(dtype=policy),
    )


def wrapped():
    cell = layers.LSTM(2, return_sequences=True)
    return sequential(
        layers.Bidirectional(cell),
        layers.TimeDistributed(layers.Dense(2)),
        layers.RNN(layers.StackedRNNCells([layers.GRUCell(2), layers.LSTMCell(2)])),
        shape=(5, 3),
    )


def preprocessed():
    return sequential(
        layers.Normalization(mean=[1.0, 2.0, 3.0], variance=[1.0, 4.0, 9.0]),
        layers.RandomFlip(seed=1),
        layers.RandomRotation(0.1),
        layers.Resizing(4, 4),
        layers.Rescaling([1.0, 2.0, 3.0]),
    )


MODELS = {
    "graph": graph,
    "compiled": compiled,
    "custom": lambda: sequential(Twice(), Twice(layers.Dense(5, activation=steep))),
    "int8": lambda: quantised("int8"),
    "int4": lambda: quantised("int4"),
    "mixed_float16": lambda: in_precision("mixed_float16"),
    "mixed_bfloat16": lambda: in_precision("mixed_bfloat16"),
    "wrapped": wrapped,
    "preprocessed": preprocessed,
    "words": lambda: sequential(
        layers.StringLookup(vocabulary=["cat", "dog"]), layers.Embedding(4, 2), shape=()
    ),
    "LeNet5": applications.LeNet5,
    "MobileNetV3": lambda: keras.applications.MobileNetV3Small(
        (32, 32, 3), weights=None, classes=3
    ),
}


@pytest.mark.parametrize("name", MODELS)
def test_a_user_s_model_comes_back(name, tmp_path):
    keras.utils.set_random_seed(0)
    model = MODELS[name]()
    save_model(model, tmp_path / "model.keras")
    loaded = load_model(tmp_path / "model.keras")
    assert loaded is not model
    assert [x.name for x in loaded.weights] == [x.name for x in model.weights]
    for ours, theirs in zip(loaded.weights, model.weights, strict=True):
        assert ours.dtype == theirs.dtype
        np.testing.assert_array_equal(
            ops.convert_to_numpy(ours), ops.convert_to_numpy(theirs)
        )
    assert not loaded.compiled


def test_a_layer_must_be_registered_before(tmp_path, monkeypatch):
    save_model(sequential(Twice(name="mine")), tmp_path / "model.keras")
    monkeypatch.delitem(keras.saving.get_custom_objects(), "tests>Twice")
    with pytest.raises(KerasnetsError, match=r"'mine' \(.*Twice\) is no part"):
        load_model(tmp_path / "model.keras")


# --- written whole or not at all ---------------------------------------------------


@contextmanager
def full_disk(limit: int):
    """No file can become longer than ``limit`` bytes."""
    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, old[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old)


def dense(units):
    return sequential(layers.Dense(units), shape=(100,))


WRITERS = {
    "model": lambda path: save_model(dense(100), path),
    "bytes": lambda path: write_bytes(path, b"x" * 40_000),
    "text": lambda path: write_text(path, "ä" * 20_000),
}


@pytest.mark.parametrize("writer", WRITERS)
@pytest.mark.parametrize("existed", [True, False])
def test_a_full_disk_leaves_what_was_there(writer, existed, tmp_path):
    path = tmp_path / "file.keras"
    if existed:
        path.write_bytes(b"old")
    with full_disk(20_000), pytest.raises(OSError, match="File too large"):
        WRITERS[writer](path)
    assert list(tmp_path.iterdir()) == ([path] if existed else [])
    assert not existed or path.read_bytes() == b"old"
    WRITERS[writer](path)
    assert path.stat().st_size >= 40_000
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("writer", WRITERS)
def test_a_link_stays_and_its_file_is_replaced(writer, tmp_path):
    (tmp_path / "far").mkdir()
    target, link = tmp_path / "far" / "target.keras", tmp_path / "link.keras"
    link.symlink_to(target)
    for _ in range(2):
        WRITERS[writer](link)
        assert link.is_symlink()
        assert target.stat().st_size >= 40_000
    assert sorted(tmp_path.rglob("*")) == [tmp_path / "far", target, link]


@pytest.mark.parametrize(
    ("writer", "partial"),
    [("model", "file.partial.keras"), ("bytes", "file.keras.partial")],
)
def test_what_a_killed_writer_left_is_no_trap(writer, partial, tmp_path):
    victim = tmp_path / "victim"
    victim.write_bytes(b"precious")
    (tmp_path / partial).symlink_to(victim)
    WRITERS[writer](tmp_path / "file.keras")
    assert victim.read_bytes() == b"precious"
    assert not (tmp_path / partial).exists()


def test_readers_see_the_old_file_or_the_new_one(tmp_path):
    path = tmp_path / "model.keras"
    save_model(dense(3), path)
    seen, done = set(), threading.Event()

    def read():
        while not done.is_set():
            seen.add(path.read_bytes()[-22:])  # the end of an archive
            assert path.read_bytes()[:2] == b"PK"

    reader = threading.Thread(target=read)
    reader.start()
    for units in (4, 5, 6):
        save_model(dense(units), path)
    done.set()
    reader.join()
    assert seen
    assert all(end.startswith(b"PK\x05\x06") for end in seen)


def test_what_is_read_is_what_was_inspected(tmp_path, monkeypatch):
    path = tmp_path / "model.keras"
    save_model(dense(3), path)
    inspect = saving.untrusted.check_weights

    def inspect_and_replace(content, name):
        inspect(content, name)
        save_model(dense(4), path)

    monkeypatch.setattr(saving.untrusted, "check_weights", inspect_and_replace)
    assert load_model(path).output_shape == (None, 3)
    monkeypatch.undo()
    assert load_model(path).output_shape == (None, 4)


def keras_2_file(path, layer):
    """A file as Keras 2.21 writes it, with one layer after the input."""
    described = {
        "module": "keras.layers",
        "config": {"name": "one", **layer.pop("config")},
        "registered_name": None,
        **layer,
    }
    image = {
        "module": "keras.layers",
        "class_name": "InputLayer",
        "config": {"batch_input_shape": [None, 3], "name": "input_1"},
        "registered_name": None,
    }
    config = {
        "module": "keras",
        "class_name": "Sequential",
        "config": {"name": "net", "layers": [image, described]},
        "registered_name": None,
    }
    weights = io.BytesIO()
    with h5py.File(weights, "w") as file:
        file.create_group("layers")
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("metadata.json", json.dumps({"keras_version": "2.21.0"}))
        archive.writestr("config.json", json.dumps(config))
        archive.writestr("model.weights.h5", weights.getvalue())


@pytest.mark.parametrize(
    ("layer", "why"),
    [
        (
            {"class_name": "LocallyConnected1D", "config": {"filters": 2}},
            "LocallyConnected1D",
        ),
        (
            {"class_name": "LeakyReLU", "config": {"alphabet": 0.1}},
            "alphabet",
        ),
        (
            {"module": "tf_keras.layers", "class_name": "ReLU", "config": {}},
            "tf_keras",
        ),
    ],
)
def test_a_file_of_keras_2_is_called_so(layer, why, tmp_path):
    keras_2_file(tmp_path / "old.keras", layer)
    with pytest.raises(KerasnetsError, match=r"old\.keras is of Keras 2") as caught:
        load_model(tmp_path / "old.keras")
    message = str(caught.value)
    assert "2.21.0" in message
    assert why in message
    assert "\n" not in message


def test_a_file_of_keras_2_that_keras_3_knows_is_read(tmp_path):
    keras_2_file(tmp_path / "old.keras", {"class_name": "ReLU", "config": {}})
    assert [x.name for x in load_model(tmp_path / "old.keras").layers] == ["one"]


def test_saving_is_reached_from_the_package():
    assert kerasnets.saving.load_model is load_model
