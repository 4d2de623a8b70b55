"""Which number format is chosen for which device."""

import keras
import pytest
import tensorflow as tf

from kerasnets.errors import KerasnetsError
from kerasnets.training import precision_policy, resolve_precision
from kerasnets.training.precision import PRECISIONS


@pytest.fixture
def devices(monkeypatch):
    """Pretend that TensorFlow sees GPUs of these capabilities, or a TPU."""

    def pretend(*capabilities, tpu=False):
        # the capability stands for the device; None is a GPU that does not tell
        monkeypatch.setattr(
            tf.config,
            "list_physical_devices",
            lambda kind: list(capabilities) if kind == "GPU" else [],
        )
        monkeypatch.setattr(
            tf.config,
            "list_logical_devices",
            lambda kind: ["tpu"] if tpu and kind == "TPU" else [],
        )
        monkeypatch.setattr(
            tf.config.experimental,
            "get_device_details",
            lambda gpu: {} if gpu is None else {"compute_capability": gpu},
        )

    return pretend


@pytest.mark.parametrize(
    ("capabilities", "policy"),
    [
        ([], "float32"),
        ([(7, 0)], "mixed_float16"),
        ([(8, 6)], "mixed_float16"),
        ([(10, 0)], "mixed_float16"),
        ([(6, 1)], "float32"),
        ([None], "float32"),
        ([(8, 6), (6, 1)], "float32"),
    ],
)
def test_auto_follows_the_tensor_cores(devices, capabilities, policy):
    devices(*capabilities)
    assert resolve_precision("auto") == policy


def test_auto_on_a_tpu_is_bfloat16(devices):
    devices(tpu=True)
    assert resolve_precision("auto") == "mixed_bfloat16"


@pytest.mark.skipif(
    bool(tf.config.list_physical_devices("GPU")), reason="the machine has a GPU"
)
def test_auto_on_this_machine_is_float32():
    assert resolve_precision("auto") == "float32"


@pytest.mark.parametrize("choice", [p for p in PRECISIONS if p != "auto"])
def test_what_is_chosen_is_taken(devices, choice):
    devices((6, 1))
    assert resolve_precision(choice) == choice


def test_unknown_precision_names_the_accepted():
    with pytest.raises(KerasnetsError) as caught:
        resolve_precision("float16")
    assert str(caught.value) == (
        "precision 'float16' is unknown: auto, float32, mixed_float16, mixed_bfloat16"
    )


def test_policy_holds_inside_and_returns_after():
    before = keras.config.dtype_policy()
    with precision_policy("mixed_bfloat16"):
        layer = keras.layers.Dense(1)
    assert (layer.compute_dtype, layer.variable_dtype) == ("bfloat16", "float32")
    assert keras.config.dtype_policy() == before


def test_policy_returns_after_an_error():
    before = keras.config.dtype_policy()
    with pytest.raises(KeyError), precision_policy("mixed_float16"):
        raise KeyError
    assert keras.config.dtype_policy() == before
