"""Compression of a saved model, step by step: channels here, TF-MOT in a child process.

TF-MOT works on tf_keras models, and importing it turns ``tf.keras`` of the whole
process into tf_keras: only the child (``worker``) ever imports it.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from kerasnets.children import environment
from kerasnets.compression.channels.step import narrowed, remove_channels
from kerasnets.compression.job import Job
from kerasnets.compression.networks import load_networks
from kerasnets.compression.recipes import steps_of
from kerasnets.compression.settings import ChannelSettings, Settings, as_json
from kerasnets.data import load_prepared
from kerasnets.errors import KerasnetsError
from kerasnets.progress import Progress, silent
from kerasnets.saving import import_plugins, save_model
from kerasnets.training import Devices


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
    devices: Devices | None = None,
    progress: Progress = silent,
) -> Compression:
    """Compress a saved Keras model while training it on, and save the result.

    Each step keeps what those before it did: clustering after pruning keeps the zeros,
    quantisation-aware training keeps zeros and clusters. Everything that can be known
    is checked before the first step trains.

    A call that was killed leaves ``OUT.step1.checkpoint.npz`` and the like beside
    ``out_path``; the same call goes on from there, does no finished step again and
    ends with the same weights, bit for bit. TF-MOT runs in a child process, which ends
    with this one; channels are removed in this process, which is seeded for it.

    Args:
        model_path: ``.keras`` file of a functional float32 classifier, from images
            (size, size, 3), preprocessed as ``pixels.pixels_of`` says, to logits; of
            two classes one logit or one sigmoid may tell.
        out_path: ``.keras`` file to write. A recipe that ends in quantisation-aware
            training writes the int8 file beside it too, the same name with
            ``.tflite``: uint8 pixels to uint8 probabilities, one for each class; one
            logit z becomes two that differ by z, whose softmax is its sigmoid.
        data: Folder of prepared images (``kerasnets.data.prepare``).
        recipe: A name in ``RECIPES``, or settings of the steps in the order channels,
            prune, cluster, quantise; each may be left out.
        teacher_path: ``.keras`` file of a classifier of the same classes, of images to
            logits; every step then learns from both, see ``training.Objective``.
        seed: Of everything random.
        plugins: Modules that are imported first, by their full names: those that
            register Keras layers of your own and their counterparts in tf_keras
            (``register_counterpart``).
        checkpoint_seconds: Least time between two writes of a checkpoint.
        devices: Where the first step trains what is left of the channels; None for one
            device. In other processes than the first this does nothing else. What
            TF-MOT does takes one device.
        progress: Told after each epoch, with loss and accuracy on the training images.

    Returns:
        The accuracy on the validation images, before the first step and after each:
        whoever calls decides what is too much.

    Raises:
        KerasnetsError: The steps do not combine, a file is missing or unfit, a layer
            cannot be compressed, the sparsity cannot be reached, the loss is no longer
            finite, or the child process failed; the child's whole error output is then
            in the notes of the error.
    """
    job = Job(
        model_path=Path(model_path),
        out_path=Path(out_path),
        data=Path(data),
        steps=steps_of(recipe),
        teacher_path=None if teacher_path is None else Path(teacher_path),
        seed=seed,
        plugins=tuple(plugins),
        checkpoint_seconds=checkpoint_seconds,
    )
    _check_paths(job)
    accuracies: list[float] = []
    devices = devices or Devices()
    if job.removes_channels:
        if job.needs_tfmot and devices.is_first:
            check_recipe(
                model_path,
                job.steps,
                classes=len(load_prepared(job.data).class_names),
                teacher_path=teacher_path,
                plugins=plugins,
            )
        accuracies = remove_channels(job, devices, progress)
    if not devices.is_first:
        return Compression(tuple(accuracies))
    if job.needs_tfmot:
        accuracies = [*accuracies[:-1], *_run_worker(job.as_json(), progress)]
    job.clean_up()
    return Compression(tuple(accuracies))


def check_recipe(
    model_path: str | Path,
    recipe: str | Sequence[Settings],
    *,
    classes: int,
    teacher_path: str | Path | None = None,
    plugins: Sequence[str] = (),
) -> None:
    """Refuse what ``compress`` would refuse of the networks, without any image.

    Args:
        model_path: As for ``compress``.
        recipe: As for ``compress``.
        classes: Number of classes of the data.
        teacher_path: As for ``compress``.
        plugins: As for ``compress``.

    Raises:
        KerasnetsError: A network is no such classifier, or a step cannot be done.
    """
    steps = steps_of(recipe)
    import_plugins(plugins)
    teacher = None if teacher_path is None else Path(teacher_path)
    model = load_networks(Path(model_path), teacher, steps, classes).model
    path = Path(model_path)
    if isinstance(steps[0], ChannelSettings):
        model = narrowed(model, steps[0])
    if steps[-1].kind == "channels":
        return
    with tempfile.TemporaryDirectory() as folder:
        if isinstance(steps[0], ChannelSettings):
            path = Path(folder) / "narrowed.keras"
            save_model(model, path)
        record = {
            "model_path": str(path),
            "steps": [as_json(step) for step in steps],
            "classes": classes,
            "plugins": list(plugins),
        }
        _run_worker(record, silent)


def _check_paths(job: Job) -> None:
    """Refuse files that are not there."""
    if job.out_path.suffix != ".keras":
        raise KerasnetsError(
            f"cannot save to {str(job.out_path)!r}: name a .keras file"
        )
    for path in (job.model_path, job.teacher_path, job.data):
        if path is not None and not path.exists():
            raise KerasnetsError(f"cannot compress: {str(path)!r} does not exist")


def _run_worker(job: dict, progress: Progress) -> list[float]:
    """Do a worker's job in a child process, to its end; the accuracies."""
    with (
        tempfile.TemporaryFile("w+", errors="replace") as noise,
        subprocess.Popen(
            [sys.executable, "-m", "kerasnets.compression.worker", json.dumps(job)],
            stdin=subprocess.PIPE,  # never written: its end tells the child of ours
            stdout=subprocess.PIPE,
            stderr=noise,
            text=True,
            env=environment(),
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
