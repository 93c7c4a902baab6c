"""What the driver asks of a cluster whose cloud has no spot machine: real placement groups in a real Ray."""

import pytest
from ray.autoscaler.v2.schema import (
    ClusterStatus,
    LaunchRequest,
    PlacementGroupResourceDemand,
    ResourceDemandSummary,
    ResourceRequestByCount,
    Stats,
)

from ablations import head_logs
from ablations.growth import REFUSED_SECONDS, Growth
from ablations.session import prepare
from ablations.share import Share

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
def no_logs(monkeypatch):
    """This machine is no head."""
    monkeypatch.setattr(head_logs, "reasons", dict)
    monkeypatch.setattr(head_logs, "other_versions", dict)
    monkeypatch.setattr(head_logs, "failed_steps", lambda now: {})
    monkeypatch.setattr(head_logs, "listed", tuple)


def status(waiting, refused_at=None, version="7"):
    """So many trials wait; the last launch was refused then."""
    launch = LaunchRequest("g5.xlarge", "gpu-spot", 1, LaunchRequest.Status.FAILED, 0, refused_at, "")
    bundles = [ResourceRequestByCount({"GPU": 1.0}, 1)]
    return ClusterStatus(
        failed_launches=[] if refused_at is None else [launch],
        resource_demands=ResourceDemandSummary(
            placement_group_demand=[PlacementGroupResourceDemand(bundles, "") for _ in range(waiting)]
        ),
        stats=Stats(autoscaler_version=version),
    )


def growth(gpus=1.0, **labels):
    said = []
    return Growth(Share(1, gpus, labels), said.append), said


def states(groups):
    from ray.util import placement_group_table

    return [placement_group_table(group)["state"] for group in groups]


def eventually(state, groups):
    from time import monotonic, sleep

    deadline = monotonic() + 20
    while states(groups) != [state] * len(groups):
        assert monotonic() < deadline, states(groups)
        sleep(0.05)


def test_a_minute_of_refusals_asks_for_on_demand_places_until_nothing_waits(ray_with_an_on_demand_gpu):
    watched, said = growth(gpus=1.0, pool="gpu")
    watched.look(status(waiting=3, refused_at=NOW), NOW)
    assert watched.asked == []
    assert len(said) == 1
    assert said[0].startswith("cluster: gpu-spot: launch failed")
    now = NOW + REFUSED_SECONDS
    watched.look(status(waiting=3, refused_at=now - 5), now)
    groups = list(watched.asked)
    assert len(groups) == 3
    assert "asking for on-demand ones" in said[-1]
    while "CREATED" not in states(groups):  # the one machine has room for one of them
        pass
    watched.look(status(waiting=3 + 2, refused_at=now), now + 5)  # three trials and the two groups without a place
    placed = [group for group in groups if group not in watched.asked]
    assert len(placed) == 1
    assert len(watched.asked) == 3
    eventually("REMOVED", placed)
    groups = list(watched.asked)
    watched.look(status(waiting=len(groups), refused_at=now), now + 10)  # no trial waits
    assert watched.asked == []
    eventually("REMOVED", groups)
    assert len(said) == 2


@pytest.mark.parametrize(
    ("gpus", "labels", "version", "refused_at"),
    [
        (0.0, {}, "7", NOW),  # our files have no on-demand machine without a GPU
        (1.0, {"market": "spot"}, "7", NOW),
        (1.0, {}, "0", NOW),  # autoscaler 1 starts what it has at once
        (1.0, {}, "7", NOW - REFUSED_SECONDS),  # long ago
        (1.0, {}, "7", None),
    ],
)
def test_nothing_is_asked_for_where_it_is_not_wanted_or_not_needed(gpus, labels, version, refused_at):
    watched, said = growth(gpus, **labels)
    for seconds in (0.0, REFUSED_SECONDS, 2 * REFUSED_SECONDS):
        at = None if refused_at is None else refused_at + (seconds if refused_at == NOW else 0)
        watched.look(status(2, at, version), NOW + seconds)
    assert watched.asked == []
    assert not any("asking for" in line for line in said)


def test_a_minute_counts_from_the_first_of_refusals_without_a_pause():
    watched, _ = growth()
    for seconds in (0.0, 20.0, 40.0):
        watched.look(status(0, NOW + seconds), NOW + seconds)
    assert watched.since == NOW
    watched.look(status(0, NOW + 40.0), NOW + 40.0 + REFUSED_SECONDS)
    assert watched.since is None
