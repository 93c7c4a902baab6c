"""What the driver asks of a cluster whose cloud has no spot machine: real placement groups in a real Ray."""

import pytest
from ray.autoscaler.v2.schema import (
    ClusterStatus,
    LaunchRequest,
    NodeInfo,
    PlacementGroupResourceDemand,
    ResourceDemandSummary,
    ResourceRequestByCount,
    Stats,
)

from ablations.cluster import head_logs
from ablations.cluster.on_demand import REFUSED_SECONDS, Growth
from ablations.cluster.resources import Share
from ablations.cluster.session import prepare
from tests.helpers.waiting import wait_for

NOW = 1_800_000_000.0


@pytest.fixture(scope="module")
def ray_with_an_on_demand_gpu():
    """One on-demand machine with one GPU, on which nothing runs yet."""
    prepare(None)
    import ray

    ray.init(
        address="local",
        num_cpus=4,
        num_gpus=1,
        labels={"market": "on-demand", "pool": "gpu"},
        include_dashboard=False,
        log_to_driver=False,
        object_store_memory=80_000_000,
    )
    yield ray
    ray.shutdown()


@pytest.fixture(autouse=True)
def said_by_the_cloud(monkeypatch):
    """What the head's logs tell, by machine type; nobody failed to join."""
    said = {}
    monkeypatch.setattr(head_logs, "reasons", lambda: said)
    monkeypatch.setattr(head_logs, "other_versions", dict)
    monkeypatch.setattr(head_logs, "failed_steps", lambda now: {})
    monkeypatch.setattr(head_logs, "listed", list)
    return said


def job():
    import ray

    return ray.get_runtime_context().get_job_id()


def status(trials, refused_at=None, version="7", kind="gpu-spot", booting=0, others=0, mine=None):
    """So many of our trials wait, and groups of other drivers; the last launch was refused then."""
    launch = LaunchRequest("g5.xlarge", kind, 1, LaunchRequest.Status.FAILED, 0, refused_at, "")
    bundles = [ResourceRequestByCount({"GPU": 1.0}, 1)]
    groups = [f"{number:028x}{job()}" for number in range(trials)] + [f"{number:036x}" for number in range(others)]
    if mine is not None:
        groups.append(mine.id.hex())
    return ClusterStatus(
        failed_launches=[] if refused_at is None else [launch],
        pending_nodes=[NodeInfo("g5.xlarge", "gpu-on-demand", "i", "10.0.0.7", "ALLOCATED")] * booting,
        resource_demands=ResourceDemandSummary(
            placement_group_demand=[PlacementGroupResourceDemand(bundles, f"{name}:PACK|PENDING") for name in groups]
        ),
        stats=Stats(autoscaler_version=version),
    )


GPU = {"CPU": 4, "GPU": 1}
TYPES = {
    "gpu-spot": {"labels": {"pool": "gpu", "market": "spot"}, "resources": GPU, "max_workers": 4},
    "gpu-on-demand": {"labels": {"pool": "gpu", "market": "on-demand"}, "resources": GPU, "max_workers": 2},
    "cpu-spot": {"labels": {"pool": "cpu", "market": "spot"}, "resources": {"CPU": 8}, "max_workers": 8},
}


def growth(gpus=1.0, types=TYPES, **labels):
    said = []
    return Growth(Share(1, gpus, labels), said.append, types), said


def state(group):
    from ray.util import placement_group_table

    return placement_group_table(group)["state"]


def eventually(wanted, group):
    wait_for(lambda: state(group) == wanted, 20)


