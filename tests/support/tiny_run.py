"""The main job at its smallest: ``python tests/support/tiny_run.py FOLDER``.

Prints a line when a stage starts, so that a test can kill it there.
"""

import contextlib
import sys
from dataclasses import replace
from pathlib import Path

from kerasnets import phone
from kerasnets.compression import PruneSettings
from kerasnets.progress import silent
from kerasnets.training import find_devices
from kerasnets.tuning import SearchPlan


def tiny_settings(**changes) -> phone.Settings:
    """One epoch of everything, LeNet-5 for the phone, on all the digits."""
    settings = phone.choose_settings(teacher="lenet5", student="lenet5")
    return replace(
        settings,
        resolution=32,
        search=SearchPlan({"rho": (1.0,)}, "random", trials=1, epochs=1),
        teacher_recipe=replace(settings.teacher_recipe, epochs=1, learning_rate=0.01),
        student_recipe=replace(settings.student_recipe, epochs=1),
        distil_recipe=replace(settings.distil_recipe, epochs=1),
        pruning=PruneSettings(sparsity=0.5).with_recipe(epochs=1),
        calibration=20,
        **changes,
    )


def main(folder: str) -> None:
    """Run it, a printed line a stage."""

    def display(name: str, done: bool):
        print(name, "done" if done else "started", flush=True)
        return contextlib.nullcontext(silent)

    devices = find_devices()
    phone.run_with(tiny_settings(), Path(folder), devices=devices, display=display)


if __name__ == "__main__":
    main(*sys.argv[1:])
