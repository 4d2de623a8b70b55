"""Which cases of a test are in the slow tier."""

from collections.abc import Container, Iterable

import pytest


def slowly(names: Iterable[str], quick: Container[str]) -> list:
    """Parameters of a test: these names, in the slow tier but for the quick ones."""
    return [
        pytest.param(name, marks=() if name in quick else pytest.mark.slow)
        for name in names
    ]
