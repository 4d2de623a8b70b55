"""The stage in which one training ranks all networks of a search."""

import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np

from kerasnets import tuning
from kerasnets.data import batches, images_at_once, load_prepared
from kerasnets.evaluation import cross_entropies
from kerasnets.jobs.tune.settings import Settings
from kerasnets.jobs.tune.space import candidate_of
from kerasnets.pixels import pixels_of
from kerasnets.runs import Job as AnyJob
from kerasnets.training import precision_policy, seed_everything, train
from kerasnets.tuning import Candidate, SharedNetwork, Trial, sandwich

Job = AnyJob[Settings]
# batches of training images by which the batch norms of a network are set
_CALIBRATION = 4


def share(job: Job) -> dict[str, Any]:
    """Rank the networks within one that holds them all; nothing for other oracles."""
    settings = job.settings
    if settings.oracle != "shared":
        return {"ranking": []}
    data = load_prepared(job.folder / "data")
    networks = [candidate_of(each) for each in job.results["space"]["networks"]]
    seed_everything(settings.seed)
    shared = shared_of(settings, networks, len(data.class_names))
    # a step of it is one of four networks
    recipe = replace(settings.recipe, epochs=max(1, settings.recipe.epochs // 2))
    how: dict[str, Any] = {
        "size": int(shared.sides.max()),
        "seed": settings.seed,
        "preprocessing": pixels_of(shared.widest),
    }
    feed = batches(
        data.train,
        batch_size=recipe.batch_size,
        augment=recipe.augment and recipe.augment.fitted(data.train),
        mix=recipe.mix,
        classes=len(data.class_names),
        **how,
    )
    model, turns, recipe, objective = sandwich(shared, feed, recipe, settings.seed)
    train(
        model,
        turns,
        recipe,
        objective=objective,
        checkpoint=job.checkpoint("shared"),
        progress=job.progress,
    )
    calibration = batches(data.train, batch_size=recipe.batch_size, **how)
    known = [images for images, _ in calibration.dataset(0, _CALIBRATION)]
    at_once = images_at_once(how["size"])
    judged = batches(data.validation, batch_size=at_once, shuffle=False, **how)
    asked = list(judged.dataset(0, judged.steps_per_epoch))
    labels = np.concatenate([np.asarray(each) for _, each in asked])
    trials = []
    for number, candidate in enumerate(shared.parts):
        begun = time.monotonic()
        logits = shared.predict(number, [images for images, _ in asked], known)
        right = float(np.mean(logits.argmax(axis=-1) == labels))
        loss = float(np.mean(cross_entropies(logits, labels)))
        seconds = round(time.monotonic() - begun, 2)
        trials.append(Trial(candidate, loss, right, "", seconds))
        job.progress(number + 1, len(shared.parts), candidate.label)
    return {"ranking": [asdict(each) for each in _in_order(trials, settings)]}


def shared_of(
    settings: Settings, networks: Sequence[Candidate], classes: int
) -> SharedNetwork:
    """Build what holds all networks.

    Raises:
        KerasnetsError: They share no weights.
    """
    with precision_policy(settings.precision):
        return SharedNetwork(settings.network, networks, classes)


def _in_order(trials: list[Trial], settings: Settings) -> list[Trial]:
    """The most promising first: of a front its own, then all others."""
    order = tuning.ranked(trials, settings.objective)
    if settings.objective != "front":
        return order
    front = tuning.front_of(trials)
    return [*front, *(each for each in order if each not in front)]
