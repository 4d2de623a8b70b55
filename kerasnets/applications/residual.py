"""What residual networks are made of: forms, stages, blocks and their convolutions."""

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple, Protocol

# uniform, with the variance of the papers' normal distribution (He et al. 2015b): drawn
# in two thirds of the time
INITIALIZER = "he_uniform"


@dataclass(frozen=True, kw_only=True)
class Form:
    """In what papers and libraries differ.

    Attributes:
        strided: Which convolution of a bottleneck has the stride, the 1st or the 2nd.
        use_bias: Whether convolutions have a bias.
        epsilon: Epsilon of batch normalisation.
        padding: Where the zeros around a map lie, see ``blocks.conv``.
        initializer: Initialiser of all kernels.
    """

    strided: int = 1
    use_bias: bool = False
    epsilon: float = 1e-5
    padding: str = "symmetric"
    initializer: str = INITIALIZER


class Stage(NamedTuple):
    """A row of Table 1: blocks, their filters inside and at the end."""

    blocks: int
    inner: int
    outer: int
    groups: int = 1


class Convolution(NamedTuple):
    """A convolution of a block."""

    filters: int
    kernel_size: int
    strides: int = 1
    groups: int = 1


def basic(stage: Stage, strides: int, form: Form) -> tuple[Convolution, ...]:
    """3x3, 3x3: the stride is on the first in every form."""
    del form
    return (Convolution(stage.inner, 3, strides), Convolution(stage.outer, 3))


def bottleneck(stage: Stage, strides: int, form: Form) -> tuple[Convolution, ...]:
    """1x1, 3x3, 1x1."""
    first, second = (strides, 1) if form.strided == 1 else (1, strides)
    return (
        Convolution(stage.inner, 1, first),
        Convolution(stage.inner, 3, second, stage.groups),
        Convolution(stage.outer, 1),
    )


Block = Callable[[Stage, int, Form], tuple[Convolution, ...]]


class Residual(NamedTuple):
    """What the shortcuts are and how the branches beside them are trained."""

    shortcut: str = "B"
    stochastic_depth: float = 0.0
    zero_init: bool = False


class _Row(Protocol):
    @property
    def block(self) -> Block: ...
    @property
    def stages(self) -> tuple[Stage, ...]: ...


def iter_blocks(
    variant: _Row, form: Form, *, at_end: bool = False
) -> Iterator[tuple[tuple[Convolution, ...], float, str]]:
    """Of each block in turn its convolutions, number as a share of all, and name.

    A stage but the first begins with stride 2; ``at_end``, all but the last end so.
    """
    total, number = sum(stage.blocks for stage in variant.stages), itertools.count(1)
    for i, stage in enumerate(variant.stages, start=1):
        strided = (stage.blocks, i < len(variant.stages)) if at_end else (1, i > 1)
        for j in range(1, stage.blocks + 1):
            strides = 2 if strided == (j, True) else 1
            convolutions = variant.block(stage, strides, form)
            yield convolutions, next(number) / total, f"stage{i}_block{j}"


def stages(
    depths: tuple[int, ...], inner: int, outer: int, groups: int = 1
) -> tuple[Stage, ...]:
    """Stages of so many blocks; the filters double from one to the next."""
    return tuple(
        Stage(depth, inner << i, outer << i, groups) for i, depth in enumerate(depths)
    )
