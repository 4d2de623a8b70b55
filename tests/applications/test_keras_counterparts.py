"""Networks against keras.applications: the same outputs from the same weights."""

from collections.abc import Callable
from dataclasses import dataclass, field

import keras
import numpy as np
import pytest
from support.weights import randomise

from kerasnets import applications as zoo
from kerasnets.pretrained import from_keras


@dataclass(frozen=True)
class Case:
    """A network at one size of images.

    Attributes:
        build: our builder.
        shape: of the images.
        both: arguments of both sides.
        ours: arguments of ours only, or instead of those of theirs.
        theirs: arguments of theirs only.
        gain: of ``randomise``.
    """

    build: Callable[..., keras.Model]
    shape: tuple[int, int, int]
    both: dict = field(default_factory=dict)
    ours: dict = field(default_factory=dict)
    theirs: dict = field(default_factory=dict)
    gain: float = 2.0

    @property
    def label(self) -> str:
        said = [f"{key}={value}" for key, value in self.both.items()]
        sides = "x".join(map(str, self.shape))
        return "-".join([self.build.network.name, sides, *said])


SMALL = (32, 32, 3)


def resnet(build, shape) -> Case:
    return Case(build, shape, ours={"form": "keras"}, gain=1.0)


def mobilenet_v2(alpha, side) -> Case:
    """At the size that rho makes of 224."""
    ours = {"input_shape": (224, 224, 3), "rho": side / 224}
    return Case(zoo.MobileNetV2, (side, side, 3), {"alpha": alpha}, ours)


def mobilenet_v3(build, shape, alpha, minimalistic) -> Case:
    """Without their rescaling of pixels."""
    both = {"alpha": alpha, "minimalistic": minimalistic}
    return Case(build, shape, both, theirs={"include_preprocessing": False}, gain=1.5)


# odd and oblong maps show on which side zeros are added
CASES = [
    Case(zoo.VGG16, (64, 32, 3)),
    Case(zoo.VGG19, (64, 32, 3)),
    resnet(zoo.ResNet50, (50, 41, 3)),
    resnet(zoo.ResNet101, (50, 41, 3)),
    resnet(zoo.ResNet152, SMALL),
    resnet(zoo.ResNet50V2, (75, 64, 3)),
    resnet(zoo.ResNet101V2, SMALL),
    resnet(zoo.ResNet152V2, SMALL),
    Case(zoo.InceptionV3, (107, 123, 3)),
    Case(zoo.InceptionResNetV2, (107, 123, 3)),
    Case(zoo.DenseNet121, (75, 64, 3)),
    Case(zoo.DenseNet169, SMALL),
    Case(zoo.DenseNet201, SMALL),
    # every released width; even sides make the same graph
    *(
        Case(zoo.MobileNet, (side, side, 3), {"alpha": alpha})
        for alpha, side in ((1.0, 224), (0.75, 192), (0.5, 160), (0.25, 128))
    ),
    Case(zoo.MobileNet, (40, 75, 3), {"alpha": 0.75}),
    Case(zoo.MobileNet, (33, 47, 1), {"alpha": 0.25}),
    # the released networks of the paper and of TF-slim's README
    *(mobilenet_v2(alpha, 128) for alpha in (1.4, 1.3, 1.0, 0.75, 0.5, 0.35)),
    # narrow networks have shortcuts where wide ones have none
    Case(zoo.MobileNetV2, (75, 90, 3), {"alpha": 0.35}),
    Case(zoo.MobileNetV2, (33, 47, 1), {"alpha": 0.1}),
    *(
        mobilenet_v3(build, (128, 128, 3), alpha, minimalistic)
        for build in (zoo.MobileNetV3Large, zoo.MobileNetV3Small)
        for minimalistic in (False, True)
        for alpha in (1.0, 0.75)
    ),
    # alpha above 1 widens the hidden layer too
    mobilenet_v3(zoo.MobileNetV3Large, (75, 90, 3), 1.25, False),
    mobilenet_v3(zoo.MobileNetV3Small, (33, 47, 1), 0.25, True),
]


# what takes longest, and its smaller siblings are compared at once
DEEP = {
    *(zoo.VGG19, zoo.ResNet101, zoo.ResNet152, zoo.ResNet101V2, zoo.ResNet152V2),
    *(zoo.DenseNet169, zoo.DenseNet201, zoo.InceptionResNetV2),
}


def cases():
    """All of them, the deep ones in the slow tier."""
    for case in CASES:
        marks = pytest.mark.slow if case.build in DEEP else ()
        yield pytest.param(case, id=case.label, marks=marks)


def test_every_network_with_a_counterpart_is_compared():
    known = {b for b in zoo.BUILDERS.values() if b.network.keras is not None}
    assert {case.build for case in CASES} == known


@pytest.mark.parametrize("case", [*cases()])
def test_output_equals_keras_applications(case):
    keras.utils.clear_session()
    counterpart = case.build.network.keras
    both = {
        "input_shape": case.shape,
        "classes": 20,
        "classifier_activation": None,
        **case.both,
    }
    theirs = getattr(keras.applications, counterpart.builder)(
        weights=None, **both, **case.theirs
    )
    ours = case.build(**{**both, **case.ours})
    randomise(theirs, gain=case.gain)
    from_keras(ours, theirs, counterpart)
    x = np.random.default_rng(1).normal(size=(2, *case.shape)).astype("float32")
    x[1] *= 0.2  # of two alike, an average over the map is nearly the same
    expected, answers = (np.asarray(model(x)) for model in (theirs, ours))
    scale = np.abs(expected).max()
    # the two images differ: no constant hides a slip
    assert np.abs(expected[0] - expected[1]).max() > 0.01 * scale
    np.testing.assert_allclose(answers, expected, rtol=0, atol=1e-5 * scale)
