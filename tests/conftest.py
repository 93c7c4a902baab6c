"""The order of the tests, and which of them share a process.

The tests of a file run in one process, in any order: a fixture of the file is made once. Files that share more, such as
a machine that must not be busy, name the same `xdist_group`; these groups begin first, since they take longest.
"""

import random

import pytest


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


@pytest.hookimpl(tryfirst=True)  # pytest-xdist reads the groups in the same hook
def pytest_collection_modifyitems(config, items):
    seed = config.getoption("shuffle")
    if seed is not None:
        items[:] = shuffled(items, random.Random(seed))
    items.sort(key=lambda item: item.get_closest_marker("xdist_group") is None)
    for item in items:
        if not item.get_closest_marker("xdist_group"):
            item.add_marker(pytest.mark.xdist_group(str(item.path.relative_to(config.rootpath))))


def shuffled(items, rng):
    """The same tests in another order; those of a file stay together, so that its fixtures are made once."""
    files = {}
    for item in items:
        files.setdefault(item.path, []).append(item)
    order = list(files.values())
    rng.shuffle(order)
    return [item for tests in order for item in rng.sample(tests, len(tests))]
