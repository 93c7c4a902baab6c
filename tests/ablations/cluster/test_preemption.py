"""The preemption watcher against HTTP servers that answer like the metadata services of EC2 and Compute Engine."""

import json
import threading
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from ablations.cli.parser import main
from ablations.cluster import preemption


class Metadata(ThreadingHTTPServer):
    """EC2's service, version 2 (requires a session token), and Compute Engine's. A test sets the notice."""

    action: str | None = None
    garbled = 0
    preempted = "FALSE"
    broken = 0


class Handler(BaseHTTPRequestHandler):
    def do_PUT(self):
        asked = self.headers.get("X-aws-ec2-metadata-token-ttl-seconds")
        self.answer(200 if self.path == "/latest/api/token" and asked else 400, "a-token")

    def do_GET(self):
        if self.server.broken:
            self.server.broken -= 1
            return self.answer(503, "")
        if self.server.garbled and "spot" in self.path:
            self.server.garbled -= 1
            return self.answer(200, ["<html>come back later</html>", "[]"][self.server.garbled % 2])
        if self.path.startswith("/computeMetadata/"):
            allowed = self.headers.get("Metadata-Flavor") == "Google"
            return self.answer(200 if allowed else 403, self.server.preempted)
        if self.headers.get("X-aws-ec2-metadata-token") != "a-token":
            return self.answer(401, "")
        found = self.path == "/latest/meta-data/spot/instance-action" and self.server.action
        return self.answer(200 if found else 404, found or "")

    def answer(self, code, text):
        self.send_response(code)
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_):
        pass


@pytest.fixture
def metadata(monkeypatch):
    server = Metadata(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", f"http://127.0.0.1:{server.server_port}/")
    monkeypatch.setenv("GCE_METADATA_HOST", "127.0.0.1:1")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")  # the watcher must not use it
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def action(seconds):
    at = datetime.now(UTC) + timedelta(seconds=seconds)
    return json.dumps({"action": "terminate", "time": at.strftime("%Y-%m-%dT%H:%M:%SZ")})


def test_ec2_gives_no_notice_and_then_the_seconds_until_termination(metadata):
    assert preemption.find_notice() is preemption.aws_notice
    assert preemption.aws_notice() is None
    metadata.action = action(120)
    assert 110 < preemption.aws_notice() <= 120


def test_a_notice_without_a_readable_time_means_now(metadata):
    metadata.action = '{"action": "stop"}'
    assert preemption.aws_notice() == 0.0


def test_a_time_without_a_zone_is_utc(metadata):
    metadata.action = action(120).replace("Z", "")
    assert 110 < preemption.aws_notice() <= 120


def test_compute_engine_gives_thirty_seconds(metadata, monkeypatch):
    monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://127.0.0.1:1")
    monkeypatch.setenv("GCE_METADATA_HOST", f"127.0.0.1:{metadata.server_port}")
    assert preemption.find_notice() is preemption.gcp_notice
    assert preemption.gcp_notice() is None
    metadata.preempted = "TRUE"
    assert preemption.gcp_notice() == 30.0


def test_the_watcher_survives_failing_answers_and_drains_at_the_notice(metadata, monkeypatch):
    drained, lines = [], []
    monkeypatch.setattr(
        preemption, "drain", lambda seconds, *_: drained.append(seconds) or 0
    )  # tests/cluster_lab drains for real

    def say(line):
        lines.append(line)
        metadata.broken, metadata.garbled, metadata.action = 2, 2, action(60)

    metadata.garbled = 1
    assert preemption.watch(say, poll_seconds=0.01) == 0
    assert len(drained) == 1
    assert 50 < drained[0] <= 60
    assert lines[0].startswith("watching for a preemption notice")


def test_a_metadata_service_that_starts_after_the_machine_is_found(monkeypatch):
    found, drained = iter([None, None, lambda: 30.0]), []
    monkeypatch.setattr(preemption, "find_notice", lambda: next(found))
    monkeypatch.setattr(preemption, "drain", lambda seconds, *_: drained.append(seconds) or 0)
    assert preemption.watch(lambda _: None, poll_seconds=0.01) == 0
    assert drained == [30.0]


def test_without_a_metadata_service_there_is_nothing_to_watch(monkeypatch, capsys):
    monkeypatch.setattr(preemption, "FIND_TRIES", 1)
    monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://127.0.0.1:1")
    monkeypatch.setenv("GCE_METADATA_HOST", "127.0.0.1:1")
    assert main(["cluster", "watch"]) == 0
    assert "nothing to watch" in capsys.readouterr().out


def test_the_search_for_a_metadata_service_ends_after_about_a_minute(monkeypatch):
    asked, slept = [], []
    monkeypatch.setattr(preemption, "find_notice", lambda: asked.append(1))
    monkeypatch.setattr(preemption.time, "sleep", slept.append)
    assert preemption.watch(lambda _: None) == 0
    assert len(asked) == preemption.FIND_TRIES
    assert 50 <= sum(slept) <= 70


def test_draining_is_tried_again_while_the_head_does_not_answer(monkeypatch):
    lines, tries = [], iter([True, True, False])

    def once():
        if next(tries):
            raise ConnectionError("no head")
        return "a-node"

    monkeypatch.setattr(preemption, "_drain_once", once)
    assert preemption.drain(10.0, lines.append, poll_seconds=0.01) == 0
    assert lines == ["drained a-node"]
    assert not list(tries)


def test_a_head_that_never_answers_is_one_line(monkeypatch):
    """The last line of the error output of the last attempt."""
    lines = []
    monkeypatch.setattr(preemption, "_OWN_NODE", "import sys; print('a long', 'story', sep='\\n'); sys.exit('no head')")
    assert preemption.drain(0.3, lines.append, poll_seconds=0.1) == 1
    assert lines == ["not drained: no head"]
    monkeypatch.setattr(preemption, "_OWN_NODE", "import time; time.sleep(60)")
    monkeypatch.setattr(preemption, "ATTEMPT_SECONDS", 0.2)
    assert preemption.drain(0.0, lines.append, poll_seconds=0.1) == 1
    assert lines[1:] == ["not drained: no answer from the head in 0.2 s"]


def test_a_python_of_the_watcher_gives_its_last_line_or_its_error(monkeypatch):
    assert preemption._run_python("-c", "print(1); print(2)") == "2"
    with pytest.raises(OSError, match=r"^ValueError: no node$"):
        preemption._run_python("-c", "raise ValueError('no node')")
    with pytest.raises(OSError, match=r"^exit code 3$"):
        preemption._run_python("-c", "raise SystemExit(3)")
    monkeypatch.setattr(preemption, "ATTEMPT_SECONDS", 0.2)
    with pytest.raises(OSError, match=r"no answer from the head in 0\.2 s"):
        preemption._run_python("-c", "import time; time.sleep(60)")
