"""Which devices a training is given, and what is refused before it begins."""

import json
from types import SimpleNamespace

import keras
import numpy as np
import pytest
import tensorflow as tf
from support.together import tf_config

from kerasnets.errors import KerasnetsError
from kerasnets.training import Devices, Recipe, find_devices, shim, train


@pytest.fixture(autouse=True)
def alone(monkeypatch):
    monkeypatch.delenv("TF_CONFIG", raising=False)


def replicas(count):
    """Devices that nothing can be computed on."""
    return Devices(SimpleNamespace(num_replicas_in_sync=count))


def test_one_device_is_the_default():
    for asked in (None, "1"):
        devices = find_devices(asked)
        assert devices == Devices()
        assert (devices.replicas, devices.is_first) == (1, True)


@pytest.mark.parametrize("text", ["", "{}", tf_config([2000], 0)])
def test_a_cluster_of_one_is_no_cluster(monkeypatch, text):
    monkeypatch.setenv("TF_CONFIG", text)
    assert find_devices() == Devices()


@pytest.mark.parametrize("asked", ["0", "-1", "two", "1.5", ""])
def test_other_numbers_of_devices_are_refused(asked):
    with pytest.raises(KerasnetsError, match="all or a number is accepted"):
        find_devices(asked)


def test_devices_that_are_not_there_are_refused():
    with pytest.raises(KerasnetsError, match=r"^99 devices: this machine has \d+ \("):
        find_devices("99")


def test_other_backends_are_refused(monkeypatch):
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    with pytest.raises(KerasnetsError, match="backend jax: tensorflow is accepted"):
        find_devices("all")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("cluster", "TF_CONFIG cannot be used: Expecting value"),
        ("[]", "TF_CONFIG cannot be used"),
        (json.dumps({"cluster": {"worker": ["a:1", "b:1"]}}), "TF_CONFIG has no 'task"),
        (tf_config([1, 2], 2), "the task worker 2 is not in its cluster"),
        (tf_config([1, 2], 0, "chief"), "the task chief 0 is not in its cluster"),
        (json.dumps({"cluster": {"ps": ["a:1"]}}), "the role 'ps'; chief and worker"),
    ],
)
def test_wrong_clusters_are_refused(monkeypatch, text, said):
    monkeypatch.setenv("TF_CONFIG", text)
    with pytest.raises(KerasnetsError, match=said):
        find_devices()


def test_a_chief_comes_before_the_workers(monkeypatch):
    made = []
    monkeypatch.setattr(
        tf.distribute, "MultiWorkerMirroredStrategy", lambda: made.append(1)
    )
    cluster = {"worker": ["a:1", "b:1"], "chief": ["c:1"]}
    for task, rank in ((("chief", 0), 0), (("worker", "0"), 1), (("worker", 1), 2)):
        config = {"cluster": cluster, "task": {"type": task[0], "index": task[1]}}
        monkeypatch.setenv("TF_CONFIG", json.dumps(config))
        devices = find_devices()
        assert (devices.rank, devices.processes) == (rank, 3)
        assert devices.is_first == (rank == 0)
    assert len(made) == 3


def test_processes_that_cannot_begin_are_told_in_a_line(monkeypatch):
    def fails():
        raise tf.errors.UnknownError(None, None, "Could not start gRPC server")

    monkeypatch.setattr(tf.distribute, "MultiWorkerMirroredStrategy", fails)
    monkeypatch.setenv("TF_CONFIG", tf_config([1, 2], 0))
    with pytest.raises(KerasnetsError, match="2 processes of TF_CONFIG do not come"):
        find_devices()


def test_other_versions_of_keras_are_refused():
    shim.check_keras("3.15.0")
    with pytest.raises(KerasnetsError, match=r"Keras 3.16.2 .* tested with 3.15 alone"):
        shim.check_keras("3.16.2")


def test_batches_that_do_not_divide_are_refused_before_the_first_step():
    recipe = Recipe(epochs=1, learning_rate=0.1, batch_size=50)
    said = "batches of 50 on 4 devices: each takes as many images; 48 or 52"
    with pytest.raises(KerasnetsError, match=said):
        train(keras.Sequential(), SimpleNamespace(), recipe, devices=replicas(4))  # type: ignore
    with pytest.raises(KerasnetsError, match="many images; 4 are accepted"):
        replicas(4).check(3, 1)
    with pytest.raises(KerasnetsError, match="accumulate is 2 on 4 devices"):
        replicas(4).check(48, 2)


def test_feeds_of_whole_batches_are_for_one_process():
    devices = Devices(SimpleNamespace(num_replicas_in_sync=2), 0, 2)
    with pytest.raises(KerasnetsError, match="in several processes a feed needs"):
        devices.dataset(SimpleNamespace(), 0, 1)  # type: ignore


def test_an_ended_process_is_told_in_a_line():
    message = "Collective ops is aborted by: Additional GRPC error information"
    with (
        pytest.raises(KerasnetsError) as told,
        Devices(SimpleNamespace(), 0, 3).together(),
    ):
        raise tf.errors.UnavailableError(None, None, message)
    text = str(told.value)
    assert text.startswith("another of the 3 processes has ended or cannot be reached")
    assert text.endswith("goes on from its newest state")


@pytest.mark.parametrize(
    ("images", "batch"), [(100, 32), (32, 32), (30, 28), (4, 4), (3, 0)]
)
def test_batches_of_few_images_divide(images, batch):
    four = Devices(SimpleNamespace(num_replicas_in_sync=4))
    assert four.batch_of(images, 32) == batch


def test_one_process_hears_itself():
    variable = keras.Variable(np.ones(2))
    assert Devices().begin_alike([variable], 7) == 7
    assert not Devices().any(False)
