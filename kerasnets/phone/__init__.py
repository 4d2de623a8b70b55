"""The main job: a set of images in, a verified LiteRT file for a phone out.

``run`` and ``run_with`` take the stages one after another; ``stages`` holds what each
of them does, ``settings`` what can be chosen.
"""

import contextlib
import functools
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from kerasnets.phone.job import Job
from kerasnets.phone.settings import Settings, choose_settings
from kerasnets.phone.stages import MODELS, STAGES
from kerasnets.progress import Progress, silent
from kerasnets.runs import open_run

__all__ = [
    "MODELS",
    "STAGES",
    "PhoneResult",
    "Settings",
    "choose_settings",
    "run",
    "run_with",
]


@dataclass(frozen=True)
class PhoneResult:
    """What a run came to.

    Attributes:
        folder: folder of the run.
        int8_file: the file for the phone.
        float_file: the same pruned network in float32.
        card: the model card.
        models: for each of ``MODELS`` its ``params``, ``madds``, ``accuracy`` (share of
            the test images), ``agreement`` with its Keras model, ``bytes``,
            ``gzip_bytes``, ``latency_ms`` (one thread) and ``sparsity``.
    """

    folder: Path
    int8_file: Path
    float_file: Path
    card: Path
    models: dict[str, dict[str, float]]


Display = Callable[[str, bool], contextlib.AbstractContextManager[Progress]]


def run(
    *,
    data: str = "digits",
    out: Path | str | None = None,
    teacher: str = "resnet20",
    student: str = "mobilenet",
    max_madds: int = 2_000_000,
    max_bytes: int = 350_000,
    trials: int | None = None,
    search_file: Path | None = None,
    resolution: int | None = None,
    precision: str = "auto",
    seed: int = 0,
    skip_bad_images: bool = False,
    fresh: bool = False,
    display: Display | None = None,
) -> PhoneResult:
    """Do the job as ``kerasnets phone`` does: the usual settings but for those given.

    ``out``, ``fresh`` and ``display`` are those of ``run_with``, the others those of
    ``choose_settings``; both say what they mean.

    Raises:
        KerasnetsError: a setting, the data or the folder cannot be used, no network
            meets the budget, or the file does not answer like its model.
    """
    settings = choose_settings(
        data=data,
        teacher=teacher,
        student=student,
        max_madds=max_madds,
        max_bytes=max_bytes,
        trials=trials,
        search_file=search_file,
        resolution=resolution,
        precision=precision,
        seed=seed,
        skip_bad_images=skip_bad_images,
    )
    return run_with(settings, out, fresh=fresh, display=display)


def run_with(
    settings: Settings,
    out: Path | str | None = None,
    *,
    fresh: bool = False,
    display: Display | None = None,
) -> PhoneResult:
    """Do the job with all of its settings in a folder, or what is left of it.

    Run again after it was stopped or killed, it goes on where it was and ends with the
    same files, byte for byte. A changed setting redoes the stages that depend on it and
    those after them.

    Args:
        settings: all of them; ``choose_settings`` gives the usual ones, and
            ``dataclasses.replace`` changes any.
        out: folder of the run, made if it is missing; by default
            saved_models/DATA-STUDENT.
        fresh: delete what an earlier run left in the folder.
        display: entered for each stage as ``display(name, done_before)``; gives what
            the stage tells its progress to.

    Raises:
        KerasnetsError: a setting, the data or the folder cannot be used, no network
            meets the budget, or the file does not answer like its model.
    """
    from kerasnets.data import open_source

    folder = settings.default_folder() if out is None else Path(out)
    show = display or _show_nothing
    values = settings.as_json()
    key = open_source(settings.data).fingerprint
    owned = {file.split("/")[0] for stage in STAGES for file in stage.leaves}
    identity = {"data": settings.data, "seed": settings.seed}
    with open_run(folder, identity, owned=sorted(owned), fresh=fresh) as opened:
        results: dict[str, dict] = {}
        done = True
        for stage in STAGES:
            used = {name: values[name] for name in stage.uses}
            key = hashlib.sha256(json.dumps([key, used]).encode()).hexdigest()
            record = {**used, "key": key}
            done = done and opened.holds(stage.name, record, stage.files)
            with show(stage.name, done) as progress:
                if not done:
                    job = Job(folder, settings, key, results, progress)
                    opened.do(
                        stage.name,
                        functools.partial(stage.work, job),
                        settings=record,
                        files=stage.files,
                    )
            results[stage.name] = opened.results(stage.name)
            opened.models = results.get("verify", {}).get("models", {})
        opened.save()
    return PhoneResult(
        folder=folder,
        int8_file=folder / "int8.tflite",
        float_file=folder / "pruned.tflite",
        card=folder / "README.md",
        models=opened.models,
    )


def _show_nothing(name: str, done: bool) -> contextlib.AbstractContextManager[Progress]:
    del name, done
    return contextlib.nullcontext(silent)
