"""The Ray session: a local Ray is small and listens on the loopback, and a failed connection has a clear reason."""

import subprocess
import sys
from pathlib import Path

import pytest

from ablations.cluster import session
from ablations.cluster.session import UNUSED_PROCESSES, _only_needed_processes, check_head, explain_connection_error
from ablations.errors import StudyError

SESSION = """
import sys
from ablations.cluster.session import prepare, ray_session
prepare(None)
with ray_session(None, preload=["wave"]):
    import ray
    from ray.tune.execution.class_cache import _ActorClassCache

    class Actor:
        def look(self):
            import os, sys
            return "wave" in sys.modules, "PL_DISABLE_FORK" in os.environ

    actor = _ActorClassCache().get(Actor).remote()
    print(*ray.get(actor.look.remote()), flush=True)
    sys.stdin.read()
"""


def session_processes(pid):
    """The processes of a process's session, including those whose parent has ended."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        found.append((int(folder.name), int(fields[1]), int(fields[3])))
    session = next(s for p, _, s in found if p == pid)
    return [p for p, _, s in found if s == session]


def command(pid):
    """The command line of a process; empty if it has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except OSError:
        return ""


def sockets(pid):
    """Inodes of the open sockets of a process."""
    for link in Path(f"/proc/{pid}/fd").iterdir():
        try:
            target = str(link.readlink())
        except OSError:
            continue
        if target.startswith("socket:["):
            yield target[8:-1]


def listening():
    """Inode and local address, in hex, of every listening TCP socket."""
    for file in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in Path(file).read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A":
                yield fields[9], fields[1].partition(":")[0]


LOOPBACK = {"0100007F", "0000000000000000FFFF00000100007F", "00000000000000000000000001000000"}


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="reads Linux's /proc")
def test_a_local_ray_is_small_preloads_modules_and_listens_on_the_loopback_alone():
    with subprocess.Popen(
        [sys.executable, "-c", SESSION], stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
    ) as process:
        try:
            # the module was imported while the worker started, and Tune's actor is in that worker
            assert process.stdout.readline() == b"True False\n"
            commands = "".join(command(pid) for pid in session_processes(process.pid))
            held = {inode for pid in session_processes(process.pid) for inode in sockets(pid)}
            addresses = [address for inode, address in listening() if inode in held]
        finally:
            process.stdin.close()
            process.wait(timeout=60)
    assert "raylet" in commands
    assert [name for name in ("dashboard/dashboard.py", "monitor.py", "log_monitor.py") if name in commands] == []
    assert len(addresses) >= 3  # the GCS, the raylet and a worker at the least
    assert set(addresses) <= LOOPBACK


TOKEN_MISSING = "the cluster requires a token and this machine has none"
TOKEN_REJECTED = "the head rejected our token"


NO_TOKEN = """\
  File "ray/_private/authentication/authentication_token_setup.py", line 162, in ensure_token_if_auth_enabled
    raise AuthenticationError(
ray.exceptions.AuthenticationError: Token authentication is enabled but no authentication token was found. Ensure that \
the token for the cluster is available in a local file (e.g., ~/.ray/auth_token or via RAY_AUTH_TOKEN_PATH) or as the \
`RAY_AUTH_TOKEN` environment variable."""
WRONG_TOKEN = """\
[2026-11-25 19:17:29,339 W 604 604] gcs_client.cc:210: Failed to get cluster ID from GCS server: Unauthenticated: \
RPC error: InvalidAuthToken: Authentication token is missing or incorrect
"""
NO_RAY = """\
ConnectionError: Could not find any running Ray instance. Please specify the one to connect to by setting `--address` \
flag or `RAY_ADDRESS` environment variable."""
OTHER_VERSION = """\
RuntimeError: Version mismatch: The cluster was started with:
    Ray: 2.59.0
    Python: 3.12.1
"""
NO_ANSWER = """\
[2026-11-25 19:17:14,150 W 307 307] rpc_client.h:153: Failed to connect to GCS at address 127.0.0.1:9999 within 5 \
seconds.
"""
VERSIONS = "Version mismatch: The cluster was started with: Ray: 2.59.0 Python: 3.12.1; install the same versions"


@pytest.mark.parametrize(
    ("stderr", "expected"),
    [
        (NO_TOKEN, TOKEN_MISSING),
        (WRONG_TOKEN, TOKEN_REJECTED),
        (NO_RAY, "no Ray runs on this machine"),
        (OTHER_VERSION, VERSIONS),
        (NO_ANSWER, "no Ray head answers on this machine within 10 s"),
    ],
)
def test_what_ray_printed_about_a_failed_connection_is_explained_in_one_line(stderr, expected):
    explained = explain_connection_error(stderr)
    assert explained.startswith(expected)
    assert "\n" not in explained


@pytest.mark.parametrize(
    ("address", "variable", "target", "got"),
    [
        ("auto", "10.1.2.3:4711", "10.1.2.3:4711", "'auto' (RAY_ADDRESS=10.1.2.3:4711)"),
        ("10.9.9.9:4712", "10.1.2.3:4711", "10.9.9.9:4712", "'10.9.9.9:4712'"),
    ],
)
def test_the_line_names_the_address_that_was_tried(monkeypatch, address, variable, target, got):
    monkeypatch.setenv("RAY_ADDRESS", variable)
    monkeypatch.setattr(session, "_connection_error", lambda *_: NO_ANSWER)
    with pytest.raises(StudyError) as caught:
        check_head(address)
    port = target.partition(":")[2]
    assert str(caught.value).startswith(f"--address: no Ray head answers at {target} within 10 s")
    assert str(caught.value).endswith(f"is its port {port} open?, got {got}")


def test_a_head_may_come_back_within_the_patience(monkeypatch):
    answers = iter([NO_ANSWER, None])
    monkeypatch.setattr(session, "_connection_error", lambda *_: next(answers))
    check_head("auto", patience=30)


def test_ray_client_is_rejected_without_a_connection():
    with pytest.raises(StudyError, match=r"^--address: Ray Client is not used.*got 'ray://"):
        check_head("ray://127.0.0.1:10001")


def test_ray_is_left_as_it_was_after_the_start():
    from ray._private import utils
    from ray._private.node import Node

    owners = [(Node, name) for name in UNUSED_PROCESSES] + [(utils, "get_dashboard_dependency_error")]
    before = [getattr(owner, name) for owner, name in owners]
    with _only_needed_processes():
        assert [getattr(owner, name)() for owner, name in owners] == [None] * 3 + ["the dashboard is not used"]
    assert [getattr(owner, name) for owner, name in owners] == before
