"""The order of the tests, and which of them run in one process.

The tests of a file run in one process, so that a fixture of the file is made once. They may run in any order. The
groups of `LONGEST` begin first.
"""

import random
import re

import pytest

from tests.helpers.installed_wheel import installed, wheel  # noqa: F401 - fixtures

STUDY_WITH_FAULTS = "tests/ablations/driver/test_faults.py"
"""Its tests of one phase are a group, since all of them together would keep one process busy for the whole time."""
SHARED = {
    "tests/ablations/driver/test_extension.py": f"{STUDY_WITH_FAULTS} confirm",
    "tests/test_bring_your_own.py": "tests/test_wheel.py",
}
"""Files that join another group, because they use its fixtures."""
LONGEST = (
    f"{STUDY_WITH_FAULTS} tune",
    f"{STUDY_WITH_FAULTS} confirm",
    "tests/ablations/driver/test_tune.py",
    "tests/ablations/cluster/test_cluster.py",
    "tests/ablations/driver/test_run.py",
    "tests/ablations/tracking/test_mirror.py",
    "tests/ablations/driver/test_session.py",
    "tests/ablations/state/test_object_store.py",
    "tests/test_wheel.py",
    "tests/test_version_0_1_0.py",
)
"""Groups of tests that take long, the longest ones first, so that both processes end at about the same time."""


@pytest.fixture(scope="session", autouse=True)
def no_cluster_of_the_environment():
    """Tests run on a Ray of their own, whatever the shell is connected to."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("RAY_ADDRESS", raising=False)
        yield


def pytest_addoption(parser):
    parser.addoption("--shuffle", type=int, metavar="SEED", help="shuffle the files, and the tests in each file")


def pytest_report_header(config):
    seed = config.getoption("shuffle")
    return None if seed is None else f"order of the tests: --shuffle {seed}"


def pytest_collection_modifyitems(config, items):
    seed = config.getoption("shuffle")
    if seed is not None:
        items[:] = shuffled(items, random.Random(seed))
    order = {group: place for place, group in enumerate(LONGEST)}
    items.sort(key=lambda item: order.get(group_of(item.nodeid), len(order)))


@pytest.hookimpl(optionalhook=True)  # without pytest-xdist there is no such hook
def pytest_xdist_make_scheduler(config, log):
    """Distribute whole groups. With pytest 9.2, the marks of pytest-xdist 3.8 group nothing (its issue 1386)."""
    if config.getvalue("dist") != "loadscope":
        return None
    from xdist.scheduler import LoadScopeScheduling

    class GroupScheduling(LoadScopeScheduling):
        def _split_scope(self, nodeid):
            return group_of(nodeid)

    return GroupScheduling(config, log)


def group_of(nodeid):
    """The group of a test: its file, and for tests of a study with faults the phase too."""
    file = nodeid.partition("::")[0]
    phase = re.search(r"\[(tune|confirm)\b", nodeid)
    return f"{file} {phase[1]}" if file == STUDY_WITH_FAULTS and phase else SHARED.get(file, file)


def shuffled(items, rng):
    """The same tests in another order; those of a file stay together, so that its fixtures are made once."""
    files = {}
    for item in items:
        files.setdefault(item.path, []).append(item)
    order = list(files.values())
    rng.shuffle(order)
    return [item for tests in order for item in rng.sample(tests, len(tests))]
