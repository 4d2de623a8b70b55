"""With TensorFlow's oneDNN kernels, which the command line turns on, and without."""

import os
import subprocess
import sys

import pytest

# prints the bits of a network that was trained in one go, or stopped and continued
SCRIPT = """
import hashlib, sys
from pathlib import Path
import keras, numpy as np
from keras import layers
from kerasnets.data import Augment, Split, batches
from kerasnets.training import Checkpoint, Recipe, seed_everything, train

class Stopped(Exception):
    pass

def run(stop):
    seed_everything(0)
    x = image = keras.Input((12, 12, 3))
    for filters in (16, 32):
        x = layers.Conv2D(filters, 3, padding="same", use_bias=False)(x)
        x = layers.ReLU(6.0)(layers.BatchNormalization()(x))
        x = layers.DepthwiseConv2D(3, padding="same")(x)
    x = layers.Dropout(0.3)(layers.GlobalAveragePooling2D()(x))
    model = keras.Model(image, layers.Dense(3)(x))
    draw = np.random.default_rng(0)
    images = draw.integers(0, 256, (48, 12, 12, 3), "uint8")
    split = Split(images, draw.integers(0, 3, 48), tuple(map(str, range(48))))
    feed = batches(split, size=12, batch_size=16, seed=0, augment=Augment(flip=True))

    def progress(done, total, note):
        if stop and done >= 4:  # in the second epoch, or at its end
            raise Stopped

    checkpoint = Checkpoint(Path(sys.argv[1]), {}, seconds=0)
    recipe = Recipe(epochs=3, learning_rate=0.1, weight_decay=1e-3)
    train(model, feed, recipe, checkpoint=checkpoint, progress=progress)
    return hashlib.sha256(b"".join(w.tobytes() for w in model.get_weights()))

if sys.argv[2] == "stopped":
    try:
        run(stop=True)
    except Stopped:
        pass
print(run(stop=False).hexdigest())
"""


@pytest.mark.slow
@pytest.mark.parametrize("onednn", [pytest.param("0", marks=pytest.mark.slow), "1"])
def test_training_and_resume_repeat_bit_for_bit(tmp_path, onednn):
    digests = []
    for way in ("unbroken", "stopped"):
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT, str(tmp_path / f"{way}.npz"), way],
            env={
                **os.environ,
                "TF_ENABLE_ONEDNN_OPTS": onednn,
                "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
            },
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        digests.append(done.stdout.split()[-1])
    assert len(digests[0]) == 64
    assert digests[0] == digests[1]


@pytest.mark.parametrize("stated", [None, "512"])
def test_no_compiled_operation_is_dropped_unless_asked_for(stated):
    name = "ONEDNN_PRIMITIVE_CACHE_CAPACITY"
    env = {key: value for key, value in os.environ.items() if key != name}
    env["PYTHONPATH"] = os.pathsep.join(filter(None, sys.path))
    done = subprocess.run(
        [sys.executable, "-c", f"import os, kerasnets; print(os.environ['{name}'])"],
        env=env | ({name: stated} if stated else {}),
        capture_output=True,
        text=True,
        check=True,
    )
    assert int(done.stdout) == int(stated or 65_536)
