"""Machines that did not start, join or stay, from statuses that Ray's own parser makes and from recorded logs."""

from datetime import datetime

import pytest
from ray.autoscaler.v2.schema import (
    ClusterStatus,
    LaunchRequest,
    NodeInfo,
    PlacementGroupResourceDemand,
    ResourceDemandSummary,
    ResourceRequestByCount,
)

from ablations.cluster import autoscaler


def only(findings):
    (finding,) = findings
    return finding


NOW = 1_800_000_000
NOON = datetime.fromisoformat("2026-11-22 07:40:00")
NO_SPOT = "Node Launch Exception (InsufficientInstanceCapacity): We currently do not have sufficient g5.xlarge capacity"


def status(launches=(), nodes=(), waiting=True):
    """A status with failed launches (type, seconds ago), lost nodes (type, id), and a trial that waits or none."""
    demand = PlacementGroupResourceDemand([ResourceRequestByCount({"GPU": 1.0}, 1)], "ab01000000:PACK|PENDING")
    return ClusterStatus(
        failed_launches=[
            LaunchRequest(
                instance_type_name="g5.xlarge",
                ray_node_type_name=name,
                count=1,
                state=LaunchRequest.Status.FAILED,
                request_ts_s=NOW - ago - 1,
                failed_ts_s=NOW - ago,
                details=f"launch failed with Failed to launch 1 nodes of type {name} with request id r: ",
            )
            for name, ago in launches
        ],
        failed_nodes=[
            NodeInfo("g5.xlarge", name, "i-1", "10.0.0.7", node_status="DEAD", node_id=node) for name, node in nodes
        ],
        resource_demands=ResourceDemandSummary(placement_group_demand=[demand] if waiting else []),
    )


def test_a_failed_launch_has_the_cloud_s_reason_and_advice():
    failed = status([("gpu-spot", 90), ("gpu-spot", 20), ("cpu-spot", 7200)])
    finding = only(autoscaler.failed_launches(failed, {"gpu-spot": NO_SPOT}, NOW))
    assert finding.state == "fault"
    assert finding.detail == f"gpu-spot: 2 launches failed, 20 s ago: {NO_SPOT}"
    assert "after a minute `ablate run` also requests on-demand machines" in finding.advice


@pytest.mark.parametrize(
    ("error", "advice"),
    [
        ("MaxSpotInstanceCountExceeded: Max spot instance count exceeded", "quota"),
        ("UnauthorizedOperation: not authorized to perform ec2:RunInstances", "rights"),
        ("Quota 'GPUS_ALL_REGIONS' exceeded", "quota"),
        ("ZONE_RESOURCE_POOL_EXHAUSTED", "also requests on-demand"),
    ],
)
def test_each_reason_of_a_failed_launch_has_its_advice(error, advice):
    assert advice in only(autoscaler.failed_launches(status([("a", 1)]), {"a": error}, NOW)).advice


def test_without_a_log_its_path_is_printed_and_while_no_trial_waits_the_finding_is_a_note():
    finding = only(autoscaler.failed_launches(status([("gpu-spot", 5)], waiting=False), {}, NOW))
    assert finding.state == "note"
    assert (
        "launch failed, 5 s ago: /tmp/ray/session_latest/logs/monitor.log on the head has the reason" in finding.detail
    )


def test_the_last_error_of_the_cloud_is_read_from_the_autoscaler_s_log(tmp_path):
    log = tmp_path / "monitor.log"
    lines = [f"2026-11-22 05:00:00,1 INFO node_provider.py:491 -- Failed to launch 1 nodes of type gpu-spot: {error}"
             for error in ("first", NO_SPOT)]  # fmt: skip
    log.write_text("\n".join(["something else", *lines, "more"]))
    assert autoscaler.launch_errors(tmp_path) == {"gpu-spot": NO_SPOT}
    assert autoscaler.launch_errors(tmp_path / "absent") == {}


def test_a_lost_machine_is_reported_and_one_removed_as_idle_is_not():
    lost = status(
        nodes=[("cpu-spot", "idle"), ("gpu-spot", "preempted"), ("gpu-spot", "silent"), ("gpu-spot", "unknown")]
    )
    deaths = {
        "idle": {"DeathReason": 4},
        "preempted": {"DeathReason": 3},
        "silent": {"DeathReason": 2, "DeathReasonMessage": "health check failed\ndue to missing too many heartbeats"},
    }
    found = list(autoscaler.lost_nodes(lost, deaths))
    assert {finding.state for finding in found} == {"note"}
    assert [finding.detail for finding in found] == [
        "gpu-spot (10.0.0.7): preempted",
        "gpu-spot (10.0.0.7): health check failed due to missing too many heartbeats",
        "gpu-spot (10.0.0.7): lost",
    ]
    many = list(autoscaler.lost_nodes(status(nodes=[("a", str(n)) for n in range(20)]), {}))
    assert len(many) == autoscaler.MAX_LINES + 1
    assert many[-1].detail == "15 more machines were lost"


