"""The blocks of a network, for a picture: found in its graph, told in words.

Layers whose names share a block's prefix are one block, and so are those between the
place where a graph parts and the place where it is one again. What is left stands
alone: a convolution with its normalisation and activation, a pooling, a dense layer.
"""

import dataclasses
import itertools
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import keras
from keras import layers

from kerasnets.analysis.costs import kernel_text
from kerasnets.graph import Use, model_uses
from kerasnets.layers import CeilMaxPooling2D, Maxout, SAFPooling2D
from kerasnets.traits import traits_of

# names that a family gives to the layers of one block
_NAMED = re.compile(
    r"((?:stage|conv|block)_?\d+_(?:block|unit)_?\d+|block_?\d+[a-z]?"
    r"|(?:inception|mixed|module|fire)_?\d+[a-z]?|auxiliary\d*)_"
)
AUXILIARY, GATE = "auxiliary", "channel weights"
# more layers than a block of any known network has: a graph of another kind
_LARGEST = 80
_MOST_PATHS = 50
_POOLS = {
    layers.MaxPooling2D: "max pool",
    layers.AveragePooling2D: "average pool",
    layers.GlobalMaxPooling2D: "global max pool",
    layers.GlobalAveragePooling2D: "global average pool",
    CeilMaxPooling2D: "max pool, rounded up",
    SAFPooling2D: "SAF pool",
}
# the way up of a U-Net is not a branch of a block
_GROWING = (layers.Conv2DTranspose, layers.UpSampling2D)

CONVOLUTION, POOLING, DENSE = "convolution", "pooling", "dense layer"
RESIDUAL, INCEPTION, CONCATENATION = "residual block", "inception module", "dense unit"
PARALLEL, SKIP = "parallel module", "skip connection"
AUXILIARY_HEAD, OTHER, INPUT = "auxiliary head", "other layer", "image"


@dataclass(frozen=True)
class Block:
    """A box of the picture.

    Attributes:
        kind: what it is, the colour of the box: "convolution", "residual block", ...
        words: its layers that count, "1x1, 3x3, 1x1 + shortcut".
        channels: of its output.
        sides: of its output; () of a vector.
        count: how many of them follow each other.
    """

    kind: str
    words: str
    channels: int
    sides: tuple[int | None, ...]
    count: int = 1


def architecture_blocks(
    model: keras.Model, input_shape: tuple[int, ...] | None = None
) -> list[Block]:
    """The blocks of a model from input to output; equal neighbours are one.

    Args:
        model: any Keras model; one without a graph is shown layer by layer.
        input_shape: as in ``kerasnets.analysis.cost``.

    Raises:
        KerasnetsError: the shape of the input is not known or does not fit.
    """
    uses = model_uses(model, input_shape)
    blocks: list[Block] = []
    for positions in _groups(uses):
        block = _block(uses, positions)
        if block is None:
            continue
        if blocks and _alike(blocks[-1], block):
            count = blocks[-1].count + 1
            blocks[-1] = dataclasses.replace(block, count=count)
        else:
            blocks.append(block)
    return blocks


def _alike(last: Block, block: Block) -> bool:
    """Whether two neighbours are drawn as one; concatenations grow as they go."""
    channels = block.channels if last.kind == CONCATENATION else last.channels
    return dataclasses.replace(last, channels=channels, count=1) == block


def _groups(uses: Sequence[Use]) -> list[list[int]]:
    """Positions of the uses of each block, auxiliary heads last."""
    names = [_NAMED.match(f"{use.layer.name}_") for use in uses]
    keys = [named[1] if named else "" for named in names]
    for region in _regions(uses):
        named = [keys[position] for position in region if keys[position]]
        # a join may be named among nameless branches, or a whole block
        if len(named) < len(region) / 2 or len(set(named)) == 1:
            key = keys[region[-1]] or f"region {region[0]}"
            for position in region:
                keys[position] = key
    groups: dict[str, list[int]] = {}
    for position, key in enumerate(keys):
        groups.setdefault(key or f"single {position}", []).append(position)
    main = [v for k, v in groups.items() if not k.startswith(AUXILIARY)]
    return main + [v for k, v in groups.items() if k.startswith(AUXILIARY)]


def _regions(uses: Sequence[Use]) -> list[list[int]]:
    """The parallel parts of the graph: from where it parts to where it is one again."""
    main = [
        position
        for position, use in enumerate(uses)
        if use.sources is not None and not _is_auxiliary(use)
    ]
    last_reader: dict[int, int] = {}
    for position in main:
        last_reader |= dict.fromkeys(uses[position].sources or (), position)
    regions, region, open_until = [], [], 0
    for position in main:
        region.append(position)
        if position >= open_until:  # what was made before is not read after this
            grows = any(isinstance(uses[i].layer, _GROWING) for i in region)
            if 1 < len(region) <= _LARGEST and not grows:
                regions.append(region)
            region = []
        open_until = max(open_until, last_reader.get(position, position))
    return regions


