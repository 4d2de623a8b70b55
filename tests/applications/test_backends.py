"""The zoo on JAX: the same outputs from the same weights."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from support import tiny_zoo

TESTS = Path(tiny_zoo.__file__).parents[1]


@pytest.mark.peers
def test_every_family_answers_on_jax_as_on_tensorflow():
    path = os.pathsep.join([str(TESTS), str(TESTS.parent)])
    child = subprocess.run(
        [sys.executable, tiny_zoo.__file__],
        env={
            **os.environ,
            "KERAS_BACKEND": "jax",
            "PYTHONPATH": path,
            # most of the time goes to compiling, not to computing
            "XLA_FLAGS": "--xla_backend_optimization_level=0",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert child.returncode == 0, child.stderr[-3000:]
    on_jax, expected = json.loads(child.stdout.splitlines()[-1]), tiny_zoo.outputs()
    assert on_jax.keys() == expected.keys()
    for name, logits in expected.items():
        scale = np.abs(logits).max()
        assert np.ptp(logits, axis=0).max() > 1e-3 * scale, name
        np.testing.assert_allclose(
            on_jax[name], logits, atol=1e-4 * scale, err_msg=name
        )
