"""What the driver reads from the failures of a Tune trial."""

from types import SimpleNamespace

import pytest

from ablations.driver.callbacks import cause_of, raise_if_not_admitted
from ablations.errors import StudyError

REFUSED = "ray.exceptions.RayTaskError: StudyError: --results: gpu-1 does not see s\nmore"
OTHER_CODE = (
    "The actor died because of an error raised in its creation task, ray::T\nModuleNotFoundError: No module named 'x'"
)


@pytest.fixture
def failed(tmp_path):
    """Make a trial of which Tune notes the given text."""

    def make(text):
        (tmp_path / "error.txt").write_text(text)
        return SimpleNamespace(error_file=str(tmp_path / "error.txt"))

    return make


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (REFUSED, "--results: gpu-1 does not see s"),
        (OTHER_CODE, "--address: a node lacks this version of the project (ModuleNotFoundError: No module named 'x')"),
    ],
)
def test_a_node_that_must_not_run_trials_ends_the_study_in_one_line(failed, text, line):
    with pytest.raises(StudyError) as caught:
        raise_if_not_admitted(failed(text))
    assert str(caught.value).startswith(line)
    assert "\n" not in str(caught.value)


def test_any_other_failure_ends_nothing(failed):
    trial = failed("Traceback\nRuntimeError: out of luck\n")
    raise_if_not_admitted(trial)
    assert cause_of(trial) == "RuntimeError: out of luck"


@pytest.mark.parametrize("file", [None, "nowhere/error.txt"])
def test_a_worker_of_which_nothing_is_known_was_killed_or_lost(file):
    assert cause_of(SimpleNamespace(error_file=file)) == "killed, out of memory, or its node was lost"
