"""Counts and sizes as people write them."""

import pytest

from kerasnets.errors import KerasnetsError
from kerasnets.units import format_bytes, format_count, parse_bytes, parse_count


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("569M", 569_000_000),
        ("1.5G", 1_500_000_000),
        ("40k", 40_000),
        ("40K", 40_000),
        ("2 m", 2_000_000),
        (" 40000 ", 40_000),
        ("1.1G", 1_100_000_000),
    ],
)
def test_counts(text, number):
    assert parse_count(text) == number


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("350kB", 350_000),
        ("350KB", 350_000),
        ("1.5MiB", 1_572_864),
        ("1 KiB", 1024),
        ("2GiB", 2_147_483_648),
        ("1GB", 1_000_000_000),
        ("900", 900),
        ("900B", 900),
    ],
)
def test_sizes(text, number):
    assert parse_bytes(text) == number


@pytest.mark.parametrize(
    "text", ["", "M", "-2M", "0", "0.0k", "1e6", "2X", "2kB", "2,000", "1.M", ".5M"]
)
def test_bad_count_is_told_what_is_accepted(text):
    with pytest.raises(KerasnetsError) as caught:
        parse_count(text)
    assert str(caught.value) == f"{text!r} is not a count like 2M, 40k or 1500000"


@pytest.mark.parametrize("text", ["", "kB", "0", "0.4B", "1M", "1k", "5 bits", "1TB"])
def test_bad_size_is_told_what_is_accepted(text):
    with pytest.raises(KerasnetsError) as caught:
        parse_bytes(text)
    assert str(caught.value) == f"{text!r} is not a size like 350kB, 1.5MB or 1MiB"


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (999, "999"),
        (1000, "1k"),
        (40_551_040, "40.55M"),
        (568_740_352, "568.7M"),
        (2_829_240_000, "2.829G"),
        (999_999, "1M"),
    ],
)
def test_counts_are_shown_in_four_digits(number, text):
    assert format_count(number) == text


@pytest.mark.parametrize(
    ("number", "text"), [(999, "999 B"), (316_392, "316.4 kB"), (1_500_000, "1.5 MB")]
)
def test_sizes_are_shown_in_four_digits(number, text):
    assert format_bytes(number) == text
