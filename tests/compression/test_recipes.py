"""What recipes leave in the model and in the int8 file."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from support import recipe_runs
from support.litert import answers as litert_answers
from support.once import made_once

from kerasnets.analysis import count_madds
from kerasnets.compression import RECIPES, compress, run, sparsity
from kerasnets.compression.settings import (
    ChannelSettings,
    ClusterSettings,
    PruneSettings,
    QATSettings,
    as_json,
    check_order,
    from_json,
)
from kerasnets.data import Augment, load_prepared, open_source, prepare
from kerasnets.errors import KerasnetsError
from kerasnets.export.flatbuffer import unpack

KERNELS = {
    schema.BuiltinOperator.CONV_2D,
    schema.BuiltinOperator.DEPTHWISE_CONV_2D,
    schema.BuiltinOperator.FULLY_CONNECTED,
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory, worker_id):
    """Digits of 8 pixels, the networks, and what the recipes made of them."""
    return made_once(tmp_path_factory, worker_id, "recipes", do_recipes)


def do_recipes(folder: Path) -> None:
    prepare(open_source("digits"), folder / "data", resolution=8, seed=0)
    for name in ("net", "odd", "symmetric", "bare"):
        keras.utils.set_random_seed(0)
        recipe_runs.network(name).save(folder / f"{name}.keras")
    script = Path(recipe_runs.__file__)
    done = subprocess.run(
        [sys.executable, str(script), str(folder)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def load(folder, name) -> keras.Model:
    model = keras.saving.load_model(folder / f"{name}.keras")
    assert isinstance(model, keras.Model)
    return model


def kernels(model, *names):
    return [np.asarray(model.get_layer(name).kernel) for name in names]


def int8_kernels(folder, name):
    """The kernels of the int8 file in its order, output channels last."""
    model = unpack((folder / f"{name}.tflite").read_bytes())
    (graph,) = model.subgraphs
    found = []
    for operator in graph.operators:
        if model.operatorCodes[operator.opcodeIndex].builtinCode in KERNELS:
            tensor = graph.tensors[operator.inputs[1]]
            assert tensor.type == schema.TensorType.INT8
            data = np.frombuffer(bytes(model.buffers[tensor.buffer].data), np.int8)
            found.append(np.moveaxis(data.reshape(tensor.shape), 0, -1))
    return found


def values_a_channel(kernel):
    return max(np.unique(kernel[..., i]).size for i in range(kernel.shape[-1]))


def zeros(kernel):
    return int((kernel == 0).sum())


def test_two_of_four(folder):
    model = load(folder, "two_of_four")
    stem, point, logits = kernels(model, "stem", "point", "logits")
    for kernel in (point, logits):  # 8 and 32 input channels
        fours = np.moveaxis(kernel, -2, -1).reshape(-1, 4)
        np.testing.assert_array_equal((fours == 0).sum(axis=1), 2)
    # of three input channels two stay
    np.testing.assert_array_equal((stem == 0).sum(axis=2), 1)


def test_sparsity_by_layer_stays_in_the_int8_file(folder):
    model = load(folder, "by_layer")
    stem, point, logits = kernels(model, "stem", "point", "logits")
    # a quarter of 216 is 54; 0.3 of all 864 is 259.2: the other 206 in the 256 of point
    assert [zeros(kernel) for kernel in (stem, point, logits)] == [54, 206, 0]
    stem_8, _, point_8, _ = int8_kernels(folder, "by_layer")
    assert not stem_8[stem == 0].any()
    assert not point_8[point == 0].any()


def test_blocks_of_dense_kernels(folder):
    (kernel,) = kernels(load(folder, "bare"), "logits")
    (pruned,) = kernels(load(folder, "blocks"), "logits")
    assert kernel.shape == (192, 10)
    blocks = (pruned == 0).reshape(48, 4, 2, 5).sum(axis=(1, 3))
    assert set(np.unique(blocks)) == {0, 20}
    assert (blocks == 20).sum() == 48


def test_policy_of_xnnpack_prunes_1x1_convolutions_alone(folder):
    shares = json.loads((folder / "xnnpack.json").read_text())
    # 0.2 of 864 is 172.8, of 256 weights
    assert shares == {"point": pytest.approx(173 / 256)}


def test_channels_with_values_of_their_own(folder):
    (stem,) = kernels(load(folder, "channels"), "stem")
    assert values_a_channel(stem) == 4
    assert np.unique(stem).size > 4
    assert values_a_channel(int8_kernels(folder, "channels")[0]) <= 4


def test_zeros_and_clusters_live_through_quantisation(folder):
    model = load(folder, "all_three")
    stem, point, logits = kernels(model, "stem", "point", "logits")
    # 0.2 of 864 zeros, all in point; the spared ends are clustered
    assert [zeros(kernel) for kernel in (stem, logits)] == [0, 0]
    assert zeros(point) >= 173
    assert [np.unique(kernel).size for kernel in (stem, point, logits)] == [8, 8, 8]
    stem_8, depth_8, point_8, logits_8 = int8_kernels(folder, "all_three")
    assert not point_8[point == 0].any()
    for kernel in (stem_8, point_8, logits_8):
        assert values_a_channel(kernel) <= 8
    assert np.unique(logits_8).size <= 8  # one scale for a dense kernel
    assert np.unique(depth_8).size > 8


@pytest.mark.parametrize("name", ["by_layer", "all_three", "float_layers"])
def test_int8_file_answers_like_the_float_network(folder, name):
    images = load_prepared(folder / "data").test.images[:64]
    model = load(folder, name)
    logits = model(images / np.float32(127.5) - 1)
    expected: Any = keras.ops.convert_to_numpy(keras.ops.softmax(logits))
    answers = litert_answers(folder / f"{name}.tflite", images)
    assert np.std(expected, axis=0).max() > 0.01
    assert np.corrcoef(answers.ravel(), expected.ravel())[0, 1] > 0.98


@pytest.mark.parametrize(
    ("case", "text"),
    [
        ("lrn", "lrn (KerasInside), multiply (OperationInside)"),
        ("lrn", "QATSettings(float_layers=('lrn', 'multiply'))"),
        ("zeros", "has sparsity 0.30, and cluster and qat would lose it"),
        ("no layer", "float_layers names lrn1"),
        ("lost", "point would lose their zeros"),
        ("blocks", "(2, 2) takes dense kernels alone; 'stem'"),
        ("tiles", "(5, 1) does not tile the kernel (32, 10) of 'logits'"),
        ("xnnpack", "MobileNet(padding='symmetric') is accepted"),
        ("name", "layers depth of 'net' have no kernel to compress"),
        ("layer_sparsity", "layer_sparsity names depth"),
        ("too much", "at most 0.24 is accepted"),  # 0.98 * 216 / 864
        ("ends", "(the ends are spared)"),
        ("clusters", "has more than 320 different weights"),
    ],
)
def test_refused_before_training(folder, case, text):
    assert text in json.loads((folder / "refusals.json").read_text())[case]


# a layer and its counterpart, as a user's module would register them
PLUGIN = """
import keras, tf_keras
from kerasnets.compression import register_counterpart

