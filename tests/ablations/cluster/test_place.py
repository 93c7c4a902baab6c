"""Where a trial ran and what it took of its machine, as its record says it."""

import pytest

from ablations.cluster.nodes import Node
from ablations.cluster.place import Place, machine_of, own_place, place_of
from tests.helpers.engine import Phase


@pytest.mark.parametrize(
    ("taken", "resources", "share"),
    [
        ({"CPU": 1.0}, {"CPU": 4.0}, 0.25),
        ({"CPU": 1.0, "GPU": 1.0}, {"CPU": 96.0, "GPU": 8.0}, 1 / 8),
        ({"CPU": 4.0, "GPU": 0.1}, {"CPU": 8.0, "GPU": 1.0}, 0.5),
        ({"CPU": 1.0, "GPU": 0.0}, {"CPU": 2.0}, 0.5),
        ({}, {"CPU": 2.0}, 1.0),
    ],
)
def test_a_trial_takes_the_larger_of_its_shares_of_cpus_and_gpus(taken, resources, share):
    place = place_of(taken, Node("1", "a", resources, {}))
    assert (place.machine_share, place.gpus, place.machine) == (pytest.approx(share), taken.get("GPU", 0.0), None)


def test_a_label_of_a_person_s_own_names_the_machine_before_those_of_others():
    labels = {"ray.io/node-group": "gpu-spot", "node.kubernetes.io/instance-type": "g5.xlarge", "pool": "gpu"}
    assert machine_of(labels) == "g5.xlarge"
    assert machine_of(labels | {"machine": "a100"}) == "a100"
    assert machine_of({"pool": "gpu"}) is None


def test_outside_of_ray_nothing_is_known():
    own_place.cache_clear()
    assert own_place() == Place()
    own_place.cache_clear()


def test_the_time_of_a_failed_run_is_in_the_record_that_replaces_it(tmp_path, monkeypatch):
    phase = Phase("confirm", tmp_path)
    monkeypatch.setenv("PRETEND_FAIL_AT", "3")
    phase.train()
    failed = phase.rows()
    assert {row["status"] for row in failed} == {"failed"}
    phase.restart().train()
    twice = phase.rows()
    assert [r["earlier_seconds"] for r in twice] == [r["seconds"] for r in failed]
    monkeypatch.delenv("PRETEND_FAIL_AT")
    phase.restart().train()
    done = phase.rows()
    assert {row["status"] for row in done} == {"complete"}
    sums = [a["seconds"] + b["seconds"] for a, b in zip(failed, twice, strict=True)]
    assert [row["earlier_seconds"] for row in done] == pytest.approx(sums)
