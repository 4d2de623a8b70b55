"""The space of networks that know ImageNet already: those whose weights are here."""

import functools
from collections.abc import Mapping, Sequence
from typing import Any

import keras

from kerasnets import applications
from kerasnets.analysis import count_madds, count_params
from kerasnets.errors import KerasnetsError
from kerasnets.files import sha256
from kerasnets.graph import shapes_only
from kerasnets.pretrained import ImageNetFile, imagenet_files
from kerasnets.tuning.networks import estimate_int8_bytes
from kerasnets.tuning.space import Budget, Candidate, Cost, Value

# small networks with trained weights, which a phone answers fast with
PHONE_NETWORKS = ("MobileNet", "MobileNetV2", "MobileNetV3Small", "MobileNetV3Large")
# a network learns on at sides that its strides divide; weights do not depend on them
SIDES = (96, 128, 160, 192, 224)
# the costliest of those that fit are the likeliest to be chosen
_FETCHED = 3


def pretrained_files(networks: Sequence[str] = PHONE_NETWORKS) -> list[ImageNetFile]:
    """List the files of ImageNet weights that are here, one for each width.

    Of the sides that a network was trained at the largest is taken: its weights serve
    all sides.

    Args:
        networks: Names of the networks.
    """
    found: dict[tuple, ImageNetFile] = {}
    for network in networks:
        for file in imagenet_files(network):
            if file.is_cached:
                found[network, *sorted(file.arguments.items())] = file
    return list(found.values())


def recorded_files(
    networks: Sequence[str], digests: Sequence[tuple[str, str]]
) -> list[ImageNetFile]:
    """List the files that a run began with.

    Args:
        networks: Names of the networks.
        digests: Name and SHA-256 of each file.

    Raises:
        KerasnetsError: One is no longer here, or another one.
    """
    here = {
        file.path.name: file
        for network in networks
        for file in imagenet_files(network)
        if file.is_cached
    }
    for name, digest in digests:
        if name not in here:
            raise KerasnetsError(
                f"the ImageNet weights {name} that this run began with are not here "
                "any more: put them back, or start over with --fresh"
            )
        if sha256(here[name].path) != digest:
            raise KerasnetsError(
                f"{here[name].path} is another file than the one that this run began "
                "with: start over with --fresh"
            )
    return [here[name] for name, _ in digests]


def file_of(values: Mapping[str, Value], files: Sequence[ImageNetFile]) -> ImageNetFile:
    """Give the weights of a candidate with such values."""
    return next(
        file
        for file in files
        if {"network": file.network, **file.arguments}.items() <= dict(values).items()
    )


def files_to_fetch(
    networks: Sequence[str], budget: Budget, *, teacher_madds: int
) -> list[ImageNetFile]:
    """List the few files of ImageNet weights that are worth fetching.

    Args:
        networks: Names of the networks.
        budget: Of the network for the phone.
        teacher_madds: The most multiply-adds of a network that teaches it.

    Returns:
        Of the three costliest networks within the budget, each at the side nearest to
        the largest that fits, and of the costliest that may teach; none where nothing
        fits.
    """
    widths: dict[tuple, dict[int, ImageNetFile]] = {}
    for network in networks:
        for file in imagenet_files(network):
            sides = widths.setdefault((network, *sorted(file.arguments.items())), {})
            sides[file.side] = file
    students: list[tuple[int, ImageNetFile]] = []
    teachers: list[tuple[int, ImageNetFile]] = []
    for sides in widths.values():
        *_, any_side = sides.values()
        costs = [c.cost for c in pretrained_candidates([any_side], classes=2)]
        if fitting := [cost for cost in costs if budget.admits(cost)]:
            largest = fitting[-1]
            near = min(sides, key=lambda side: abs(side - largest.size))
            students.append((largest.madds, sides[near]))
        teachers += [
            (cost.madds, sides[cost.size])
            for cost in costs
            if cost.size in sides and cost.madds <= teacher_madds
        ]
    if not students:
        return []
    chosen = sorted(students, key=_madds, reverse=True)[:_FETCHED]
    chosen += sorted(teachers, key=_madds)[-1:]
    return list({file.path: file for _, file in chosen}.values())


def _madds(found: tuple[int, ImageNetFile]) -> int:
    return found[0]


def pretrained_candidates(
    files: Sequence[ImageNetFile], *, classes: int
) -> list[Candidate]:
    """List each network at each side, with what it costs.

    Args:
        files: Of ``pretrained_files``.
        classes: Number of classes of the data.

    Returns:
        Candidates with the values "network", those of the builder, and "at", the side.
    """
    return [
        Candidate(
            {"network": file.network, **file.arguments, "at": side},
            _cost(file, side, classes),
        )
        for file in files
        for side in sorted({*SIDES, file.side})
    ]


def offered(
    candidates: Sequence[Candidate], axes: Mapping[str, Sequence[Value]]
) -> list[Candidate]:
    """Pick the pretrained networks that have one of the values on each axis.

    Args:
        candidates: Of ``pretrained_candidates``.
        axes: Some of "network", "alpha" and the like, and "at".

    Raises:
        KerasnetsError: There is no such axis, or none has such values.
    """
    known = sorted({name for each in candidates for name in each.values})
    for name in axes:
        if name not in known:
            raise KerasnetsError(
                f"the search has an axis {name!r}, which networks with ImageNet "
                f"weights lack: {', '.join(known)} are accepted"
            )
    found = [
        each
        for each in candidates
        if all(each.values.get(name) in values for name, values in axes.items())
    ]
    if not found:
        asked = ", ".join(f"{name} {list(values)}" for name, values in axes.items())
        there = ", ".join(dict.fromkeys(each.label for each in candidates))
        raise KerasnetsError(
            f"no network whose ImageNet weights are here has {asked}; there are {there}"
        )
    return found


def build_body(file: ImageNetFile, side: int) -> keras.Model:
    """Build a pretrained network from images to codes, without its classifier.

    Args:
        file: Its weights.
        side: Of its images.
    """
    return _build(
        file.network,
        file.arguments,
        side,
        weights=str(file.path),
        pooling="avg",
    )


def _cost(file: ImageNetFile, side: int, classes: int) -> Cost:
    return _cost_of(file.network, tuple(file.arguments.items()), side, classes)


@functools.cache
def _cost_of(network: str, arguments: tuple, side: int, classes: int) -> Cost:
    """Building a network takes a quarter of a second: once will do."""

    def build() -> keras.Model:
        body = _build(network, dict(arguments), side, weights=None, pooling="avg")
        logits = keras.layers.Dense(classes, name="logits")(body.output)
        return keras.Model(body.inputs, logits)

    model = shapes_only(build)
    return Cost(
        size=side,
        params=count_params(model),
        madds=count_madds(model),
        int8_bytes=estimate_int8_bytes(model),
    )


def _build(
    network: str, chosen: Mapping[str, Any], side: int, **arguments
) -> keras.Model:
    return applications.build(
        network,
        input_shape=(side, side, 3),
        include_top=False,
        **chosen,
        **arguments,
    )
