"""Numbers as people write them: 2M multiply-adds, 350kB."""

import re

from kerasnets.errors import KerasnetsError

_COUNTS = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9}
_BYTES = {
    **dict.fromkeys(("", "B"), 1),
    **{"kB": 10**3, "MB": 10**6, "GB": 10**9},
    **{"KiB": 2**10, "MiB": 2**20, "GiB": 2**30},
}
_MICROSECONDS = {"": 1_000, "us": 1, "ms": 1_000, "s": 1_000_000}


def parse_count(text: str) -> int:
    """The number in "569M", "1.5G", "40k" or "40000".

    Raises:
        KerasnetsError: the text is no such number above 0.
    """
    return _parse(text, _COUNTS, "a count like 2M, 40k or 1500000")


def parse_bytes(text: str) -> int:
    """The number of bytes in "350kB" (1,000 each), "1.5MiB" (1,024 * 1,024) or "900".

    Raises:
        KerasnetsError: the text is no such number above 0.
    """
    return _parse(text, _BYTES, "a size like 350kB, 1.5MB or 1MiB")


def parse_ms(text: str) -> float:
    """The milliseconds in "5ms", "2.5" or "0.1s".

    Raises:
        KerasnetsError: the text is no such number above 0.
    """
    microseconds = _parse(text, _MICROSECONDS, "a time like 5ms, 2.5 or 0.1s")
    return microseconds / 1_000


def format_count(number: int) -> str:
    """A count in three digits or so: 40.55M."""
    for unit in ("G", "M", "k"):
        if number >= 0.99995 * _COUNTS[unit]:
            return f"{number / _COUNTS[unit]:.4g}{unit}"
    return str(number)


def format_bytes(number: int) -> str:
    """A size in three digits or so: 316kB."""
    for unit in ("GB", "MB", "kB"):
        if number >= 0.99995 * _BYTES[unit]:
            return f"{number / _BYTES[unit]:.4g} {unit}"
    return f"{number} B"


def _parse(text: str, units: dict[str, int], accepted: str) -> int:
    match = re.fullmatch(r"(\d+(?:\.\d+)?) ?([A-Za-z]*)", text.strip())
    folded = {unit.lower(): factor for unit, factor in units.items()}
    if not match or match[2].lower() not in folded:
        raise KerasnetsError(f"{text!r} is not {accepted}")
    number = round(float(match[1]) * folded[match[2].lower()])
    if number < 1:
        raise KerasnetsError(f"{text!r} is not {accepted}")
    return number
