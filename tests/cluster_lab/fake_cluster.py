"""`ablate run` on a Ray whose autoscaler adds fake nodes. Run it in a virtual host only.

    python fake_cluster.py STUDY RESULTS

`AutoscalingCluster` runs `ray stop --force`, which ends every Ray process that it sees. The script prints one JSON
object: the exit code, and the numbers of worker nodes in the order in which they occurred.
"""

from __future__ import annotations

import copy
import json
import subprocess
import sys
import time
from typing import Any

MAX_WORKERS = 4
IDLE_SECONDS = 8
PROVIDER = "ray.autoscaler._private.fake_multi_node.node_provider.FakeMultiNodeProvider"
CONFIG: dict[str, Any] = {
    "cluster_name": "fake",
    "provider": {
        "type": "external",  # for the type `fake_multinode` Ray reads a file that its wheel does not contain
        "module": PROVIDER,
        "use_node_id_as_ip": True,
        "disable_node_updaters": True,
        "disable_launch_config_check": True,
        "launch_multiple": True,
    },
    "max_workers": MAX_WORKERS,
    "idle_timeout_minutes": IDLE_SECONDS / 60,
    "upscaling_speed": MAX_WORKERS,
    "head_node_type": "ray.head.default",
    "auth": {},
    "docker": {},
    **{key: {} for key in ("file_mounts",)},
    **{key: [] for key in ("cluster_synced_files", "rsync_exclude", "rsync_filter", "initialization_commands")},
    **{f"{node}setup_commands": [] for node in ("", "head_", "worker_")},
    **{f"{node}_start_ray_commands": [] for node in ("head", "worker")},
    "file_mounts_sync_continuously": False,
}
ALONE = ["unshare", "--mount", "sh", "-c", 'mount -t tmpfs own /mnt && TMPDIR=/mnt exec "$@"', "alone"]
"""Gives the driver its own folder of temporary files, as on a separate machine."""
WORKER = {
    "resources": {"CPU": 1, "object_store_memory": 80_000_000},
    "node_config": {},
    "min_workers": 0,
    "max_workers": MAX_WORKERS,
}


def main(study: str, results: str) -> None:
    """Start the cluster, run the study, and wait until the workers have ended."""
    import ray

    cluster = _cluster()
    cluster.start()
    ray.init(address="auto", log_to_driver=False)
    history = [_workers()]
    command = [sys.executable, "-m", "ablations", "run", study, "--address", "auto", "--results", results]
    run = subprocess.Popen([*ALONE, *command], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    while run.poll() is None:
        _note(history)
    deadline = time.monotonic() + 10 * IDLE_SECONDS
    while _workers() and time.monotonic() < deadline:
        _note(history)
    _note(history)
    assert run.stderr is not None
    print(json.dumps({"exit_code": run.returncode, "stderr": run.stderr.read(), "workers": history}))
    sys.stdout.flush()


def _cluster() -> Any:
    from ray.autoscaler._private.fake_multi_node.node_provider import FAKE_HEAD_NODE_ID
    from ray.cluster_utils import AutoscalingCluster

    class Cluster(AutoscalingCluster):  # type: ignore[misc]
        def _generate_config(self, *_: Any, **__: Any) -> dict[str, Any]:
            config = copy.deepcopy(CONFIG)
            config["provider"]["head_node_id"] = FAKE_HEAD_NODE_ID
            head = {"resources": {"CPU": 0}, "node_config": {}, "max_workers": 0}
            config["available_node_types"] = {"ray.head.default": head, "worker": WORKER}
            return config

    return Cluster(head_resources={"CPU": 0}, worker_node_types={}, autoscaler_v2=True)


def _workers() -> int:
    import ray

    return sum(node["Alive"] for node in ray.nodes()) - 1


def _note(history: list[int]) -> None:
    time.sleep(0.25)
    found = _workers()
    if found != history[-1]:
        history.append(found)


if __name__ == "__main__":
    main(*sys.argv[1:])
