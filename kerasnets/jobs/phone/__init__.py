"""The main job: a set of images in, a verified LiteRT file for a phone out.

``run`` and ``run_with`` take the stages one after another. A run begins with networks
that know ImageNet (``pretrained`` holds its stages, ``ranking`` how they are ranked,
``pretrained_settings`` what can be chosen) or with random weights (``stages``,
``settings``): ``start`` decides. ``files`` is what both begin and end with.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Unpack

from kerasnets.jobs.phone import pretrained, stages
from kerasnets.jobs.phone.choices import Choice, choose
from kerasnets.jobs.phone.pretrained_settings import PretrainedSettings
from kerasnets.jobs.phone.settings import Choices, Settings
from kerasnets.jobs.phone.stages import MODELS, STAGES
from kerasnets.runs import Display, Stage, follow, run_stages
from kerasnets.training import Devices, Recipe, find_devices

__all__ = [
    "MODELS",
    "STAGES",
    "Choice",
    "PhoneResult",
    "PretrainedSettings",
    "Settings",
    "choose",
    "choose_settings",
    "run",
    "run_with",
    "stages_of",
]


@dataclass(frozen=True)
class PhoneResult:
    """What a run came to.

    Attributes:
        folder: Folder of the run.
        int8_file: the file for the phone.
        float_file: The same network in float32.
        card: The model card.
        models: For each file of the run, by name, its ``params``, ``madds``,
            ``accuracy`` (share of the test images), ``agreement`` with its Keras model,
            ``bytes``, ``gzip_bytes``, ``latency_ms`` (one thread) and ``sparsity``.
        test_images: On how many the accuracy was measured.
        notes: What a person should know besides, a sentence each: files that were left
            out, mirroring that is off, stages that were not taken.
    """

    folder: Path
    int8_file: Path
    float_file: Path
    card: Path
    models: dict[str, dict[str, float]]
    test_images: int
    notes: tuple[str, ...]


def choose_settings(**choices: Unpack[Choices]) -> Settings | PretrainedSettings:
    """The settings of a run from the few that one usually chooses: see ``choose``."""
    return choose(**choices).settings


def stages_of(settings: Settings | PretrainedSettings) -> tuple[Stage[Any], ...]:
    """What a run with these settings does, in its order."""
    if isinstance(settings, PretrainedSettings):
        return pretrained.STAGES
    return stages.STAGES


def run(
    *,
    out: Path | str | None = None,
    fresh: bool = False,
    display: Display | None = None,
    on_start: Callable[[Choice], None] | None = None,
    devices: str | None = None,
    **choices: Unpack[Choices],
) -> PhoneResult | None:
    """Do the job as ``kerasnets phone`` does: the usual settings but for those given.

    Args:
        out: As for ``run_with``.
        fresh: As for ``run_with``.
        display: As for ``run_with``.
        on_start: Told what the run will do, before its first stage.
        devices: As for ``jobs.train.run``; they train, but for what TF-MOT does.
        **choices: Those of ``choose``: ``data``, ``start``, ``max_madds``,
            ``max_bytes``, ``max_latency``, ``on_phone``, ``max_loss``, ``teacher``,
            ``student``, ``trials``, ``search_file``, ``resolution``, ``precision``,
            ``seed``, ``skip_bad_images`` and ``mirror``.

    Returns:
        What it came to; None in other processes than the first.

    Raises:
        KerasnetsError: A setting, the data, the folder or the devices cannot be used,
            no network meets the budget, or the file does not answer like its model.
    """
    where = find_devices(devices)
    choice = choose(**choices)
    if on_start is not None:
        on_start(choice)
    return run_with(choice.settings, out, fresh=fresh, devices=where, display=display)


def run_with(
    settings: Settings | PretrainedSettings,
    out: Path | str | None = None,
    *,
    fresh: bool = False,
    devices: Devices | None = None,
    display: Display | None = None,
) -> PhoneResult | None:
    """Do the job with all of its settings in a folder, or what is left of it.

    Run again after it was stopped or killed, it goes on where it was and ends with the
    same files, byte for byte. A changed setting redoes the stages that depend on it and
    those after them.

    Args:
        settings: All of them; ``choose_settings`` gives the usual ones, and
            ``dataclasses.replace`` changes any.
        out: Folder of the run, made if it is missing; by default
            that of the settings, saved_models/DATA-STUDENT-seedN.
        fresh: Delete what an earlier run left in the folder.
        devices: Those that ``training.find_devices`` gave before anything was computed;
            None for one.
        display: Entered for each stage as ``display(name, done_before)``; gives what
            the stage tells its progress to.

    Returns:
        What it came to; None in other processes than the first.

    Raises:
        KerasnetsError: A setting, the data, the folder or the devices cannot be used,
            no network meets the budget, or the file does not answer like its model.
    """
    from kerasnets.data import open_source

    where = devices or Devices()
    for recipe in _shared_recipes(settings):
        where.check(recipe.batch_size, recipe.accumulate)
    folder = settings.default_folder() if out is None else Path(out)
    if not where.is_first:
        follow(folder, settings, where)
        return None
    results = run_stages(
        folder,
        stages_of(settings),
        settings,
        identity={"data": settings.data, "seed": settings.seed},
        fingerprint=open_source(settings.data).fingerprint,
        fresh=fresh,
        display=display,
        devices=where,
    )
    return PhoneResult(
        folder=folder,
        int8_file=folder / "int8.tflite",
        float_file=folder / f"{_float_network(results)}.tflite",
        card=folder / "README.md",
        models=results["verify"]["models"],
        test_images=results["verify"]["test_images"],
        notes=tuple(
            note for result in results.values() for note in result.get("notes", ())
        ),
    )


def _shared_recipes(settings: Settings | PretrainedSettings) -> tuple[Recipe, ...]:
    """Of the trainings that several devices share."""
    return settings.teacher_recipe, settings.student_recipe, settings.distil_recipe


def _float_network(results: dict[str, dict]) -> str:
    """Name of the network that the int8 file was made from."""
    made_from = results["quantise"].get("taken", results["prune"]["taken"])
    return (
        made_from
        if made_from in results["verify"]["models"]
        else (results["distil"]["taken"])
    )
