"""What `ablate doctor` finds on this machine, with and without faults."""

import http.server
import threading

import pytest

from ablations.cli.parser import main
from ablations.doctor import machine
from silhouette.registry import plugins_of
from tests.helpers import plugin


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


@pytest.mark.parametrize(("given", "state", "part"), [("secret-token", "ok", "in RAY_AUTH_TOKEN"), ("", "note", "no ")])
def test_a_token_may_be_in_the_environment_or_absent(tmp_path, monkeypatch, given, state, part):
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(tmp_path / "absent"))
    monkeypatch.setenv("RAY_AUTH_TOKEN", given)
    finding = only(machine.token())
    assert (finding.state, finding.detail.startswith(part)) == (state, True)
    assert "secret-token" not in str(finding)


def test_small_shared_memory_is_a_fault(monkeypatch):
    monkeypatch.setattr(machine, "RAY_SHARED_MEMORY", 1 << 60)
    finding = list(machine.hardware())[-1]
    assert (finding.state, finding.advice) == ("fault", "Ray needs 256 MiB; give Docker the option --shm-size=1g")


def test_a_results_location_that_returns_other_data_is_a_fault(tmp_path, monkeypatch):
    monkeypatch.setattr("silhouette.results.Store.read_json", lambda *_: {"works": "no"})
    finding = only(machine.results_location(str(tmp_path / "results")))
    assert (finding.state, "reading returns other data than written" in finding.detail) == ("fault", True)


@pytest.mark.parametrize(
    ("dirty", "commit", "line"),
    [(True, "ab" * 20, "files differ from the commit; records will say so"), (None, None, "no git checkout")],
)
def test_a_changed_checkout_is_a_note(monkeypatch, dirty, commit, line):
    monkeypatch.setattr(machine, "git_state", lambda: {"git_commit": commit, "git_dirty": dirty})
    finding = only(machine.project())
    assert (finding.state, line in str(finding)) == ("note" if dirty else "ok", True)


@pytest.mark.parametrize(
    ("uri", "line"),
    [
        ("postgresql://host/db", "postgresql://host/db is not checked"),
        ("sqlite:////nowhere/mlflow.db", "sqlite:////nowhere/mlflow.db cannot be written"),
    ],
)
def test_an_mlflow_store_that_is_unknown_or_read_only_is_a_note(uri, line):
    finding = only(machine.mlflow_store(uri))
    assert (finding.state, finding.detail) == ("note", line)


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


def test_the_plugins_of_a_study_are_named_or_their_fault_is(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    name, metric = f"{plugin.NAME}.nets:tiny", f"{plugin.NAME}.metrics:spread"
    text = f"""
from ablations import Study

STUDY = Study(
    question="?",
    factors={{"lambda_sil": (0.0, 0.2)}},
    baseline={{"lambda_sil": 0.0}},
    fixed={{"encoder": "{name}", "metrics": ("{metric}",)}},
)
"""
    (tmp_path / "own.py").write_text(text)
    plugin.write_plugin(tmp_path / "site")
    source = plugins_of([name])[name]["source_sha256"]
    assert main(["doctor", "--study", "own.py"]) == 0
    said = capsys.readouterr().out
    assert all(f"plugin      {one}: no version, source {source}" in said for one in (name, metric))
    plugin.write_plugin(tmp_path / "site", nets="import absent")
    assert main(["doctor", "--study", "own.py"]) == 1
    assert f"plugin      encoder: {name}: cannot be imported (No module named 'absent')" in capsys.readouterr().out
