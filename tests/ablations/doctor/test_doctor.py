"""What `ablate doctor` finds on this machine, with and without faults."""

import http.server
import threading

import pytest

from ablations.cli.parser import main
from ablations.doctor import machine


def only(findings):
    (finding,) = findings
    return finding


def test_this_machine_can_run_a_study_and_the_check_leaves_no_file(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["doctor"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert {line[7:17].strip() for line in lines[:-1]} >= {"packages", "project", "machine", "torch", "results", "data"}
    assert lines[-1] == "ready to run"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("usable", "shown"), [(1, "1 usable CPU, "), (3, "3 usable CPUs, ")])
def test_the_machine_has_the_cpus_that_this_process_may_use(monkeypatch, usable, shown):
    monkeypatch.setattr(machine, "usable_cpus", lambda: usable)
    assert next(machine.hardware()).detail.startswith(shown)


def test_an_old_or_absent_package_is_reported_with_the_version_that_is_needed(monkeypatch):
    monkeypatch.setattr(machine, "requires", lambda _: ["torch>=99", "no-such-thing", "pytest<1; extra == 'test'"])
    finding = only(machine.packages())
    assert finding.state == "fault"
    assert "(needs >=99), no-such-thing absent (needs any)" in finding.detail
    assert "pytest" not in finding.detail


@pytest.mark.parametrize(("mode", "state"), [(0o600, "ok"), (0o644, "fault"), (0o640, "fault")])
def test_a_token_that_other_users_can_read_is_a_fault(tmp_path, monkeypatch, mode, state):
    file = tmp_path / "token"
    file.write_text("secret-token")
    file.chmod(mode)
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(file))
    monkeypatch.delenv("RAY_AUTH_TOKEN", raising=False)
    finding = only(machine.token())
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
    monkeypatch.setattr(machine, "ENOUGH_BYTES", 1 << 60)
    finding = only(machine.results_location(str(tmp_path / "results")))
    assert finding.state == "fault"
    assert "MiB free" in finding.detail


class Healthy(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == "/health" else 404)
        self.end_headers()
        self.wfile.write(b"OK")

    def log_message(self, *_):
        pass


def test_an_mlflow_server_that_does_not_answer_is_a_note_and_no_fault():
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Healthy) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        uri = f"http://127.0.0.1:{server.server_port}"
        assert only(machine.mlflow_store(uri)).state == "ok"
        server.shutdown()
        thread.join()
    finding = only(machine.mlflow_store(uri))
    assert finding.state == "note"
    assert "ablate sync" in finding.advice
