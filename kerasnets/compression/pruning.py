"""Magnitude pruning of a saved model, in a child process.

TF-MOT prunes tf_keras models, and importing it turns ``tf.keras`` of the whole process
into tf_keras: only the child (``worker``) ever imports it.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING

from kerasnets.errors import KerasnetsError
from kerasnets.progress import Progress, silent

if TYPE_CHECKING:
    from kerasnets.data import Augment


@dataclass(frozen=True)
class PruneSettings:
    """How a network is pruned.

    The zeros grow from ``initial_sparsity`` to ``sparsity`` along the cubic schedule
    of Zhu and Gupta 2017 (arXiv 1710.01878), smallest weights of each kernel first,
    while the network trains on with Adam and a learning rate that falls to zero along
    half a cosine.

    Attributes:
        sparsity: share of zeros in the end, over all convolution and dense kernels.
        initial_sparsity: share of zeros after the first update.
        epochs: passes over the training images.
        batch_size: images a step.
        learning_rate: at the first step.
        begin, end: first and last update of the zeros, as shares of the training.
        frequency: steps between two updates.
        temperature: of the soft targets; used with a teacher only.
        soft_weight: share of the soft targets in the loss, the labels have the rest;
            used with a teacher only.
        augment: random changes of the training images.
    """

    sparsity: float = 0.6
    initial_sparsity: float = 0.0
    epochs: int = 20
    batch_size: int = 64
    learning_rate: float = 1e-3
    begin: float = 0.0
    end: float = 0.7
    frequency: int = 10
    temperature: float = 4.0
    soft_weight: float = 0.5
    augment: "Augment | None" = None

    def __post_init__(self):
        for valid, text in (
            (
                0 <= self.initial_sparsity <= self.sparsity < 1,
                f"initial_sparsity {self.initial_sparsity} and sparsity "
                f"{self.sparsity}: 0 <= initial_sparsity <= sparsity < 1",
            ),
            (
                0 <= self.begin < self.end <= 1,
                f"begin {self.begin} and end {self.end}: 0 <= begin < end <= 1",
            ),
            (
                min(self.epochs, self.batch_size, self.frequency) >= 1,
                f"epochs {self.epochs}, batch_size {self.batch_size} and frequency "
                f"{self.frequency}: each at least 1",
            ),
            (self.learning_rate > 0, f"learning_rate {self.learning_rate}: above 0"),
            (self.temperature > 0, f"temperature {self.temperature}: above 0"),
            (0 <= self.soft_weight <= 1, f"soft_weight {self.soft_weight}: 0 to 1"),
        ):
            if not valid:
                raise KerasnetsError(f"pruning settings: {text} is accepted")

    def update_steps(self, steps: int) -> range:
        """The training steps, of 1 to ``steps``, at which the zeros are updated.

        The last one is at ``end``, whatever the frequency: it brings the full
        sparsity.
        """
        end = max(1, round(self.end * steps))
        begin = min(round(self.begin * steps), end - 1)
        frequency = min(self.frequency, end - begin)
        return range(begin + (end - begin) % frequency, end + 1, frequency)


def prune(
    model_path: str | Path,
    out_path: str | Path,
    *,
    data: str | Path,
    settings: PruneSettings | None = None,
    teacher_path: str | Path | None = None,
    seed: int,
    checkpoint_seconds: float = 10.0,
    progress: Progress = silent,
) -> None:
    """Prune a saved Keras model while training it on, and save the result.

    A call that was killed leaves ``OUT.checkpoint.npz`` beside ``out_path``; the same
    call goes on from there and ends with the same weights, bit for bit. This process
    stays as it is: TF-MOT runs in a child process, which ends with this one.

    Args:
        model_path: ``.keras`` file of a functional float32 classifier, from images
            (size, size, 3) in [-1, 1] to logits.
        out_path: ``.keras`` file to write.
        data: folder of prepared images (``kerasnets.data.prepare``).
        settings: by default ``PruneSettings()``.
        teacher_path: ``.keras`` file of a classifier of the same classes, from images
            in [-1, 1] to logits; the loss is then ``distillation_loss``.
        seed: of everything random.
        checkpoint_seconds: least time between two writes of the checkpoint.
        progress: told after each epoch, with loss and accuracy on the training images.

    Raises:
        KerasnetsError: a file is missing or unfit, the sparsity cannot be reached, the
            loss is no longer finite, or the child process failed; the child's whole
            error output is then in the notes of the error.
    """
    out_path = Path(out_path)
    if out_path.suffix != ".keras":
        raise KerasnetsError(f"cannot save to {str(out_path)!r}: name a .keras file")
    for path in (model_path, teacher_path, data):
        if path is not None and not Path(path).exists():
            raise KerasnetsError(f"cannot prune: {str(path)!r} does not exist")
    job = {
        "model_path": str(model_path),
        "out_path": str(out_path),
        "data": str(data),
        "settings": asdict(settings or PruneSettings()),
        "teacher_path": None if teacher_path is None else str(teacher_path),
        "seed": seed,
        "checkpoint_seconds": checkpoint_seconds,
    }
    _run_worker(job, progress)


def _run_worker(job: dict, progress: Progress) -> None:
    """Run the job in a child process and wait for its end."""
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
            message = _follow(child.stdout, progress)
            code = child.wait()
        finally:
            child.kill()
        if code:
            noise.seek(0)
            output = noise.read()
            last_line = (output.strip().splitlines() or [f"exit code {code}"])[-1]
            error = KerasnetsError(f"pruning failed: {message or last_line}")
            error.add_note(output)
            raise error


def _follow(lines: Iterable[str] | IO[str], progress: Progress) -> str:
    """Pass on the child's progress until its end; the message of its error, if any."""
    message = ""
    for line in lines:
        report = json.loads(line)
        if "error" in report:
            message = report["error"]
        else:
            progress(report["done"], report["total"], report["note"])
    return message
