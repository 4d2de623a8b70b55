"""Search a network's width, resolution and training, under the budget of a phone.

``settings`` is what can be chosen, ``space`` what there is to choose from, ``stages``
what is done, ``sharing`` the one in which all networks share their weights, ``workers``
who else does trials.
"""

import functools
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from kerasnets import tuning
from kerasnets.data import open_source
from kerasnets.errors import KerasnetsError
from kerasnets.jobs.tune.settings import Settings, choose_settings, default_folder
from kerasnets.jobs.tune.space import Space, space_of, trial_of
from kerasnets.jobs.tune.stages import BEST, STAGES, search
from kerasnets.jobs.tune.workers import Crew, follow_chief
from kerasnets.runs import Display, Stage, follow, run_stages
from kerasnets.training import find_devices
from kerasnets.tuning import Trial

__all__ = [
    "BEST",
    "STAGES",
    "Crew",
    "Settings",
    "Space",
    "Tuned",
    "choose_settings",
    "default_folder",
    "follow_chief",
    "run",
    "space_of",
]


@dataclass(frozen=True)
class Tuned:
    """What a search came to.

    Attributes:
        folder: Of the run: ``trials.csv``, ``front.csv``, its picture, the best network
            in ``best.keras``, and a card.
        trials: All of them, the best first.
        front: Those that none is better than by accuracy and multiply-adds.
        best: The first.
        hypervolume: Of the front: the mean over all budgets, up to that of the search
            or of its dearest network, of the accuracy that a budget buys.
        test: Accuracy of the best on the test images, and how many these are.
        validation_images: How many the trials were judged by.
    """

    folder: Path
    trials: tuple[Trial, ...]
    front: tuple[Trial, ...]
    best: Trial
    hypervolume: float
    test: Mapping[str, float]
    validation_images: int

    def as_json(self) -> dict[str, Any]:
        """Return all of it as JSON has it."""
        return {**asdict(self), "folder": str(self.folder)}


def run(
    settings: Settings,
    out: Path | None = None,
    *,
    crew: Crew | None = None,
    devices: str | None = None,
    fresh: bool = False,
    display: Display | None = None,
) -> Tuned | None:
    """Search, or go on with a search that was stopped.

    Killed and called again with the same arguments no finished trial is lost or done
    again, and the outcome is the same. A trial that fails is told with its reason and
    ends nothing.

    Args:
        settings: As ``choose_settings`` gives them.
        out: Folder of the run; by default saved_models/DATA-NETWORK-search-seedN.
        crew: Who does the trials; None for this process.
        devices: As for ``jobs.train.run``, without a crew.
        fresh: Delete what an earlier call left in the folder.
        display: Entered for each stage, see ``runs.run_stages``.

    Returns:
        What it came to; None in other processes than the first.

    Raises:
        KerasnetsError: The data, the teacher or the folder cannot be used, no network
            fits the budget, or all trials failed.
    """
    if crew is not None and devices is not None:
        raise KerasnetsError("workers share the trials, and do not share one")
    if crew is not None and settings.start == "grown":
        raise KerasnetsError(
            'start = "grown" has one trial begin as another, and workers have them in '
            "no order: one process is accepted"
        )
    where = find_devices(devices)
    where.check(settings.recipe.batch_size, settings.recipe.accumulate)
    folder = out or default_folder(settings)
    if not where.is_first:
        follow(folder, settings, where)
        return None
    results = run_stages(
        folder,
        STAGES if crew is None else _with_crew(crew),
        settings,
        identity={
            "network": settings.network,
            "data": settings.data,
            "seed": settings.seed,
        },
        fingerprint=open_source(settings.data).fingerprint,
        fresh=fresh,
        display=display,
        devices=where,
    )
    trials = tuple(map(trial_of, results["search"]["trials"]))
    return Tuned(
        folder,
        trials,
        tuple(tuning.front_of(trials)),
        trials[0],
        results["report"]["hypervolume"],
        results["report"]["test"],
        results["data"]["images"]["validation"],
    )


def _with_crew(crew: Crew) -> tuple[Stage[Settings], ...]:
    """The stages, whose trials workers do."""
    work = functools.partial(search, crew=crew)
    return tuple(
        replace(each, work=work) if each.work is search else each for each in STAGES
    )
