"""Pretrained networks ranked by what a linear classifier makes of their codes."""

import functools
import io
import json
import zipfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np

from kerasnets import export, transfer, tuning
from kerasnets.data import PreparedData, Split, spread
from kerasnets.errors import KerasnetsError
from kerasnets.evaluation import share_interval, standard_error
from kerasnets.files import sha256, write_bytes
from kerasnets.jobs.latency import measured_latency
from kerasnets.pretrained import ImageNetFile
from kerasnets.transfer import LinearClassifier

# with fewer validation images, of which one is more than a point, the training images
# are asked in cross-validation
LEAST_VALIDATION = 100
# of training and of validation images, at most, where it is only asked which network
# is better
_SOME = 500
# that latency is measured by; what a file answers does not matter for it
_CALIBRATION = 8


@dataclass(frozen=True)
class Ranked:
    """A network and what its codes are worth.

    Attributes:
        candidate: The network, its side and its cost.
        accuracy: Of a linear classifier, on the validation images or in
            cross-validation.
        images: How many images that is a share of.
        classifier: It.
    """

    candidate: tuning.Candidate
    accuracy: float
    images: int
    classifier: LinearClassifier

    @property
    def order(self) -> tuple[float, int]:
        """The most accurate first, of equals the one with fewer multiply-adds."""
        return -self.accuracy, self.candidate.cost.madds

    @property
    def told(self) -> str:
        """What it is and how often it is right, for a person."""
        return f"{self.candidate.label}: {self.accuracy:.1%} by a linear classifier"

    def as_json(self) -> dict[str, Any]:
        """Tell it, without the weights of the classifier."""
        right = round(self.accuracy * self.images)
        interval = share_interval(right, self.images)
        return {
            **asdict(self.candidate),
            "label": self.candidate.label,
            "accuracy": self.accuracy,
            "images": self.images,
            "interval": [interval.low, interval.high],
        }


class Ranking:
    """Ranks networks one by one; what is known of one is kept on disk.

    Args:
        data: The images.
        files: Weights that may be taken.
        folder: Where codes and classifiers are kept.
        seed: Of the classifiers.
    """

    def __init__(
        self,
        data: PreparedData,
        files: Sequence[ImageNetFile],
        folder: Path,
        *,
        fingerprint: str,
        seed: int,
    ):
        self.data, self.files, self.folder, self.seed = data, files, folder, seed
        self._fingerprint = fingerprint
        folder.mkdir(parents=True, exist_ok=True)

    @property
    def by_cross_validation(self) -> bool:
        """Whether there are too few validation images to choose by."""
        return len(self.data.validation.labels) < LEAST_VALIDATION

    def file_of(self, candidate: tuning.Candidate) -> ImageNetFile:
        """Give the weights of a candidate."""
        return tuning.file_of(candidate.values, self.files)

    def body(self, candidate: tuning.Candidate) -> keras.Model:
        """Build a candidate from images to codes, with its weights."""
        return tuning.build_body(self.file_of(candidate), candidate.cost.size)

    def network(self, ranked: Ranked) -> keras.Model:
        """Build the network that ends in the linear classifier."""
        return transfer.with_linear(self.body(ranked.candidate), ranked.classifier)

    def rank(self, candidate: tuning.Candidate, *, some: bool = False) -> Ranked:
        """Fit a linear classifier to the codes of a candidate.

        Args:
            candidate: The network.
            some: Whether the images of ``some`` are enough.
        """
        parts = (self.data.train, self.data.validation)
        if some:
            parts = self.some
        codes = self._codes(candidate, parts, "some" if some else "all")
        sets = [(x, split.labels) for x, split in zip(codes, parts, strict=True)]
        if self.by_cross_validation:
            both = tuple(np.concatenate(arrays) for arrays in zip(*sets, strict=True))
            classifier = transfer.fit_linear((both[0], both[1]), seed=self.seed)
            images = len(both[1])
        else:
            classifier = transfer.fit_linear(*sets, seed=self.seed)
            images = len(sets[1][1])
        return Ranked(candidate, classifier.accuracy, images, classifier)

    def answers(self, ranked: Ranked) -> np.ndarray:
        """Logits of the validation images of ``some``, by a classifier of such ones."""
        _, codes = self._codes(ranked.candidate, self.some, "some")
        return ranked.classifier(codes)

    @functools.cached_property
    def some(self) -> tuple[Split, Split]:
        """Up to 500 training and 500 validation images, or five a class.

        The first are of all classes alike, the others as they come.
        """
        train, validation = self.data.train, self.data.validation
        count = max(_SOME, 5 * len(self.data.class_names))
        order = np.random.default_rng(self.seed).permutation(len(validation.labels))
        chosen = np.sort(order[:count])
        return (
            _picked(train, spread(train.labels, count, self.seed)),
            _picked(validation, chosen),
        )

    def _codes(
        self, candidate: tuning.Candidate, parts: tuple[Split, Split], of: str
    ) -> tuple[np.ndarray, np.ndarray]:
        """Of the training and the validation images."""
        weights = self.file_of(candidate)
        key = json.dumps(
            [dict(candidate.values), sha256(weights.path), self._fingerprint]
        )
        path = self.folder / f"{candidate.label.replace(' ', '_')}-{of}.npz"
        try:
            with path.open("rb") as file, np.load(file, allow_pickle=False) as kept:
                if str(kept["key"]) == key:
                    return kept["train"], kept["validation"]
        except (OSError, KeyError, ValueError, EOFError, zipfile.BadZipFile):
            pass
        body = self.body(candidate)
        train, validation = (
            transfer.features(body, split, layer=body.layers[-1].name)
            for split in parts
        )
        for split in parts:
            split.let_go()
        content = io.BytesIO()
        np.savez(content, key=np.array(key), train=train, validation=validation)
        write_bytes(path, content.getvalue())
        return train, validation


