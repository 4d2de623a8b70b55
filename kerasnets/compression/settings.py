"""What can be chosen about each step of compression.

Plain values: the process of the caller reads them without TensorFlow, and they travel
to the child process as JSON.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, ClassVar, Self

from kerasnets.errors import KerasnetsError
from kerasnets.training import Recipe

SCHEDULES = ("polynomial", "constant")
PATTERNS = ("unstructured", "2:4")
INITIALISATIONS = ("kmeans++", "linear", "density")


# what is left after channels went learns anew
_NARROWED = Recipe(epochs=10, learning_rate=0.01)
# on weights that are good already
_PRUNING = Recipe(epochs=20, learning_rate=1e-3, optimizer="adam", warmup=0.0)
_AFTERWARDS = replace(_PRUNING, epochs=10, learning_rate=3e-4)


@dataclass(frozen=True)
class StepSettings:
    """What all steps have: the network trains during each.

    Attributes:
        recipe: How it trains; temperature and weight of the soft targets are used with
            a teacher only.
    """

    kind: ClassVar[str]

    recipe: Recipe

    def with_recipe(self, **changes: Any) -> Self:
        """Return the step with other values in its recipe: ``epochs=3``."""
        return replace(self, recipe=replace(self.recipe, **changes))

    def _check(self, *rules: tuple[bool, str]) -> None:
        for valid, text in rules:
            if not valid:
                raise KerasnetsError(f"{self.kind} settings: {text} is accepted")


@dataclass(frozen=True)
class ChannelSettings(StepSettings):
    """How many channels leave a network before it trains on: ``prune_channels``.

    The scales of batch normalisation say which, without any the L1 norm of the filters.

    Attributes:
        madds: Share of the multiply-adds to keep at most, above 0 up to 1.
        multiple: Channels are kept in multiples of this number, or all of them.
    """

    kind: ClassVar[str] = "channels"

    recipe: Recipe = _NARROWED
    madds: float = 0.5
    multiple: int = 8

    def __post_init__(self):
        self._check(
            (0 < self.madds <= 1, f"madds {self.madds}: above 0, at most 1"),
            (
                isinstance(self.multiple, int) and self.multiple >= 1,
                f"multiple {self.multiple!r}: a whole number of 1 or more",
            ),
        )


@dataclass(frozen=True)
class PruneSettings(StepSettings):
    """How a network is pruned: which weights become zero, and when.

    Smallest weights of each kernel first. Along the polynomial schedule the zeros grow
    from ``initial_sparsity`` to ``sparsity`` (Zhu and Gupta 2017, arXiv 1710.01878,
    cubic); with the constant one all are there from ``begin`` on.

    Attributes:
        sparsity: Share of zeros in the end, over all convolution and dense kernels.
        initial_sparsity: Share of zeros after the first update.
        begin, end: First and last update of the zeros, as shares of the training.
        frequency: Steps between two updates.
        schedule: "polynomial" or "constant".
        pattern: "unstructured", or "2:4": of each four weights that follow each other
            along the input channels two are zero, chosen once, in the first step.
        block_size: Rows and columns of dense kernels that become zero together; with
            another than (1, 1) convolutions are refused, which TF-MOT cannot do.
        layers: Names of the layers to prune; without any all that can be. Depthwise
            kernels always stay.
        layer_sparsity: Sparsity of single layers, by name; the others make up what
            ``sparsity`` lacks.
        spare_ends: Leave the first and the last layer dense.
        policy: "xnnpack" prunes the 1x1 convolutions alone, and only a network whose
            zeros the sparse kernels of XNNPACK can skip.
        exact: Refuse a result with fewer zeros than that: weights of equal size are
            kept or pruned together.
    """

    kind: ClassVar[str] = "prune"

    recipe: Recipe = _PRUNING
    sparsity: float = 0.6
    initial_sparsity: float = 0.0
    begin: float = 0.0
    end: float = 0.7
    frequency: int = 10
    schedule: str = "polynomial"
    pattern: str = "unstructured"
    block_size: tuple[int, int] = (1, 1)
    layers: tuple[str, ...] = ()
    layer_sparsity: Mapping[str, float] = field(default_factory=dict)
    spare_ends: bool = False
    policy: str | None = None
    exact: bool = True

    def __post_init__(self):
        self._check(
            (
                0 <= self.initial_sparsity <= self.sparsity < 1,
                f"initial_sparsity {self.initial_sparsity} and sparsity "
                f"{self.sparsity}: 0 <= initial_sparsity <= sparsity < 1",
            ),
            (
                0 <= self.begin < self.end <= 1,
                f"begin {self.begin} and end {self.end}: 0 <= begin < end <= 1",
            ),
            (self.frequency >= 1, f"frequency {self.frequency}: at least 1"),
            (
                self.schedule in SCHEDULES,
                f"schedule {self.schedule!r}: one of {', '.join(SCHEDULES)}",
            ),
            (
                self.schedule == "polynomial" or self.initial_sparsity == 0,
                f"initial_sparsity {self.initial_sparsity} with a constant schedule: 0",
            ),
            (
                self.policy in (None, "xnnpack"),
                f"policy {self.policy!r}: 'xnnpack' or None",
            ),
            (
                all(0 <= share < 1 for share in self.layer_sparsity.values()),
                f"layer_sparsity {dict(self.layer_sparsity)}: shares of 0 to below 1",
            ),
        )
        self._check_pattern()

    def _check_pattern(self) -> None:
        """Refuse what a pattern leaves without meaning."""
        plain = self.block_size == (1, 1) and not self.layer_sparsity
        chosen_once = (self.sparsity, self.schedule, self.begin) == (
            0.5,
            "constant",
            0,
        )
        self._check(
            (
                self.pattern in PATTERNS,
                f"pattern {self.pattern!r}: one of {', '.join(PATTERNS)}",
            ),
            (
                self.pattern == "unstructured" or (chosen_once and plain),
                "pattern '2:4' with other settings of the zeros: sparsity 0.5, "
                "schedule 'constant', begin 0, no blocks and no layer_sparsity",
            ),
            (
                len(self.block_size) == 2 and min(self.block_size) >= 1,
                f"block_size {self.block_size}: two numbers of 1 or more",
            ),
        )

    def update_steps(self, steps: int) -> range:
        """Give the training steps, of 1 to ``steps``, at which the zeros are updated.

        The last one is at ``end``, whatever the frequency: it brings the full
        sparsity.
        """
        end = max(1, round(self.end * steps))
        begin = min(round(self.begin * steps), end - 1)
        frequency = min(self.frequency, end - begin)
        return range(begin + (end - begin) % frequency, end + 1, frequency)


@dataclass(frozen=True)
class ClusterSettings(StepSettings):
    """How the weights of each kernel are made to share a few values.

    Deep Compression (Han et al. 2016, arXiv 1510.00149), section 3: the values are
    trained on, and each weight moves to the nearest at every step. After a step of
    pruning zero is one of the values, and zeros stay.

    Attributes:
        number_of_clusters: The most different values in a kernel, 2 or more; 3 or more
            after pruning, whose zeros take one.
        initialisation: Where the values begin: "kmeans++", "linear" (evenly spaced)
            or "density" (as the weights lie).
        per_channel: Values for each output channel of a Conv2D; a kernel with a
            channel of too few weights shares its values as a whole.
        layers: Names of the layers to cluster; without any all that can be. Depthwise
            kernels always stay, and so do kernels with no more values than that.
        spare_ends: Leave the first and the last layer as they are.
    """

    kind: ClassVar[str] = "cluster"

    recipe: Recipe = _AFTERWARDS
    number_of_clusters: int = 16
    initialisation: str = "kmeans++"
    per_channel: bool = False
    layers: tuple[str, ...] = ()
    spare_ends: bool = False

    def __post_init__(self):
        self._check(
            (
                self.number_of_clusters >= 2,
                f"number_of_clusters {self.number_of_clusters}: 2 or more",
            ),
            (
                self.initialisation in INITIALISATIONS,
                f"initialisation {self.initialisation!r}: one of "
                f"{', '.join(INITIALISATIONS)}",
            ),
        )


@dataclass(frozen=True)
class QATSettings(StepSettings):
    """How a network learns to live with 8 bits (quantisation-aware training).

    Jacob et al. 2018 (arXiv 1712.05877), section 3, in TF-MOT's default scheme: 8
    bits, symmetric kernels with a scale for each output channel of a convolution,
    activations with a scale for each tensor. What pruning and clustering did before
    stays.

    Attributes:
        float_layers: Names of layers that compute in float32. Their outputs are
            quantised again: two conversions and a slow layer each, and a phone's
            processor for int8 alone leaves them to the CPU.
    """

    kind: ClassVar[str] = "qat"

    recipe: Recipe = _AFTERWARDS
    float_layers: tuple[str, ...] = ()


Settings = ChannelSettings | PruneSettings | ClusterSettings | QATSettings
# in the only order in which they combine
_KINDS = {
    step.kind: step
    for step in (ChannelSettings, PruneSettings, ClusterSettings, QATSettings)
}


def as_json(step: Settings) -> dict:
    """Give the settings of a step as JSON holds them."""
    return {"kind": step.kind, **asdict(step)}


def from_json(record: dict) -> Settings:
    """Give the settings that ``as_json`` wrote."""
    values: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value
        for key, value in record.items()
    }
    values["recipe"] = Recipe.from_json(values["recipe"])
    return _KINDS[values.pop("kind")](**values)


def check_order(steps: tuple[Settings, ...]) -> None:
    """Refuse steps that do not combine.

    Raises:
        KerasnetsError: There is none, one comes twice or before what it would undo.
    """
    kinds = [step.kind for step in steps]
    if not kinds or kinds != [kind for kind in _KINDS if kind in kinds]:
        raise KerasnetsError(
            f"a recipe of the steps {', '.join(kinds) or 'none'}; {', '.join(_KINDS)} "
            "in this order are accepted, each once or left out: later ones keep what "
            "earlier ones did"
        )
    values = {getattr(step, "number_of_clusters", None) for step in steps}
    if 2 in values and "prune" in kinds:
        raise KerasnetsError(
            "number_of_clusters is 2 after pruning; 3 or more are accepted: zero is "
            "one of them, and weights have two signs"
        )
