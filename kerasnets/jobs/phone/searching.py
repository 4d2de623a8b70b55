"""The stages in which the network for the phone is chosen among pretrained ones."""

import math
from collections.abc import Sequence
from dataclasses import asdict, replace

from kerasnets import tuning
from kerasnets.errors import KerasnetsError
from kerasnets.evaluation import evaluate
from kerasnets.jobs.mirroring import look_at_mirroring
from kerasnets.jobs.phone.pretrained_common import (
    Job,
    candidate_of,
    candidates_of,
    for_images,
    part_of,
    ranking_of,
    train_on,
)
from kerasnets.jobs.phone.ranking import Ranking, latency_of, near_the_first
from kerasnets.reports.notes import mirroring_line
from kerasnets.runs import in_all_processes
from kerasnets.training import DivergedError, release_memory

# networks that are tuned to tell which is better, and for how long
_MOST_TRIED, _EPOCHS = 3, 2


def rank(job: Job) -> dict:
    """Rank the networks within the budget by linear classifiers on their codes."""
    ranking = ranking_of(job)
    mirroring = asdict(look_at_mirroring(ranking.data.train, seed=job.settings.seed))
    fitting = candidates_of(job, len(ranking.data.class_names))
    fitting, slow = _fast_enough(job, ranking, fitting)
    ranked = []
    for done, candidate in enumerate(fitting):
        job.progress(done, len(fitting), candidate.label)
        ranked.append(ranking.rank(candidate, some=True))
    ranked.sort(key=lambda each: each.order)
    job.progress(len(fitting), len(fitting), ranked[0].told)
    return {
        "rows": [each.as_json() for each in ranked],
        "too_slow": slow,
        "by_cross_validation": ranking.by_cross_validation,
        "mirroring": mirroring,
        "notes": [mirroring_line(mirroring)] if mirroring["confuses"] else [],
    }


def _fast_enough(
    job: Job, ranking: Ranking, candidates: Sequence[tuning.Candidate]
) -> tuple[list[tuning.Candidate], dict[str, float]]:
    """Those that keep within the latency, and the milliseconds of the others."""
    limit = job.settings.max_latency
    if limit is None:
        return list(candidates), {}
    times = {
        each.label: latency_of(
            ranking, each, job.folder / "search", on_phone=job.settings.on_phone
        )
        for each in candidates
    }
    fast = [each for each in candidates if times[each.label] <= limit]
    if not fast:
        label, fastest = min(times.items(), key=lambda item: item[1])
        raise KerasnetsError(
            f"no pretrained network answers within {limit:g} ms: the fastest, {label}, "
            f"needs --max-latency {math.ceil(10 * fastest) / 10:g}ms; --start scratch "
            "could make one that does"
        )
    return fast, {name: ms for name, ms in times.items() if ms > limit}


def search(job: Job) -> dict:
    """Choose the network: the first in rank, or of equals the one that tunes best.

    Those that chance alone may have put behind the first are tuned shortly.
    """
    rows = job.results["rank"]["rows"]
    labels = [row["label"] for row in near_the_first(rows)][:_MOST_TRIED]
    if job.results["rank"]["by_cross_validation"]:
        labels = labels[:1]  # that many images tell no more
    known = {label: candidate_of(job, label) for label in labels}
    tuned: dict[str, float] = {}
    if len(labels) > 1:
        for index, label in enumerate(labels):
            release_memory()
            told = part_of(job.progress, index * _EPOCHS, len(labels) * _EPOCHS, label)
            tuned[label] = _tuned_shortly(replace(job, progress=told), label)
        labels.sort(key=lambda label: (-tuned[label], known[label].cost.madds))
    best = known[labels[0]]
    job.progress(1, 1, best.label)
    return {"best": {**asdict(best), "label": best.label}, "tuned": tuned}


@in_all_processes
def _tuned_shortly(job: Job, label: str) -> float:
    """Share of the validation images that a network gets right after some epochs."""
    ranking = ranking_of(job)
    model = ranking.network(ranking.rank(candidate_of(job, label)))
    recipe = for_images(job, job.settings.student_recipe)
    recipe = replace(recipe, epochs=_EPOCHS)
    try:
        train_on(job, model, ranking.data.train, recipe)
    except DivergedError:
        return 0.0
    return evaluate(model, ranking.data.validation).accuracy