MONITOR_OUT = """\
\x1b[0m2026-11-22 07:33:03,982\tINFO log_timer.py:25 -- NodeUpdater: 10.0.0.5: Ray start commands failed [LogTimer=10ms]
2026-11-22 07:33:03,982\tINFO log_timer.py:25 -- NodeUpdater: 10.0.0.5: Applied config aj1trqd  [LogTimer=14ms]
2026-11-22 07:30:00,000\tINFO log_timer.py:25 -- NodeUpdater: 10.0.0.6: Setup commands failed [LogTimer=10ms]
2026-11-22 07:33:13,700\tINFO log_timer.py:25 -- NodeUpdater: 10.0.0.6: Ray start commands succeeded [LogTimer=20ms]
2026-11-22 06:00:00,000\tINFO log_timer.py:25 -- NodeUpdater: 10.0.0.7: Setup commands failed [LogTimer=20ms]
2026-11-22 07:33:13,700\tINFO log_timer.py:25 -- NodeUpdater: 10.0.0.8: Setup commands failed [LogTimer=20ms]
RuntimeError: Version mismatch: The cluster was started with:
    Ray: 2.60.0
    Python: 3.11.7
This process on node 10.0.0.5 was started with:
    Ray: 2.59.0
    Python: 3.11.7

"""


def test_a_long_log_is_read_from_the_first_complete_line_of_its_end(tmp_path, monkeypatch):
    (tmp_path / "monitor.out").write_text(MONITOR_OUT)
    whole = autoscaler.failed_setup_steps(NOON, tmp_path)
    for size in range(1, len(MONITOR_OUT), 7):
        monkeypatch.setattr(autoscaler, "LOG_BYTES", size)
        assert autoscaler.failed_setup_steps(NOON, tmp_path).keys() <= whole.keys()


def test_the_worker_types_are_those_of_the_cluster_file_without_the_head(tmp_path):
    file = tmp_path / "cluster.yaml"
    file.write_text("{head_node_type: h, available_node_types: {h: {}, w: {labels: {pool: gpu}}, x: 3}}")
    assert autoscaler.worker_types(file) == {"w": {"labels": {"pool": "gpu"}}}


def test_a_machine_that_did_not_join_is_reported_with_the_reason(tmp_path, monkeypatch):
    (tmp_path / "monitor.out").write_text(MONITOR_OUT)
    (tmp_path / "cluster.yaml").write_text("provider: {type: local, worker_ips: [10.0.0.4, 10.0.0.5, 10.0.0.9]}")
    found = {
        "version_mismatches": autoscaler.version_mismatches(tmp_path),
        "failed_setup_steps": autoscaler.failed_setup_steps(NOON, tmp_path),
        "listed_workers": autoscaler.listed_workers(tmp_path / "cluster.yaml"),
    }
    monkeypatch.setattr(autoscaler, "version_mismatches", lambda: found["version_mismatches"])
    monkeypatch.setattr(autoscaler, "failed_setup_steps", lambda now: found["failed_setup_steps"])
    monkeypatch.setattr(autoscaler, "listed_workers", lambda: found["listed_workers"])
    lines = [(finding.state, finding.detail) for finding in autoscaler.not_joined({"10.0.0.4"}, NOON)]
    assert lines == [
        ("fault", "10.0.0.5 cannot join: has Ray 2.59.0, the head Ray 2.60.0"),
        ("fault", "10.0.0.8 has not joined: Setup commands failed"),
        ("note", "10.0.0.9 of the cluster file has not joined"),
    ]
    assert not list(autoscaler.not_joined({"10.0.0.4", "10.0.0.5", "10.0.0.8", "10.0.0.9"}, NOON))


@pytest.mark.parametrize("text", [None, "", "a: [", "provider: {type: aws}", "provider: 3", "- 1"])
def test_without_listed_machines_there_is_nothing_to_report(tmp_path, text):
    file = tmp_path / "cluster.yaml"
    if text is not None:
        file.write_text(text)
    assert autoscaler.listed_workers(file) == []
    assert autoscaler.worker_types(file) == {}
    assert autoscaler.failed_setup_steps(NOON, tmp_path / "absent") == {}
    assert autoscaler.version_mismatches(tmp_path / "absent") == {}


def test_of_many_machines_that_did_not_join_a_few_are_named(monkeypatch):
    monkeypatch.setattr(autoscaler, "version_mismatches", dict)
    monkeypatch.setattr(autoscaler, "failed_setup_steps", lambda now: {})
    monkeypatch.setattr(autoscaler, "listed_workers", lambda: [f"10.0.0.{n}" for n in range(20)])
    found = list(autoscaler.not_joined(set(), NOON))
    assert len(found) == autoscaler.MAX_LINES + 1
    assert found[0].detail == f"{20 - autoscaler.MAX_LINES} more machines have not joined"


def test_a_host_that_has_no_address_keeps_its_name():
    assert [autoscaler._address(host) for host in ("127.0.0.1", "no such host")] == ["127.0.0.1", "no such host"]
