"""The Ray session: a local Ray listens on the loopback only, and a failed connection has a clear reason."""

import subprocess
import sys
from pathlib import Path

import pytest

SESSION = """
import sys
from ablations.cluster.session import prepare, ray_session
prepare(None)
with ray_session(None):
    import ray
    ray.get(ray.remote(lambda: 1).remote())
    print("up", flush=True)
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
def test_every_port_of_a_local_ray_is_on_the_loopback():
    with subprocess.Popen(
        [sys.executable, "-c", SESSION], stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
    ) as process:
        try:
            assert process.stdout.readline() == b"up\n"
            held = {inode for pid in session_processes(process.pid) for inode in sockets(pid)}
            addresses = [address for inode, address in listening() if inode in held]
        finally:
            process.stdin.close()
            process.wait(timeout=60)
    assert len(addresses) >= 3  # the GCS, the raylet and a worker at the least
    assert set(addresses) <= LOOPBACK
