"""The phone job from ImageNet weights: ``python tests/support/tiny_pretrained.py``.

Its arguments are a folder with ``blobs.npz`` and that of the run; KERAS_HOME is to have
the weights. Prints a line for each piece of work, so that a test can kill it there.
"""

import contextlib
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

from kerasnets import phone
from kerasnets.training import find_devices

QUARTER = "mobilenet_2_5_128_tf.h5"
# of no run: for stages whose networks are stand-ins
SETTINGS = phone.PretrainedSettings(
    data="folder:photos",
    seed=0,
    networks=("MobileNet",),
    weights=(),
    max_madds=1,
    max_bytes=1,
    max_latency=None,
    on_phone=False,
    max_loss=1.0,
    resolution=8,
    skip_bad_images=False,
)


def save_blobs(path: Path) -> None:
    """Write an npz file of 120 pictures of three classes: a red, green or blue disc."""
    draw = np.random.default_rng(0)
    labels = np.arange(120) % 3
    rows, columns = np.mgrid[:32, :32]
    images = draw.integers(60, 120, (120, 1, 1, 3)) + np.zeros((1, 32, 32, 1), int)
    for image, label in zip(images, labels, strict=True):
        row, column = draw.integers(10, 22, 2)
        inside = (rows - row) ** 2 + (columns - column) ** 2 < draw.integers(30, 90)
        image[inside] = np.roll([230, 30, 30], label)
    np.savez(path, x_train=images.astype("uint8"), y_train=labels)


def settings(folder: Path) -> phone.PretrainedSettings:
    """An epoch or two of everything, on images of 96 pixels."""
    usual = phone.choose_settings(
        data=f"npz:{folder / 'blobs.npz'}",
        start="imagenet",
        max_madds=8_000_000,
        resolution=112,
    )
    assert isinstance(usual, phone.PretrainedSettings)

    def short(recipe):
        return replace(recipe, epochs=2, batch_size=16)

    return replace(
        usual,
        weights=tuple(each for each in usual.weights if each[0] == QUARTER),
        teacher_recipe=short(usual.teacher_recipe),
        student_recipe=short(usual.student_recipe),
        distil_recipe=short(usual.distil_recipe),
        views=2,
        sparsities=(0.3,),
        pruning=usual.pruning.with_recipe(epochs=1, batch_size=16),
        awareness=usual.awareness.with_recipe(epochs=1, batch_size=16),
        calibration=10,
    )


def main(folder: str, out: str) -> None:
    """Run it, a printed line a piece of work."""

    def display(name: str, done: bool):
        def progress(finished: int, total: int, note: str = "") -> None:
            print(name, finished, total, note, flush=True)

        print(name, "done" if done else "started", flush=True)
        return contextlib.nullcontext(progress)

    # two epochs are to be two
    sys.modules["kerasnets.transfer.finetune"]._LEAST_STEPS = 1  # type: ignore
    devices = find_devices()
    phone.run_with(settings(Path(folder)), Path(out), devices=devices, display=display)


if __name__ == "__main__":
    main(*sys.argv[1:])
