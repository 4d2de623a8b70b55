"""What all processes of a run do at once; the rest the first does alone.

The first takes the stages one after another. Where it comes to a function that is
marked ``in_all_processes`` it tells the others, which wait for that in ``follow``.
"""

import contextlib
import functools
import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

from kerasnets.errors import KerasnetsError
from kerasnets.progress import silent
from kerasnets.runs.engine import Job, Settings
from kerasnets.training import Devices, DivergedError

_Given = ParamSpec("_Given")
_Result = TypeVar("_Result")
_KNOWN: dict[str, Callable] = {}


def in_all_processes(
    work: Callable[Concatenate[Job[Settings], _Given], _Result],
) -> Callable[Concatenate[Job[Settings], _Given], _Result]:
    """Let all processes do what the first does: a training, and what belongs to it.

    The function is given a job and plain values, finds all else in the folder of the
    run, and calls no other that is marked so. It writes where ``job.devices.is_first``
    alone.
    """
    name = f"{work.__module__}.{work.__qualname__}"

    @functools.wraps(work)
    def told(
        job: Job[Settings], *given: _Given.args, **named: _Given.kwargs
    ) -> _Result:
        job.devices.tell(
            json.dumps(
                {
                    "work": name,
                    "settings": _text(job.settings),
                    "key": job.key,
                    "results": job.results,
                    "given": [given, named],
                }
            )
        )
        return work(job, *given, **named)

    _KNOWN[name] = work
    return told


def follow(folder: Path, settings: Any, devices: Devices) -> None:
    """Do what the first process says, until its run is over.

    Args:
        folder: Of the run, which all processes see.
        settings: Of the run, the same in all of them.
        devices: Where its trainings run.

    Raises:
        KerasnetsError: The first has other settings, or another process has ended.
    """
    while said := devices.hear():
        told = json.loads(said)
        if told["settings"] != _text(settings):
            raise KerasnetsError(
                "this process was started with other arguments, or finds other files, "
                "than the first: all of them take the same"
            )
        job = Job(folder, settings, told["key"], told["results"], silent, devices)
        given, named = told["given"]
        with contextlib.suppress(DivergedError):  # the first says what becomes of it
            _KNOWN[told["work"]](job, *given, **named)


def _text(settings: Any) -> str:
    return json.dumps(asdict(settings), default=str)
