"""Virtual hosts are separate, can be cut off, and end with the test that started them."""

import signal
import subprocess
import sys
from pathlib import Path

from tests.cluster_lab.virtual_hosts import CHECKOUT
from tests.helpers.waiting import wait_for

LEFT_ALONE = """
import sys, time
from pathlib import Path
from tests.cluster_lab.virtual_hosts import VirtualHosts
with VirtualHosts(Path(sys.argv[1])) as hosts:
    print(hosts.operator.init, hosts.boot("other", "10.77.0.10/24").init, flush=True)
    time.sleep(600)
"""


def test_hosts_share_a_network_and_one_folder_and_nothing_else(hosts):
    pair = [hosts.boot(name, f"10.77.0.{number}/24") for name, number in (("a", 10), ("b", 11))]
    for host in pair:
        assert host.run(f"echo {host.name} | tee /tmp/mine /root/mine /usr/mine /dev/shm/mine").returncode == 0
        assert host.run("cat /tmp/mine /root/mine /usr/mine /dev/shm/mine; hostname").stdout.split() == [host.name] * 5
        assert len(host.processes("sshd")) == 1  # its own
    assert not Path("/usr/mine").exists()
    pair[0].run("echo all >/shared/ours")
    assert pair[1].run("cat /shared/ours").stdout == "all\n"
    wait_for(lambda: reaches(pair[0], pair[1]), 20)


def test_a_host_can_be_cut_off_connected_again_and_powered_off(hosts):
    host = hosts.boot("c", "10.77.0.12/24")
    wait_for(lambda: reaches(hosts.operator, host), 20)
    hosts.cut(host)
    assert not reaches(hosts.operator, host)
    assert host.alive
    hosts.connect(host)
    wait_for(lambda: reaches(hosts.operator, host), 20)
    host.kill()
    assert not host.alive
    host = hosts.boot("c", "10.77.0.12/24")
    wait_for(lambda: reaches(hosts.operator, host), 20)


def reaches(one, other):
    """Return True if the sshd of the other host answers."""
    return one.run(f"timeout 2 bash -c 'head -c 3 </dev/tcp/{other.address}/22'").stdout == "SSH"


def test_killed_test_leaves_no_host(hosts, tmp_path):
    command = [sys.executable, "-c", LEFT_ALONE, str(tmp_path)]
    test = subprocess.Popen(command, env={"PYTHONPATH": str(CHECKOUT)}, stdout=subprocess.PIPE, text=True)
    processes = [Path("/proc", pid) for pid in test.stdout.readline().split()]
    assert all(process.exists() for process in processes)
    test.send_signal(signal.SIGKILL)
    test.wait()
    wait_for(lambda: not any(process.exists() for process in processes), 20)
