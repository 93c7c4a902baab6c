"""Requests for on-demand machines while spot has no capacity: real placement groups in a real Ray."""

import threading

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

from ablations.cluster import autoscaler, nodes, on_demand
from ablations.cluster.on_demand import NO_CAPACITY_SECONDS, OnDemandFallback, on_demand_fallback
from ablations.cluster.resources import TrialResources
from ablations.cluster.session import prepare
from ablations.formatting import counted, duration
from tests.helpers.waiting import wait_for

NOW = 1_800_000_000.0


@pytest.fixture(scope="module")
def ray_with_an_on_demand_gpu():
    """A local Ray as one on-demand machine with one GPU, on which nothing runs yet."""
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
def launch_errors(monkeypatch):
    """The cloud's error messages by machine type, as the head's logs have them; every machine joined."""
    errors = {}
    monkeypatch.setattr(autoscaler, "launch_errors", lambda: errors)
    monkeypatch.setattr(autoscaler, "version_mismatches", dict)
    monkeypatch.setattr(autoscaler, "failed_setup_steps", lambda now: {})
    monkeypatch.setattr(autoscaler, "listed_workers", list)
    return errors


def job():
    import ray

    return ray.get_runtime_context().get_job_id()


def status(trials, failed_at=None, version="7", kind="gpu-spot", booting=0, others=0, mine=None):
    """A status in which `trials` of ours and `others` of other drivers wait; the last launch failed at `failed_at`."""
    launch = LaunchRequest("g5.xlarge", kind, 1, LaunchRequest.Status.FAILED, 0, failed_at, "")
    bundles = [ResourceRequestByCount({"GPU": 1.0}, 1)]
    groups = [f"{number:028x}{job()}" for number in range(trials)] + [f"{number:036x}" for number in range(others)]
    if mine is not None:
        groups.append(mine.id.hex())
    return ClusterStatus(
        failed_launches=[] if failed_at is None else [launch],
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


def fallback(gpus=1.0, types=TYPES, **labels):
    lines = []
    return OnDemandFallback(TrialResources(1, gpus, labels), lines.append, types), lines


def state(group):
    from ray.util import placement_group_table

    return placement_group_table(group)["state"]


def wait_for_state(wanted, group):
    wait_for(lambda: state(group) == wanted, 20)


def test_after_a_minute_without_spot_one_on_demand_machine_after_the_other_is_requested(ray_with_an_on_demand_gpu):
    watched, lines = fallback(gpus=1.0, pool="gpu")
    watched.update(status(3, NOW), NOW)
    assert watched.group is None
    assert len(lines) == 1
    assert lines[0].startswith("cluster: gpu-spot: launch failed")
    now = NOW + NO_CAPACITY_SECONDS
    watched.update(status(3, now - 5), now)
    first = watched.group
    wait_for_state("CREATED", first)
    watched.update(status(3, now), now + 5)  # the machine is there, for a trial
    assert watched.group is None
    wait_for_state("REMOVED", first)
    assert [line for line in lines if "also requesting" in line] == [
        "cluster: no capacity for gpu-spot for 60 s; also requesting gpu-on-demand (--label market=spot forbids it)"
    ]
    watched.update(status(2, now), now + 10)
    second = watched.group
    assert second is not None
    watched.update(status(2, now, booting=2, mine=second), now + 15)  # enough machines are booting
    assert watched.group is None
    wait_for_state("REMOVED", second)
    assert len([line for line in lines if "also requesting" in line]) == 1


def requests(watched, now=NOW, **more):
    """Return True if two minutes of failed launches lead to a request; a met request would be removed again."""
    for seconds in (0.0, NO_CAPACITY_SECONDS, 2 * NO_CAPACITY_SECONDS):
        watched.update(status(**{"trials": 2, "failed_at": now + seconds, **more}), now + seconds)
        if watched.group is not None:
            return True
    return False


def test_the_request_is_removed_when_no_trial_waits_or_spot_is_back_and_at_the_end(ray_with_an_on_demand_gpu):
    for last in (status(0, NOW + 120), status(2, None)):
        watched, _ = fallback()
        assert requests(watched)
        group = watched.group
        watched.update(last, NOW + 125)
        assert watched.group is None
        wait_for_state("REMOVED", group)
    watched, _ = fallback()
    assert requests(watched)
    watched.request(False)
    assert watched.group is None


@pytest.mark.parametrize(
    ("gpus", "labels", "types", "more"),
    [
        (1.0, {"market": "spot"}, TYPES, {}),
        (1.0, {"market": "on-demand"}, TYPES, {}),
        (0.0, {}, TYPES, {"kind": "cpu-spot"}),  # our cluster files have no on-demand machine without a GPU
        (1.0, {}, TYPES, {"kind": "cpu-spot"}),  # launched for another study
        (1.0, {}, {}, {}),
        (1.0, {}, {**TYPES, "gpu-on-demand": {**TYPES["gpu-on-demand"], "max_workers": 0}}, {}),
        (1.0, {}, TYPES, {"version": "0"}),  # autoscaler 1 starts all its machines at once
        (1.0, {}, TYPES, {"failed_at": NOW - 2 * NO_CAPACITY_SECONDS}),
        (1.0, {}, TYPES, {"failed_at": None}),
        (1.0, {}, TYPES, {"trials": 0, "others": 5}),
    ],
)
def test_nothing_is_requested_if_it_is_forbidden_or_not_needed(ray_with_an_on_demand_gpu, gpus, labels, types, more):
    watched, lines = fallback(gpus, types, **labels)
    assert not requests(watched, **more)
    assert not any("also requesting" in line for line in lines)


@pytest.mark.parametrize(
    ("error", "requested"),
    [("InsufficientInstanceCapacity: none", True), ("", True), ("UnauthorizedOperation", False), ("quota", False)],
)
def test_only_a_capacity_error_leads_to_a_request(ray_with_an_on_demand_gpu, launch_errors, error, requested):
    launch_errors["gpu-spot"] = error
    watched, _ = fallback()
    assert requests(watched) is requested
    watched.request(False)


def test_each_fault_is_printed_once_although_its_numbers_change(ray_with_an_on_demand_gpu, monkeypatch):
    watched, lines = fallback()
    mismatches = {"10.0.0.5": "has Ray 2.59.0, the head Ray 2.60.0", "10.0.0.6": "has Ray 2.58.0, the head Ray 2.60.0"}
    monkeypatch.setattr(autoscaler, "version_mismatches", lambda: mismatches)
    for seconds in range(0, 300, 5):
        watched.update(status(2, NOW + seconds - 1), NOW + seconds)
    watched.request(False)
    assert sorted(line.split()[1] for line in lines) == ["10.0.0.5", "10.0.0.6", "gpu-spot:", "no"]


def test_the_thread_goes_on_when_the_head_is_away_and_removes_its_request_at_the_end(
    ray_with_an_on_demand_gpu, monkeypatch
):
    monkeypatch.setattr(on_demand, "POLL_SECONDS", 0.01)
    monkeypatch.setattr(autoscaler, "worker_types", lambda: TYPES)
    away, no_spot = iter(range(3)), status(trials=1, failed_at=NOW)
    seen = []

    def fetch():
        if next(away, None) is not None:
            raise ConnectionError("the head is away")
        seen.append(no_spot)
        return no_spot

    monkeypatch.setattr(autoscaler, "fetch_status", fetch)
    with on_demand_fallback(TrialResources(1, 1.0, {}), lambda _: None):
        wait_for(lambda: len(seen) > 2)
    assert not [thread for thread in threading.enumerate() if thread.name == "on-demand-fallback"]


def test_a_node_answers_with_its_result_or_with_its_error(ray_with_an_on_demand_gpu):
    (node,) = nodes.alive()
    assert node.labels["market"] == "on-demand"
    assert nodes.ask([node], counted, 2, "arm") == {node.id: "2 arms"}
    assert isinstance(nodes.ask([node], duration, "soon")[node.id], TypeError)
    assert nodes.own() == node.id


def test_a_head_without_an_autoscaler_has_no_problems(ray_with_an_on_demand_gpu, monkeypatch):
    assert list(autoscaler.find_problems()) == []
    monkeypatch.setattr(autoscaler, "ANSWER_SECONDS", "soon")
    (finding,) = autoscaler.find_problems()
    assert (finding.state, finding.detail.startswith("the autoscaler does not answer (")) == ("note", True)
