"""A study of the pretend experiment in which tests place faults."""

import pytest

from tests.helpers.faults import PHASES, TRIALS, FaultyStudy, begin


@pytest.fixture(scope="session")
def uninterrupted(tmp_path_factory):
    """The study, run to its end without a fault; not to be changed."""
    study = FaultyStudy(tmp_path_factory.mktemp("uninterrupted"), "tune")
    done = study.finish()
    assert done.returncode == 0, done.stderr
    assert {phase: len(study.rows(phase)) for phase in PHASES} == TRIALS
    return study


@pytest.fixture(params=PHASES)
def faulty(request, tmp_path, uninterrupted):
    """The study, in which the first trial or candidate of a phase has just finished."""
    return begin(tmp_path, uninterrupted, request.param)
