"""A phase of a small study, trained in this process."""

import pytest

from ablations.workers import records, seed_group
from tests.helpers.engine import PHASES, Phase


@pytest.fixture
def prompt_workers(monkeypatch):
    """Workers report every epoch and write again at once, so that no test waits."""
    monkeypatch.setattr(seed_group, "REPORT_SECONDS", 0.0)
    monkeypatch.setattr(records, "PAUSES", (0.0, 0.0))


@pytest.fixture(params=PHASES)
def phase(request, tmp_path):
    """A phase that has not begun."""
    return Phase(request.param, tmp_path)


@pytest.fixture
def whole(phase, tmp_path_factory):
    """The same phase, run to its end without a fault."""
    whole = Phase(phase.name, tmp_path_factory.mktemp("whole"))
    whole.steps = whole.train()
    return whole