def _is_auxiliary(use: Use) -> bool:
    return use.layer.name.startswith(AUXILIARY)


def _block(uses: Sequence[Use], positions: list[int]) -> Block | None:
    """The box of some uses; None where they hold nothing that counts."""
    inside = [uses[position] for position in positions]
    shape = inside[-1].outputs[0][1:]
    if isinstance(inside[0].layer, layers.InputLayer) and not inside[0].sources:
        return Block(INPUT, "image", shape[-1], tuple(shape[:-1]))
    if len(inside) == 1 and isinstance(inside[0].layer, layers.Concatenate):
        return Block(SKIP, _joined(inside[0]), shape[-1], tuple(shape[:-1]))
    ways = itertools.islice(_paths(uses, positions[-1], set(positions)), _MOST_PATHS)
    branches = sorted(set(ways), key=lambda path: (len(path), path))
    if not any(branches):
        return None
    kind = _kind(inside, branches)
    return Block(kind, _words(kind, branches), shape[-1], tuple(shape[:-1]))


def _joined(use: Use) -> str:
    """What a concatenation that stands alone adds to the map before it."""
    earliest = min(range(len(use.inputs)), key=(use.sources or use.inputs).__getitem__)
    return f"joined with {'x'.join(map(str, use.inputs[earliest][1:]))} from above"


def _kind(inside: list[Use], branches: list[tuple[str, ...]]) -> str:
    """What colour a block has."""
    if _is_auxiliary(inside[0]):
        return AUXILIARY_HEAD
    if branches == [(GATE,)]:
        return OTHER
    found = [use.layer for use in inside]
    joins = {type(layer).__name__ for layer in found}  # of keras.ops, or layers
    if "Add" in joins:
        return RESIDUAL
    if "Concatenate" in joins:
        if () in branches:
            return CONCATENATION
        return INCEPTION if len(branches) > 2 else PARALLEL
    if any(hasattr(layer, "kernel_size") for layer in found):
        return CONVOLUTION
    pools = tuple(_POOLS)
    if any(isinstance(x, pools) or hasattr(x, "pool_size") for x in found):
        return POOLING
    return DENSE if any(isinstance(x, layers.Dense) for x in found) else OTHER


def _words(kind: str, branches: list[tuple[str, ...]]) -> str:
    """The layers of a block that count, branch by branch, short ones first."""
    texts = [", ".join(branch) for branch in branches]
    if kind == RESIDUAL and len(texts) > 1:
        shortcut, *others = texts
        return f"{' | '.join(others)} + {shortcut} shortcut".replace("+  ", "+ ")
    if kind == CONVOLUTION and branches == [(texts[0],)]:
        return f"{texts[0]} conv"
    return " | ".join(text or "input" for text in texts)


def _paths(
    uses: Sequence[Use], position: int, members: set[int]
) -> Iterator[tuple[str, ...]]:
    """The words along each way through a block to ``position``."""
    use = uses[position]
    word = layer_words(use.layer)
    own = (word,) if word else ()
    sources = list(dict.fromkeys(use.sources or ()))
    if (
        type(use.layer).__name__ == "Multiply" and sources
    ):  # the map, not what weighs its channels
        sources = [max(sources, key=lambda i: math.prod(uses[i].outputs[0][1:]))]
    if not sources or not members.issuperset(sources):
        yield own
    for source in members.intersection(sources):
        for path in _paths(uses, source, members):
            yield path + own


def layer_words(layer) -> str:
    """A layer in words; "" for those that are not drawn."""
    window = kernel_text(layer)
    if window.startswith("1x1/") and hasattr(layer, "pool_size"):
        return "subsampled"
    for kind, words in _POOLS.items():
        if isinstance(layer, kind):
            return f"{window} {words}".strip()
    if word := traits_of(layer).word:
        return f"{window} {word}"
    if isinstance(layer, layers.Dense):
        return f"dense {layer.units}"
    if isinstance(layer, Maxout):
        return f"maxout of {layer.pieces}"
    if window and getattr(layer, "activation", None) is keras.activations.sigmoid:
        return f"{window} sigmoid"
    if type(layer).__name__ == "Multiply":
        return GATE
    if type(layer).__module__.startswith("keras.") or hasattr(layer, "kernel_size"):
        return window
    if window or hasattr(layer, "count_madds"):
        return f"{window} {_spaced(type(layer).__name__)}".strip()
    return ""


def _spaced(name: str) -> str:
    """RadialBasis as "radial basis"."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).lower()
