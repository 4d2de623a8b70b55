"""A study for the tests of the frame."""

import pytest
from support.studies import make_study


@pytest.fixture
def study():
    return make_study()