def test_a_minute_without_spot_asks_for_one_on_demand_place_after_the_other(ray_with_an_on_demand_gpu):
    watched, said = growth(gpus=1.0, pool="gpu")
    watched.look(status(3, NOW), NOW)
    assert watched.asked is None
    assert len(said) == 1
    assert said[0].startswith("cluster: gpu-spot: launch failed")
    now = NOW + REFUSED_SECONDS
    watched.look(status(3, now - 5), now)
    first = watched.asked
    eventually("CREATED", first)
    watched.look(status(3, now), now + 5)  # it has its place, which is for a trial
    assert watched.asked is None
    eventually("REMOVED", first)
    assert [line for line in said if "asking for" in line] == [
        "cluster: no gpu-spot to be had for 60 s: asking for gpu-on-demand as well (--label market=spot forbids it)"
    ]
    watched.look(status(2, now), now + 10)
    second = watched.asked
    assert second is not None
    watched.look(status(2, now, booting=2, mine=second), now + 15)  # enough is on its way
    assert watched.asked is None
    eventually("REMOVED", second)
    assert len([line for line in said if "asking for" in line]) == 1


def ask(watched, now=NOW, **more):
    """Two minutes of refusals."""
    for seconds in (0.0, REFUSED_SECONDS, 2 * REFUSED_SECONDS):
        watched.look(status(**{"trials": 2, "refused_at": now + seconds, **more}), now + seconds)
    return watched.asked is not None


def test_it_is_given_up_when_nothing_waits_or_spot_is_back_and_at_the_end(ray_with_an_on_demand_gpu):
    for last in (status(0, NOW + 120), status(2, None)):
        watched, _ = growth()
        assert ask(watched)
        group = watched.asked
        watched.look(last, NOW + 125)
        assert watched.asked is None
        eventually("REMOVED", group)
    watched, _ = growth()
    assert ask(watched)
    watched.turn(False)
    assert watched.asked is None


@pytest.mark.parametrize(
    ("gpus", "labels", "types", "more"),
    [
        (1.0, {"market": "spot"}, TYPES, {}),
        (1.0, {"market": "on-demand"}, TYPES, {}),
        (0.0, {}, TYPES, {"kind": "cpu-spot"}),  # our files have no on-demand machine without a GPU
        (1.0, {}, TYPES, {"kind": "cpu-spot"}),  # of another study
        (1.0, {}, {}, {}),
        (1.0, {}, {**TYPES, "gpu-on-demand": {**TYPES["gpu-on-demand"], "max_workers": 0}}, {}),
        (1.0, {}, TYPES, {"version": "0"}),  # autoscaler 1 starts what it has at once
        (1.0, {}, TYPES, {"refused_at": NOW - 2 * REFUSED_SECONDS}),
        (1.0, {}, TYPES, {"refused_at": None}),
        (1.0, {}, TYPES, {"trials": 0, "others": 5}),
    ],
)
def test_nothing_is_asked_for_where_it_is_not_wanted_or_not_needed(
    ray_with_an_on_demand_gpu, gpus, labels, types, more
):
    watched, said = growth(gpus, types, **labels)
    assert not ask(watched, **more)
    assert not any("asking for" in line for line in said)


@pytest.mark.parametrize(
    ("reason", "asks"),
    [("InsufficientInstanceCapacity: none", True), ("", True), ("UnauthorizedOperation", False), ("quota", False)],
)
def test_a_refusal_for_another_reason_than_want_of_machines_is_none(
    ray_with_an_on_demand_gpu, said_by_the_cloud, reason, asks
):
    said_by_the_cloud["gpu-spot"] = reason
    watched, _ = growth()
    assert ask(watched) is asks
    watched.turn(False)


def test_each_fault_is_said_once_whatever_its_numbers_are(ray_with_an_on_demand_gpu, monkeypatch):
    watched, said = growth()
    strangers = {"10.0.0.5": "has Ray 2.59.0, the head Ray 2.60.0", "10.0.0.6": "has Ray 2.58.0, the head Ray 2.60.0"}
    monkeypatch.setattr(head_logs, "other_versions", lambda: strangers)
    for seconds in range(0, 300, 5):
        watched.look(status(2, NOW + seconds - 1), NOW + seconds)
    watched.turn(False)
    assert sorted(line.split()[1] for line in said) == ["10.0.0.5", "10.0.0.6", "gpu-spot:", "no"]
