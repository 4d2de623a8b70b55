"""Compression of a saved model, step by step, in a child process.

TF-MOT works on tf_keras models, and importing it turns ``tf.keras`` of the whole
process into tf_keras: only the child (``worker``) ever imports it.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from kerasnets.compression.settings import (
    ClusterSettings,
    PruneSettings,
    QATSettings,
    Settings,
    as_json,
    check_order,
)
from kerasnets.errors import KerasnetsError
from kerasnets.progress import Progress, silent

# with it the zipped int8 file of a small network is a tenth of its float32 file
_MOSTLY_ZEROS = PruneSettings(sparsity=0.8)
_TWO_OF_FOUR = PruneSettings(pattern="2:4", sparsity=0.5, schedule="constant")

# what combines, with settings that suit small networks
RECIPES: dict[str, tuple[Settings, ...]] = {
    "prune": (PruneSettings(),),
    "prune_2_4": (_TWO_OF_FOUR,),
    "prune_xnnpack": (PruneSettings(policy="xnnpack"),),
    "cluster": (ClusterSettings(),),
    "prune_cluster": (PruneSettings(), ClusterSettings()),
    "qat": (QATSettings(),),
    "pqat": (PruneSettings(), QATSettings()),
    "cqat": (ClusterSettings(), QATSettings()),
    "pcqat": (_MOSTLY_ZEROS, ClusterSettings(), QATSettings()),
}


@dataclass(frozen=True)
class Compression:
    """What a compression came to.

    Attributes:
        validation: Accuracy on the validation images, before the first step and after
            each.
    """

    validation: tuple[float, ...]


def compress(
    model_path: str | Path,
    out_path: str | Path,
    *,
    data: str | Path,
    recipe: str | Sequence[Settings],
    teacher_path: str | Path | None = None,
    seed: int,
    plugins: Sequence[str] = (),
    checkpoint_seconds: float = 10.0,
    progress: Progress = silent,
) -> Compression:
    """Compress a saved Keras model while training it on, and save the result.

    Each step keeps what those before it did: clustering after pruning keeps the zeros,
    quantisation-aware training keeps zeros and clusters. Everything that can be known
    is checked before the first step trains.

    A call that was killed leaves ``OUT.step1.checkpoint.npz`` and the like beside
    ``out_path``; the same call goes on from there, does no finished step again and
    ends with the same weights, bit for bit. This process stays as it is: TF-MOT runs
    in a child process, which ends with this one.

    Args:
        model_path: ``.keras`` file of a functional float32 classifier, from images
            (size, size, 3) in [-1, 1], or as ``applications.preprocessing`` says, to
            logits.
        out_path: ``.keras`` file to write. A recipe that ends in quantisation-aware
            training writes the int8 file beside it too, the same name with
            ``.tflite``: uint8 pixels to uint8 probabilities.
        data: folder of prepared images (``kerasnets.data.prepare``).
        recipe: a name in ``RECIPES``, or settings of the steps in the order prune,
            cluster, quantise; each may be left out.
        teacher_path: ``.keras`` file of a classifier of the same classes, of images to
            logits; every step then learns from both, see ``training.Objective``.
        seed: of everything random.
        plugins: modules that the child imports first, by their full names: those that
            register Keras layers of your own and their counterparts in tf_keras
            (``register_counterpart``).
        checkpoint_seconds: least time between two writes of a checkpoint.
        progress: told after each epoch, with loss and accuracy on the training images.

    Returns:
        The accuracy on the validation images, before the first step and after each:
        whoever calls decides what is too much.

    Raises:
        KerasnetsError: the steps do not combine, a file is missing or unfit, a layer
            cannot be compressed, the sparsity cannot be reached, the loss is no longer
            finite, or the child process failed; the child's whole error output is then
            in the notes of the error.
    """
    steps = _steps(recipe)
    out_path = Path(out_path)
    if out_path.suffix != ".keras":
        raise KerasnetsError(f"cannot save to {str(out_path)!r}: name a .keras file")
    for path in (model_path, teacher_path, data):
        if path is not None and not Path(path).exists():
            raise KerasnetsError(f"cannot compress: {str(path)!r} does not exist")
    job = {
        "model_path": str(model_path),
        "out_path": str(out_path),
        "data": str(data),
        "steps": [as_json(step) for step in steps],
        "teacher_path": None if teacher_path is None else str(teacher_path),
        "seed": seed,
        "plugins": list(plugins),
        "checkpoint_seconds": checkpoint_seconds,
    }
    return Compression(tuple(_run_worker(job, progress)))


def _steps(recipe: str | Sequence[Settings]) -> tuple[Settings, ...]:
    """The steps of a recipe, by name or as they are."""
    if isinstance(recipe, str):
        if recipe not in RECIPES:
            raise KerasnetsError(
                f"there is no recipe {recipe!r}; {', '.join(RECIPES)} are accepted"
            )
        return RECIPES[recipe]
    steps = tuple(recipe)
    check_order(steps)
    return steps


def _run_worker(job: dict, progress: Progress) -> list[float]:
    """Run the job in a child process and wait for its end; the accuracies."""
    with (
        tempfile.TemporaryFile("w+", errors="replace") as noise,
        subprocess.Popen(
            [sys.executable, "-m", "kerasnets.compression.worker", json.dumps(job)],
            stdin=subprocess.PIPE,  # never written: its end tells the child of ours
            stdout=subprocess.PIPE,
            stderr=noise,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        ) as child,
    ):
        try:
            assert child.stdout is not None
            last = _follow(child.stdout, progress)
            code = child.wait()
        finally:
            child.kill()
            child.wait()  # after an interrupt Popen waits a quarter of a second only
        if code:
            noise.seek(0)
            output = noise.read()
            last_line = (output.strip().splitlines() or [f"exit code {code}"])[-1]
            error = KerasnetsError(
                f"compression failed: {last.get('error', last_line)}"
            )
            error.add_note(output)
            raise error
    return last["validation"]


def _follow(lines: Iterable[str] | IO[str], progress: Progress) -> dict:
    """Pass on the child's progress until its end; its result or error, if any."""
    last = {}
    for line in lines:
        report = json.loads(line)
        if "done" in report:
            progress(report["done"], report["total"], report["note"])
        else:
            last = report
    return last