@keras.saving.register_keras_serializable("plugin")
class Same(keras.layers.Layer):
    def call(self, inputs):
        return inputs

register_counterpart(Same, lambda layer: tf_keras.layers.Activation("linear"))
"""

# Prunes and quantises with a teacher in a process of its own, as a user would.
SCRIPT = """
import sys
from pathlib import Path
import keras, own_layers
from kerasnets.compression import PruneSettings, QATSettings, compress

folder = Path(sys.argv[1])
if not (folder / "own.keras").exists():
    image = keras.Input((8, 8, 3))
    net = keras.saving.load_model(folder / "net.keras")
    keras.Model(image, net(own_layers.Same()(image))).save(folder / "own.keras")
compress(
    folder / "own.keras", folder / sys.argv[2], data=folder / "data",
    recipe=[
        PruneSettings().with_recipe(epochs=2, batch_size=256),
        QATSettings().with_recipe(epochs=2, batch_size=256),
    ],
    teacher_path=folder / "net.keras", plugins=["own_layers"], seed=1,
    checkpoint_seconds=0,
    progress=lambda done, total, note="": print(done, total, note, flush=True),
)
"""


def start(folder, out):
    (folder / "own_layers.py").write_text(PLUGIN)
    path = os.pathsep.join([str(folder), *filter(None, sys.path)])
    return subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(folder), out],
        env={**os.environ, "PYTHONPATH": path},
        stdout=subprocess.PIPE,
        text=True,
    )


@pytest.mark.slow
def test_killed_in_the_second_step_goes_on_there_and_ends_alike(folder):
    with start(folder, "unbroken.keras") as process:
        assert process.stdout is not None
        unbroken = process.stdout.read().splitlines()
    assert [line.rpartition(":")[0] for line in unbroken] == [
        f"{done} 4 {step}"
        for done, step in zip(
            (0, 1, 2, 2, 3, 4), ["prune"] * 3 + ["qat"] * 3, strict=True
        )
    ]
    with start(folder, "killed.keras") as process:
        assert process.stdout is not None
        assert any(line.startswith("3 4 qat: loss") for line in process.stdout)
        os.kill(process.pid, signal.SIGKILL)
    assert not (folder / "killed.tflite").exists()
    with start(folder, "killed.keras") as process:
        assert process.stdout is not None
        rerun = process.stdout.read().splitlines()
    # the child may have come further before it saw that its parent was gone
    assert rerun[0] == "2 4 prune: continued"
    assert rerun[1] in ("3 4 qat: continued", "4 4 qat: continued")
    with keras.saving.custom_object_scope({"plugin>Same": keras.layers.Identity}):
        models = [load(folder, name) for name in ("unbroken", "killed")]
    for ours, theirs in zip(*(model.get_weights() for model in models), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    files = [folder / f"{name}.tflite" for name in ("unbroken", "killed")]
    assert files[0].read_bytes() == files[1].read_bytes()
    assert sparsity(models[0]) >= 0.6
    assert not list(folder.glob("*checkpoint*"))


@pytest.mark.slow
def test_channels_go_before_other_steps_and_not_again_after_a_kill(
    folder, tmp_path, monkeypatch
):
    told = []
    given = {
        "data": folder / "data",
        "recipe": [
            ChannelSettings(madds=0.7, multiple=4).with_recipe(epochs=2),
            QATSettings().with_recipe(epochs=1, batch_size=256),
        ],
        "seed": 0,
        "checkpoint_seconds": 0,
        "progress": lambda *report: told.append(report),
    }

    def stop(record, _):
        if "out_path" in record:
            raise KeyboardInterrupt
        return []

    with monkeypatch.context() as patched:
        patched.setattr(run, "_run_worker", stop)
        with pytest.raises(KeyboardInterrupt):
            compress(folder / "net.keras", tmp_path / "out.keras", **given)
    left = {path.name for path in tmp_path.iterdir()}
    state = "out.step1.checkpoint.npz"
    assert left == {"out.step1.keras", state, f"{state}.before"}
    # each epoch, and some batches on the way
    assert {report[:2] for report in told} | {(0, 3)} == {(0, 3), (1, 3), (2, 3)}
    assert [report[:2] for report in told] == sorted(report[:2] for report in told)
    assert all(report[2].startswith("channels: epoch ") for report in told)
    told.clear()
    result = compress(folder / "net.keras", tmp_path / "out.keras", **given)
    assert [report[:2] for report in told] == [(2, 3), (3, 3)]
    assert all(report[2].startswith("qat: ") for report in told)
    assert len(result.validation) == 3
    assert {path.name for path in tmp_path.iterdir()} == {"out.keras", "out.tflite"}
    before, after = count_madds(load(folder, "net")), count_madds(load(tmp_path, "out"))
    assert after <= 0.7 * before
    shapes = [kernel.shape for kernel in int8_kernels(tmp_path, "out")]
    point = load(tmp_path, "out").get_layer("point").filters
    assert point < 32
    assert shapes[2][-1] == point


def test_recipes_combine_and_are_what_tf_mot_calls_so():
    for steps in RECIPES.values():
        check_order(steps)
    kinds = {name: [step.kind for step in steps] for name, steps in RECIPES.items()}
    assert kinds["pqat"] == ["prune", "qat"]
    assert kinds["cqat"] == ["cluster", "qat"]
    assert kinds["pcqat"] == ["prune", "cluster", "qat"]
    for name in ("channels", "prune", "cluster", "qat"):
        assert kinds[name] == [name]


def test_steps_survive_json():
    augment = Augment(translate=0.1, border="black")
    steps = [
        ChannelSettings(madds=0.4).with_recipe(batch_size=8),
        PruneSettings(block_size=(2, 2), layer_sparsity={"a": 0.5}, layers=("a", "b")),
        ClusterSettings(layers=("c",)).with_recipe(augment=augment),
        QATSettings(float_layers=("d",)).with_recipe(optimizer="sgd", epochs=3),
    ]
    for step in steps:
        assert from_json(json.loads(json.dumps(as_json(step)))) == step


@pytest.mark.parametrize(
    ("recipe", "text"),
    [
        ("pqcat", "recipe 'pqcat' is unknown: channels, prune, prune_2_4"),
        ([], "of the steps none; channels, prune, cluster, qat in this order"),
        ([QATSettings(), PruneSettings()], "of the steps qat, prune;"),
        ([PruneSettings(), PruneSettings()], "of the steps prune, prune;"),
        ([QATSettings(), ChannelSettings()], "of the steps qat, channels;"),
        (
            [PruneSettings(), ClusterSettings(number_of_clusters=2)],
            "2 after pruning; 3 or more are accepted",
        ),
    ],
)
def test_steps_that_do_not_combine_are_refused(tmp_path, recipe, text):
    with pytest.raises(KerasnetsError, match=text):
        compress("m.keras", tmp_path / "o.keras", data=tmp_path, recipe=recipe, seed=0)


@pytest.mark.parametrize(
    ("make", "changed", "text"),
    [
        (PruneSettings, {"schedule": "cubic"}, "'cubic': one of polynomial, constant"),
        (PruneSettings, {"pattern": "1:4"}, "'1:4': one of unstructured, 2:4"),
        (PruneSettings, {"pattern": "2:4"}, "sparsity 0.5, schedule 'constant'"),
        (PruneSettings, {"policy": "gpu"}, "'gpu': 'xnnpack' or None"),
        (PruneSettings, {"layer_sparsity": {"a": 1.0}}, "0 to below 1"),
        (PruneSettings, {"block_size": (0, 1)}, "two numbers of 1 or more"),
        (
            PruneSettings,
            {"schedule": "constant", "initial_sparsity": 0.1},
            "0.1 with a constant schedule: 0 is",
        ),
        (ChannelSettings, {"madds": 0}, "madds 0: above 0, at most 1 is accepted"),
        (ChannelSettings, {"multiple": 0}, "multiple 0: a whole number of 1 or more"),
        (ClusterSettings, {"number_of_clusters": 1}, "number_of_clusters 1: 2 or more"),
        (ClusterSettings, {"initialisation": "zero"}, "one of kmeans"),
    ],
)
def test_settings_are_checked(make, changed, text):
    with pytest.raises(KerasnetsError, match=text):
        make(**changed)
