"""Several hosts on one machine, made from namespaces, on which `ray up` works as on a real network.

A host has its own network, processes, file system (a copy-on-write view of this machine's), /tmp, /dev/shm and sshd.
The hosts are connected by a bridge in the network of the operator's host. Nothing is created in the network of the
machine, so two groups of hosts may have the same addresses. Every host ends with the process that started it.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
CHECKOUT = HERE.parents[1]
PATHS = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
OPERATOR = "10.77.0.1"
NAMESPACES = (
    *("setpriv", "--pdeathsig", "KILL"),  # the host ends with the thread that started it
    *("unshare", "--net", "--pid", "--mount", "--ipc", "--uts", "--fork", "--kill-child=SIGKILL"),
)
NOT_IN_OVERLAY = ("/tmp", "/root", "/run", "/dev", "/proc", "/sys", "/home")
"""Folders that a host gets new, or that may be separate mounts, which an overlay of / does not show."""


def missing(*programs: str) -> str | None:
    """Return why this machine cannot start virtual hosts; None if it can."""
    if os.geteuid() != 0:
        return "needs root"
    for program in ("unshare", "nsenter", "setpriv", "ip", *programs):
        if shutil.which(program, path=f"{os.environ['PATH']}:{PATHS}") is None:
            return f"needs {program}"
    layer = "mount -t overlay o -o lowerdir=/,upperdir=/mnt/u,workdir=/mnt/w /mnt"
    probe = [*NAMESPACES, "sh", "-c", f"mount -t tmpfs t /mnt && mkdir /mnt/u /mnt/w && {layer}"]
    tried = subprocess.run(probe, capture_output=True, text=True, check=False)
    return f"needs CAP_SYS_ADMIN and overlayfs: {tried.stderr.strip()}" if tried.returncode else None


@dataclass(frozen=True)
class Image:
    """The configuration of a new host.

    Attributes:
        keys: Public keys that may log in; without keys there is no sshd.
        user: Account that may log in.
        bashrc: The user's .bashrc.
    """

    keys: str = ""
    user: str = "root"
    bashrc: str = ""


class Host:
    """One virtual machine."""

    def __init__(self, name: str, address: str, process: subprocess.Popen[str]) -> None:
        self.name, self.address, self._process = name, address, process
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        self.init = int(children[0])

    def command(self, script: str, **environment: str) -> list[str]:
        """Return the command line of a bash script in the host, with this interpreter's environment on its PATH."""
        base = {"HOME": "/root", "LANG": "C.UTF-8", "PATH": f"{sys.prefix}/bin:{PATHS}", "RAY_USAGE_STATS_ENABLED": "0"}
        settings = [f"{key}={value}" for key, value in (base | environment).items()]
        enter = ["nsenter", "-t", str(self.init), *["-n", "-p", "-m", "-i", "-u", "-r", "-w", "--"]]
        return [*enter, "env", "-i", *settings, "bash", "-c", script]

    def run(self, script: str, timeout: float = 120, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run a bash script in the host and wait for it; never raises for its exit code."""
        command = self.command(script, **environment)
        return subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout, check=False
        )

    def start(self, script: str, log: Path, **environment: str) -> subprocess.Popen[str]:
        """Run a bash script in the host, in the background; its output goes to a file of this machine."""
        with log.open("w") as sink:
            command = self.command(script, **environment)
            return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=sink, stderr=sink, text=True)

    def processes(self, pattern: str) -> list[int]:
        """Return the ids, in the host, of the processes whose command line matches."""
        return [int(pid) for pid in self.run(f"pgrep -f -- '{pattern}'").stdout.split() if pid != "$$"]

    def kill(self) -> None:
        """Power the host off: all its processes end at once. The kernel closes its sockets, unlike a power failure."""
        self._process.kill()
        self._process.wait()

    @property
    def alive(self) -> bool:
        """True until it is powered off."""
        return self._process.poll() is None

    @contextlib.contextmanager
    def network(self) -> Iterator[None]:
        """Put the calling thread, and threads that it starts, on this host's network."""
        with open("/proc/thread-self/ns/net") as here, open(f"/proc/{self.init}/ns/net") as there:
            _set_namespace(there.fileno())
            try:
                yield
            finally:
                _set_namespace(here.fileno())


class VirtualHosts:
    """Hosts on one network; a context manager. `operator` is a person's machine, with the key to the others.

    Args:
        folder: An empty folder for their files; `folder/shared` is /shared on every host.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.shared = folder / "shared"
        self.shared.mkdir()
        self.shared.chmod(0o1777)
        self.hosts: dict[str, Host] = {}
        for name in ("operator_key", "host_key"):
            command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)]
            if shutil.which("ssh-keygen"):
                subprocess.run(command, check=True)

    def __enter__(self) -> VirtualHosts:
        """Start the operator's host."""
        self.operator = self._boot("operator", OPERATOR, Image())
        self._ip(
            self.operator,
            f"set -e; ip link set lo up; ip link add wire type bridge; ip addr add {OPERATOR}/24 dev wire;"
            "ip link set wire up; echo 1 >/proc/sys/net/ipv4/ip_forward",  # no route out: answers "unreachable"
        )
        key = self.folder / "operator_key"
        if key.exists():
            self._copy(self.operator, key, "/root/.ssh/lab_key", "600")
        return self

    def __exit__(self, *_: object) -> None:
        """End every host."""
        for host in self.hosts.values():
            host.kill()

    @property
    def key(self) -> str:
        """The operator's public key."""
        return (self.folder / "operator_key.pub").read_text()

    def boot(self, name: str, address: str, public: str | None = None, image: Image | None = None) -> Host:
        """Start a host, or start it again with a new file system, and connect it.

        Args:
            name: Its name.
            address: Its address and prefix length, such as 10.77.0.10/24.
            public: A second address, to which only the operator has a route.
            image: Its configuration; by default root may log in with the operator's key.
        """
        host = self._boot(name, address.split("/")[0], image or Image(keys=self.key))
        cable, init = self._cable(host), host.init
        self._ip(
            self.operator,
            f"ip link del {cable} 2>/dev/null; set -e; ip link add {cable} type veth peer name eth0 netns {init};"
            f"ip link set {cable} master wire; ip link set {cable} up",
        )
        self._ip(
            host,
            f"set -e; ip link set lo up; ip link set eth0 address {_card(host.address)};"
            f"ip addr add {address} dev eth0; ip link set eth0 up;"
            f"ip route replace {OPERATOR}/32 dev eth0; ip route add default via {OPERATOR}",
        )
        if public:
            self._ip(host, f"ip addr add {public}/32 dev eth0")
            self._ip(self.operator, f"ip route replace {public}/32 dev wire")
        return host

    def cut(self, host: Host) -> None:
        """Disconnect a host: it keeps running, and no other host can reach it."""
        self._ip(self.operator, f"ip link set {self._cable(host)} down")

    def connect(self, host: Host) -> None:
        """Connect a host again."""
        self._ip(self.operator, f"ip link set {self._cable(host)} up")

    def _boot(self, name: str, address: str, image: Image) -> Host:
        mount = self.folder / f"{name}.root"
        mount.mkdir(exist_ok=True)
        log = (self.folder / f"{name}.log").open("a")
        process = subprocess.Popen(
            [*NAMESPACES, str(HERE / "host.sh")],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            env={"PATH": f"{os.environ['PATH']}:{PATHS}", **self._settings(name, mount, image)},
        )
        assert process.stdout is not None
        if process.stdout.readline() != "ready\n":
            process.kill()
            raise RuntimeError(f"host {name} did not start: {Path(log.name).read_text()}")
        self.hosts[name] = Host(name, address, process)
        return self.hosts[name]

    def _settings(self, name: str, mount: Path, image: Image) -> dict[str, str]:
        keys, rc = self.folder / f"{name}.keys", self.folder / f"{name}.bashrc"
        keys.write_text(image.keys)
        rc.write_text(image.bashrc)
        return {
            "HOST_NAME": name,
            "HOST_MOUNT": str(mount),
            "HOST_SHARED": str(self.shared),
            "HOST_OVERLAYS": "\n".join(_hidden((sys.base_prefix, sys.prefix, str(CHECKOUT)))),
            "HOST_KEYS": str(keys) if image.keys else "",
            "HOST_KEY": str(self.folder / "host_key"),
            "HOST_USER": image.user,
            "HOST_RC": str(rc),
        }

    def _copy(self, host: Host, source: Path, target: str, mode: str) -> None:
        command = host.command(f"install -m {mode} /dev/stdin {target}")
        subprocess.run(command, input=source.read_text(), text=True, check=True)

    @staticmethod
    def _cable(host: Host) -> str:
        return f"v{host.name[-12:]}"  # the name of an interface has at most 15 characters

    @staticmethod
    def _ip(host: Host, script: str) -> None:
        command = ["nsenter", "-t", str(host.init), "-n", "sh", "-c", script]
        subprocess.run(command, check=True, env={"PATH": PATHS})


def _card(address: str) -> str:
    """Hardware address of the network card of a host, the same after a restart."""
    return "02:00:" + ":".join(f"{int(part):02x}" for part in address.split("."))


def _hidden(folders: tuple[str, ...]) -> Iterator[str]:
    """The folders that a host would not see: below `NOT_IN_OVERLAY`, or on another file system than /."""
    device = os.stat("/").st_dev
    for folder in dict.fromkeys(os.path.realpath(name) for name in folders):
        if folder.startswith(tuple(f"{top}/" for top in NOT_IN_OVERLAY)) or os.stat(folder).st_dev != device:
            yield folder


def _set_namespace(descriptor: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)  # os.setns came with Python 3.12
    if libc.setns(descriptor, 0):
        raise OSError(ctypes.get_errno(), "setns")
