"""What a search chooses among: networks, what they cost, and ways of training them."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import keras

from kerasnets import tuning
from kerasnets.data import check_source, open_source
from kerasnets.jobs.tune.settings import Settings, own_axes
from kerasnets.tuning import Budget, Candidate, Cost, Trial, Value

# multiply-adds of a step beside those of an answer: forwards and twice backwards
_STEP = 3


@dataclass(frozen=True)
class Space:
    """What a search chooses among.

    Attributes:
        networks: Those within the budget, the cheapest first.
        struck_out: The others.
        training: Values to try of their training, by name.
        trial_madds: Multiply-adds of training the dearest of the networks.
    """

    networks: tuple[Candidate, ...]
    struck_out: tuple[Candidate, ...]
    training: Mapping[str, Sequence[Value]]
    trial_madds: int

    @property
    def candidates(self) -> list[Candidate]:
        """Each network with each way of training it."""
        return tuning.with_training(self.networks, self.training)

    def as_json(self) -> dict[str, Any]:
        """Return all of it as JSON has it, the networks in one list."""
        fits = {True: self.networks, False: self.struck_out}
        return {
            "networks": [
                {**candidate_as_json(each), "fits": fit}
                for fit, some in fits.items()
                for each in some
            ],
            "training": {name: list(values) for name, values in self.training.items()},
            "points": len(self.candidates),
            "trial_madds": self.trial_madds,
        }


def space_of(settings: Settings) -> Space:
    """Tell what a search chooses among, without training or decoding anything.

    Latency, which must be measured, strikes nothing out here.

    Raises:
        KerasnetsError: The images cannot be used, or no network fits the budget.
    """
    examples = check_source(
        open_source(settings.data),
        seed=settings.seed,
        skip_bad_images=settings.skip_bad_images,
    )
    own, training = own_axes(
        settings.network, settings.axes, settings.recipe, settings.start
    )
    classes = len(examples.class_names)
    if settings.start == "imagenet":
        known = tuning.pretrained_candidates(settings.files, classes=classes)
        networks = tuning.offered(known, own)
    else:
        networks = tuning.feasible_candidates(
            settings.network,
            own,
            resolution=settings.resolution,
            classes=classes,
            budget=Budget(),
        )
    fitting = tuning.within_budget(networks, settings.budget, what=settings.network)
    if settings.oracle == "hyperband":
        training = {**training, "epochs": tuning.rungs(settings.recipe.epochs)}
    images = len(examples.labels) * settings.recipe.epochs
    return Space(
        tuple(fitting),
        tuple(each for each in networks if each not in fitting),
        training,
        _STEP * images * fitting[-1].cost.madds,
    )


def untrained(settings: Settings, candidate: Candidate, *, classes: int) -> keras.Model:
    """Build a network of the space, from images to logits."""
    if settings.start == "imagenet":
        file = tuning.file_of(candidate.values, settings.files)
        body = tuning.build_body(file, candidate.cost.size)
        logits = keras.layers.Dense(classes, name="logits")(body.output)
        return keras.Model(body.inputs, logits)
    return tuning.build_candidate(
        settings.network, candidate.values, size=candidate.cost.size, classes=classes
    )


def candidate_as_json(candidate: Candidate) -> dict[str, Any]:
    """Return a candidate and its label as JSON has them."""
    return {**asdict(candidate), "label": candidate.label}


def candidate_of(record: Mapping[str, Any]) -> Candidate:
    """The candidate of such JSON."""
    return Candidate(record["values"], Cost(**record["cost"]))


def candidates_of(results: Mapping[str, Any]) -> list[Candidate]:
    """Each network of a space with each way of training it.

    Args:
        results: What the stages "space" and "share" came to; where networks were
            ranked they come in that order.
    """
    networks = [candidate_of(each) for each in results["space"]["networks"]]
    ranking = [trial_of(each).candidate for each in results["share"]["ranking"]]
    return tuning.with_training(ranking or networks, results["space"]["training"])


def trial_of(record: Mapping[str, Any]) -> Trial:
    """The trial that ``dataclasses.asdict`` made JSON of."""
    return Trial(**{**record, "candidate": candidate_of(record["candidate"])})
