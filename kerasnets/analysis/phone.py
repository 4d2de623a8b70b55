"""What of a network a phone will not run fast, or not well in eight bits.

The rules name operators of LiteRT files and whether XNNPACK, LiteRT's fast path on the
CPU, takes them. That was measured on files of small networks with LiteRT 2.3 and
TensorFlow 2.21; other versions may take more. In every int8 file the softmax at the end
and the change from and to uint8 are outside XNNPACK: they are small.

Not listed, since XNNPACK takes them in float32 and in int8: convolutions (grouped,
dilated, depthwise, transposed), dense layers, batch normalisation, ReLU and ReLU6,
leaky ReLU, tanh, sigmoid, maximum pooling (``SAFPooling2D`` is one then), global
pooling, zero padding, cropping, bilinear resizing, sums, products and concatenation.
"""

from dataclasses import dataclass

import keras

from kerasnets.analysis.phone_rules import BOTH, CONCERNS, INT8, RULES
from kerasnets.analysis.phone_sites import sites
from kerasnets.graph import model_uses

_SHOWN = 4


@dataclass(frozen=True)
class Finding:
    """Something about one layer that costs on a phone.

    Attributes:
        layer: The layer's name.
        concern: One of ``CONCERNS``.
        why: What happens.
        advice: What to do about it.
    """

    layer: str
    concern: str
    why: str
    advice: str


@dataclass(frozen=True)
class PhoneReport:
    """What was found in a network, in the order of its layers.

    Attributes:
        name: The model's name.
        findings: One for each layer and rule that it meets.
    """

    name: str
    findings: tuple[Finding, ...]

    @property
    def unaccelerated(self) -> tuple[Finding, ...]:
        """Choose those that keep a layer out of XNNPACK, in all or in int8 files."""
        return tuple(x for x in self.findings if x.concern in (BOTH, INT8))

    def lines(self) -> list[str]:
        """Write the findings: equal ones together, the gravest concern first."""
        groups: dict[tuple[str, str, str], list[str]] = {}
        for x in sorted(self.findings, key=lambda x: CONCERNS.index(x.concern)):
            groups.setdefault((x.concern, x.why, x.advice), []).append(x.layer)
        lines = [f"{self.name}: {_count(len(self.findings), 'finding')}"]
        for (concern, why, advice), names in groups.items():
            more = len(names) - _SHOWN
            rest = f" and {more} more" if more > 0 else ""
            lines += [
                f"{concern}: {', '.join(names[:_SHOWN])}{rest}",
                f"    {why}",
                f"    -> {advice}",
            ]
        return lines

    def __str__(self) -> str:
        return "\n".join(self.lines())


def phone_report(model: keras.Model) -> PhoneReport:
    """Tell what of a network a phone will not accelerate, and what suffers in int8.

    The graph and, for the ranges of channels, the weights are read; nothing is run.

    Args:
        model: A built Keras model; best a functional one, of others it is not known
            what feeds a layer.

    Raises:
        KerasnetsError: The model is not built and does not tell the shape of its input.
    """
    found = {
        (site.layer.name, rule): None
        for site in sites(model_uses(model))
        for rule in RULES
        if rule.applies(site)
    }
    return PhoneReport(
        model.name,
        tuple(Finding(name, r.concern, r.why, r.advice) for name, r in found),
    )


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
