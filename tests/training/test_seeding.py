"""One seed for Python, NumPy, TensorFlow, and the names that Keras makes up."""

import random

import keras
import numpy as np
import pytest
import tensorflow as tf

from kerasnets.training import seed_everything


def draws(seed):
    seed_everything(seed)
    layer = keras.layers.Dense(3)
    layer.build((None, 2))
    return [
        random.random(),
        np.random.rand(),  # the global generator, which libraries draw from
        float(tf.random.uniform(())),
        float(keras.random.uniform(())),
        np.asarray(layer.kernel).tolist(),
    ]


def test_same_seed_draws_the_same():
    assert draws(5) == draws(5)


def test_another_seed_draws_other_numbers():
    for ours, theirs in zip(draws(5), draws(6), strict=True):
        assert ours != theirs


def test_names_start_from_one_again():
    seed_everything(0)
    names = [keras.layers.Dense(1).name, keras.layers.Dense(1).name]
    seed_everything(0)
    assert [keras.layers.Dense(1).name, keras.layers.Dense(1).name] == names


def test_operations_are_deterministic():
    seed_everything(0)
    tf.random.set_seed(None)
    try:
        # TensorFlow lets nothing draw without a seed when operations must repeat
        with pytest.raises(RuntimeError, match="determinism is enabled"):
            tf.random.uniform(())
    finally:
        seed_everything(0)
