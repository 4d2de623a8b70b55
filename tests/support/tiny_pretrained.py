"""The phone job from drawn weights: ``python tests/support/tiny_pretrained.py``.

Its arguments are the folder that ``make`` filled, which is to be KERAS_HOME, and that
of the run. Prints a line for each piece of work, so that a test can kill it there.
"""

import contextlib
import sys
from dataclasses import replace
from pathlib import Path

from kerasnets import phone


def make(folder: Path) -> None:
    """Write weights where keras.applications looks for ImageNet's, and images."""
    import keras

    from support.tiny_files import save_colours
    from support.weights import randomise, save_as_keras_2

    model = keras.applications.MobileNet((128, 128, 3), alpha=0.25, weights=None)
    (folder / "models").mkdir()
    save_as_keras_2(randomise(model), folder / "models" / "mobilenet_2_5_128_tf.h5")
    save_colours(folder / "colours.npz")


def settings(folder: Path) -> phone.PretrainedSettings:
    """One epoch of everything, as far as it goes, on images of 96 pixels."""
    usual = phone.choose_settings(
        data=f"npz:{folder / 'colours.npz'}",
        start="imagenet",
        max_madds=8_000_000,
        resolution=96,
    )
    assert isinstance(usual, phone.PretrainedSettings)

    def short(recipe):
        return replace(recipe, epochs=1, batch_size=4)

    return replace(
        usual,
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

    phone.run_with(settings(Path(folder)), Path(out), display=display)


if __name__ == "__main__":
    main(*sys.argv[1:])
