"""`ablate` for one test, or for all tests of a file."""

import pytest

from tests.helpers.ablate import Ablate


@pytest.fixture
def ablate(tmp_path):
    return Ablate(tmp_path)


@pytest.fixture(scope="module")
def ablate_once(tmp_path_factory):
    """The same folder for all tests of a file."""
    return Ablate(tmp_path_factory.mktemp("ablate"))
