"""What `ablate doctor` finds on this machine, sound and not; and what a worker does that sees no results."""

import http.server
import os
import threading
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

from ablations.cli.parser import main
from ablations.cluster import autoscaler as machines
from ablations.cluster import head_logs
from ablations.cluster import node_check as reach
from ablations.doctor import machine as doctor
from ablations.errors import StudyError
from ablations.state.lock import DriverLock
from silhouette.results import Store


def only(findings):
    (finding,) = findings
    return finding


def test_this_machine_can_run_a_study_and_looking_leaves_nothing_behind(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["doctor"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert {line[7:17].strip() for line in lines[:-1]} >= {"packages", "project", "machine", "torch", "results", "data"}
    assert lines[-1] == "ready to run"
    assert list(tmp_path.iterdir()) == []


def test_a_package_that_is_too_old_or_absent_is_named_with_what_is_needed(monkeypatch):
    monkeypatch.setattr(doctor, "requires", lambda _: ["torch>=99", "no-such-thing", "pytest<1; extra == 'test'"])
    finding = only(doctor.packages())
    assert finding.state == "fault"
    assert "(needs >=99), no-such-thing absent (needs any)" in finding.detail
    assert "pytest" not in finding.detail


@pytest.mark.parametrize(("mode", "state"), [(0o600, "ok"), (0o644, "fault"), (0o640, "fault")])
def test_a_token_that_others_can_read_is_a_fault(tmp_path, monkeypatch, mode, state):
    file = tmp_path / "token"
    file.write_text("secret-token")
    file.chmod(mode)
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(file))
    monkeypatch.delenv("RAY_AUTH_TOKEN", raising=False)
    finding = only(doctor.token())
    assert finding.state == state
    assert "secret-token" not in str(finding)


def test_a_results_location_that_cannot_be_written_is_a_fault(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("")
    assert main(["doctor", "--results", "file/below"]) == 1
    out = capsys.readouterr().out
    assert "fault  results     file/below: " in out
    assert "give another --results" in out


def test_a_full_disk_is_a_fault(tmp_path, monkeypatch):
    monkeypatch.setattr(doctor, "ENOUGH_BYTES", 1 << 60)
    finding = only(doctor.store(str(tmp_path / "results")))
    assert finding.state == "fault"
    assert "MiB free" in finding.detail


class Healthy(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == "/health" else 404)
        self.end_headers()
        self.wfile.write(b"OK")

    def log_message(self, *_):
        pass


def test_an_mlflow_server_is_asked_for_its_health_and_its_silence_stops_nothing():
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Healthy) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        uri = f"http://127.0.0.1:{server.server_port}"
        assert only(doctor.view(uri)).state == "ok"
        server.shutdown()
        thread.join()
    finding = only(doctor.view(uri))
    assert finding.state == "note"
    assert "ablate sync" in finding.advice


def test_a_worker_runs_no_trial_where_it_does_not_see_the_driver_s_file(tmp_path):
    store = Store(str(tmp_path / "seen"), "s")
    with DriverLock(store, "ablate run s") as lock:
        common = {"results": store.uri, "study": "s", "driver": lock.holder}
        reach.insist(common)
        with pytest.raises(StudyError, match=r"does not see .*no driver.json there.*s3://"):
            reach.insist({**common, "results": str(tmp_path / "elsewhere")})
        with pytest.raises(StudyError, match="another driver's"):
            reach.insist({**common, "driver": {**lock.holder, "pid": os.getpid() + 1}})
    reach.insist({**common, "driver": None})  # a machine of its own needs no proof


def test_records_are_compacted_on_demand_but_not_under_a_driver(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    store = Store("results", "s")
    assert main(["compact", "s"]) == 2
    assert "holds no records of it" in capsys.readouterr().err
    store.write_record({"trial_id": "a" * 16, "status": "complete"})
    with DriverLock(store, "ablate run s"):
        assert main(["compact", "s"]) == 2
        assert "another `ablate run` works on" in capsys.readouterr().err
    assert main(["compact", "s"]) == 0
    assert "1 records" in capsys.readouterr().out
    assert (tmp_path / "results/s/records.parquet").is_file()


NOW = 1_800_000_000
NOON = datetime.fromisoformat("2026-11-22 07:40:00")
NO_SPOT = "Node Launch Exception (InsufficientInstanceCapacity): We currently do not have sufficient g5.xlarge capacity"


def status(launches=(), nodes=(), waiting=True):
    """A status as Ray's own parser makes it."""
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


def test_a_machine_that_the_cloud_does_not_give_is_named_with_its_reason_and_what_to_do():
    refused = status([("gpu-spot", 90), ("gpu-spot", 20), ("cpu-spot", 7200)])
    finding = only(machines.failed_launches(refused, {"gpu-spot": NO_SPOT}, NOW))
    assert finding.state == "fault"
    assert finding.detail == f"gpu-spot: 2 launches failed, 20 s ago: {NO_SPOT}"
    assert "from spot to on-demand after a minute" in finding.advice


@pytest.mark.parametrize(
    ("said", "advice"),
    [
        ("MaxSpotInstanceCountExceeded: Max spot instance count exceeded", "quota"),
        ("UnauthorizedOperation: not authorized to perform ec2:RunInstances", "rights"),
        ("Quota 'GPUS_ALL_REGIONS' exceeded", "quota"),
        ("ZONE_RESOURCE_POOL_EXHAUSTED", "from spot to on-demand"),
    ],
)
def test_each_refusal_has_its_advice(said, advice):
    assert advice in only(machines.failed_launches(status([("a", 1)]), {"a": said}, NOW)).advice


def test_where_the_log_is_elsewhere_its_place_is_named_and_where_nothing_waits_it_is_a_note():
    finding = only(machines.failed_launches(status([("gpu-spot", 5)], waiting=False), {}, NOW))
    assert finding.state == "note"
    assert "launch failed, 5 s ago: /tmp/ray/session_latest/logs/monitor.log on the head says why" in finding.detail


def test_the_autoscaler_s_log_has_the_cloud_s_words(tmp_path):
    log = tmp_path / "monitor.log"
    lines = [f"2026-11-22 05:00:00,1 INFO node_provider.py:491 -- Failed to launch 1 nodes of type gpu-spot: {said}"
             for said in ("first", NO_SPOT)]  # fmt: skip
    log.write_text("\n".join(["something else", *lines, "more"]))
    assert head_logs.reasons(tmp_path) == {"gpu-spot": NO_SPOT}
    assert head_logs.reasons(tmp_path / "absent") == {}


def test_a_machine_that_was_lost_is_named_and_one_that_was_idle_is_not():
    lost = status(nodes=[("cpu-spot", "idle"), ("gpu-spot", "taken"), ("gpu-spot", "silent"), ("gpu-spot", "unknown")])
    deaths = {
        "idle": {"DeathReason": 4},
        "taken": {"DeathReason": 3},
        "silent": {"DeathReason": 2, "DeathReasonMessage": "health check failed\ndue to missing too many heartbeats"},
    }
    found = list(machines.lost_nodes(lost, deaths))
    assert {finding.state for finding in found} == {"note"}
    assert [finding.detail for finding in found] == [
        "gpu-spot (10.0.0.7): taken back",
        "gpu-spot (10.0.0.7): health check failed due to missing too many heartbeats",
        "gpu-spot (10.0.0.7): lost",
    ]
    many = list(machines.lost_nodes(status(nodes=[("a", str(n)) for n in range(20)]), {}))
    assert len(many) == machines.SHOWN + 1
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


def test_a_long_log_is_read_from_the_first_whole_line_of_its_end(tmp_path, monkeypatch):
    (tmp_path / "monitor.out").write_text(MONITOR_OUT)
    whole = head_logs.failed_steps(NOON, tmp_path)
    for size in range(1, len(MONITOR_OUT), 7):
        monkeypatch.setattr(head_logs, "LOG_BYTES", size)
        assert head_logs.failed_steps(NOON, tmp_path).keys() <= whole.keys()


def test_the_types_of_workers_are_those_of_the_cluster_file(tmp_path):
    file = tmp_path / "cluster.yaml"
    file.write_text("{head_node_type: h, available_node_types: {h: {}, w: {labels: {pool: gpu}}, x: 3}}")
    assert head_logs.worker_types(file) == {"w": {"labels": {"pool": "gpu"}}}


def test_a_machine_that_did_not_join_is_named_with_the_reason(tmp_path, monkeypatch):
    (tmp_path / "monitor.out").write_text(MONITOR_OUT)
    (tmp_path / "cluster.yaml").write_text("provider: {type: local, worker_ips: [10.0.0.4, 10.0.0.5, 10.0.0.9]}")
    found = {
        "other_versions": head_logs.other_versions(tmp_path),
        "failed_steps": head_logs.failed_steps(NOON, tmp_path),
        "listed": head_logs.listed(tmp_path / "cluster.yaml"),
    }
    monkeypatch.setattr(head_logs, "other_versions", lambda: found["other_versions"])
    monkeypatch.setattr(head_logs, "failed_steps", lambda now: found["failed_steps"])
    monkeypatch.setattr(head_logs, "listed", lambda: found["listed"])
    lines = [(finding.state, finding.detail) for finding in machines.absent({"10.0.0.4"}, NOON)]
    assert lines == [
        ("fault", "10.0.0.5 cannot join: has Ray 2.59.0, the head Ray 2.60.0"),
        ("fault", "10.0.0.8 has not joined: Setup commands failed"),
        ("note", "10.0.0.9 of the cluster file has not joined"),
    ]
    assert not list(machines.absent({"10.0.0.4", "10.0.0.5", "10.0.0.8", "10.0.0.9"}, NOON))


@pytest.mark.parametrize("text", [None, "", "a: [", "provider: {type: aws}", "provider: 3", "- 1"])
def test_a_cluster_file_that_names_no_machine_is_no_matter(tmp_path, text):
    file = tmp_path / "cluster.yaml"
    if text is not None:
        file.write_text(text)
    assert head_logs.listed(file) == []
    assert head_logs.worker_types(file) == {}
    assert head_logs.failed_steps(NOON, tmp_path / "absent") == {}
    assert head_logs.other_versions(tmp_path / "absent") == {}