def _picked(split: Split, chosen: np.ndarray) -> Split:
    """Some images of a split, which stays on disk where they are all."""
    return split if len(chosen) == len(split.labels) else split.picked(chosen)


def within(
    candidates: Sequence[tuning.Candidate],
    *,
    max_madds: int,
    max_bytes: int,
) -> list[tuning.Candidate]:
    """Pick those that fit a budget, each network at the largest side that does.

    Accuracy grows with the side. The cheapest comes first.

    Raises:
        KerasnetsError: None fits; it says what the smallest costs.
    """
    budget = tuning.Budget(max_madds, max_bytes)
    fitting = [each for each in candidates if budget.admits(each.cost)]
    if not fitting:
        smallest = min(candidates, key=lambda c: (c.cost.madds, c.cost.int8_bytes))
        lightest = min(candidates, key=lambda c: (c.cost.int8_bytes, c.cost.madds))
        named = dict.fromkeys((smallest, lightest))
        needs = "; ".join(
            f"{c.label} needs --max-madds {c.cost.madds} and --max-size "
            f"{c.cost.int8_bytes}"
            for c in named
        )
        raise KerasnetsError(
            f"no pretrained network fits {max_madds:,} multiply-adds and "
            f"{max_bytes:,} bytes: {needs}; --start scratch could make one that does"
        )
    largest: dict[tuple, tuning.Candidate] = {}
    for each in sorted(fitting, key=lambda c: c.cost.size):
        largest[_network_of(each)] = each
    return sorted(largest.values(), key=lambda c: c.cost.madds)


def near_the_first(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Pick those that chance alone may have put behind the first.

    They are within a standard error of it.

    Args:
        rows: ``Ranked.as_json`` of networks, the best first.
    """
    first = rows[0]
    least = first["accuracy"] - standard_error(first["accuracy"], first["images"])
    return [row for row in rows if row["accuracy"] >= least]


def latency_of(
    ranking: Ranking, candidate: tuning.Candidate, folder: Path, *, on_phone: bool
) -> float:
    """Measure the milliseconds of an image on one thread, untrained.

    Args:
        ranking: Of the images.
        candidate: The network.
        folder: Where its file is written.
        on_phone: On the phone that adb finds, or on this machine.

    Raises:
        KerasnetsError: No phone answers.
    """
    body = ranking.body(candidate)
    logits = keras.layers.Dense(len(ranking.data.class_names), name="logits")
    model = keras.Model(body.inputs, logits(body.output))
    images = export.calibration_images(
        ranking.data.train, size=candidate.cost.size, seed=0, count=_CALIBRATION
    )
    path = folder / "latency.tflite"
    return measured_latency(model, images.images, path, on_phone=on_phone)


def _network_of(candidate: tuning.Candidate) -> tuple:
    """All but the side."""
    return tuple((k, v) for k, v in candidate.values.items() if k != "at")
