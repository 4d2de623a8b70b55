"""The space of networks that know ImageNet already: those whose weights are here."""

from collections.abc import Sequence

import keras

from kerasnets import applications
from kerasnets.analysis import count_madds, count_params
from kerasnets.graph import shapes_only
from kerasnets.pretrained import ImageNetFile, imagenet_files
from kerasnets.tuning.networks import estimate_int8_bytes
from kerasnets.tuning.space import Candidate, Cost

# small networks with trained weights, which a phone answers fast with
PHONE_NETWORKS = ("MobileNet", "MobileNetV2", "MobileNetV3Small", "MobileNetV3Large")
# a network learns on at sides that its strides divide; weights do not depend on them
SIDES = (96, 128, 160, 192, 224)


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


def build_body(candidate: Candidate, file: ImageNetFile) -> keras.Model:
    """Build a pretrained network from images to codes, without its classifier.

    Args:
        candidate: Of ``pretrained_candidates``.
        file: The candidate's weights.
    """
    return _build(file, candidate.cost.size, weights=str(file.path), pooling="avg")


def _cost(file: ImageNetFile, side: int, classes: int) -> Cost:
    def build() -> keras.Model:
        body = _build(file, side, weights=None, pooling="avg")
        logits = keras.layers.Dense(classes, name="logits")(body.output)
        return keras.Model(body.inputs, logits)

    model = shapes_only(build)
    return Cost(
        size=side,
        params=count_params(model),
        madds=count_madds(model),
        int8_bytes=estimate_int8_bytes(model),
    )


def _build(file: ImageNetFile, side: int, **arguments) -> keras.Model:
    return applications.build(
        file.network,
        input_shape=(side, side, 3),
        include_top=False,
        **file.arguments,
        **arguments,
    )
