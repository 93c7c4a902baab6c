"""What `ablate doctor` says about a node of a cluster, from what the node answers."""

import time

import pytest

from ablations.cluster.nodes import ANSWER_SECONDS, Node
from ablations.doctor import cluster
from ablations.doctor.examine import examine
from silhouette.results import Store

NODE = Node("ab12", "gpu-1 (10.0.0.7)", {"CPU": 8.0, "GPU": 1.0}, {"market": "spot", "ray.io/node-id": "ab12"})


def sound(**changed):
    """What a node answers that has the same versions and sources as this machine, one GPU and a clock without skew."""
    same = {"versions": cluster.versions(), "digest": cluster.source_digest(), "gpus": 1, "skew": 0.0}
    return {**same, "mismatch": None, **changed}


def lines(answer):
    if isinstance(answer, dict):
        answer = {**answer, "time": time.time() + answer["skew"]}
    return [str(finding) for finding in cluster._judge(NODE, answer)]


def test_a_sound_node_is_one_line_with_its_size_and_labels():
    assert lines(sound()) == [
        "ok     node        gpu-1 (10.0.0.7): 8 CPUs, 1 GPUs, market=spot; same versions, sees the results"
    ]


OTHER_TORCH = {**cluster.versions(), "torch": "1.0"}


@pytest.mark.parametrize(
    ("answer", "state", "part"),
    [
        (sound(versions=OTHER_TORCH), "fault", "torch 1.0, here torch "),
        (sound(versions={}), "fault", "torch absent, "),
        (sound(digest="0" * 12), "fault", "sources 000000000000 of this project, here "),
        (sound(mismatch=("--results", "does not see the results")), "fault", "does not see the results"),
        (
            sound(gpus=0),
            "note",
            "Ray counts 1 GPUs, nvidia-smi 0; trials that ask for a GPU there would run on its CPUs",
        ),
        (sound(skew=-36000.0), "fault", " s off; set the clocks by NTP"),
        (ImportError("No module named 'ablations'"), "fault", "install this version of the project there"),
        (AttributeError("no attribute 'report'"), "fault", "install this version of the project there"),
        (TimeoutError(f"no answer in {ANSWER_SECONDS:g} s"), "fault", "no answer in 12 s; `ray status` tells more"),
    ],
)
def test_what_is_wrong_with_a_node_is_the_first_line(answer, state, part):
    first = lines(answer)[0]
    assert first.startswith(f"{state:5s}  node        gpu-1 (10.0.0.7)")
    assert part in first
    assert any("same versions" in line for line in lines(answer)) == (state == "note")


def test_a_node_reports_its_versions_and_whether_it_sees_the_results(tmp_path):
    store, driver = Store(str(tmp_path), "probe"), {"host": "h", "pid": 1, "started_at": "now"}
    told = cluster.report(store.uri, store.study, driver)
    assert (told["versions"], told["digest"]) == (cluster.versions(), cluster.source_digest())
    assert told["mismatch"] is not None
    store.write_json(driver, "driver.json")
    assert cluster.report(store.uri, store.study, driver)["mismatch"] is None


def test_a_check_that_fails_is_a_fault_and_the_others_go_on(tmp_path, monkeypatch):
    def fail():
        raise RuntimeError("no such device\nand more")
        yield

    monkeypatch.setattr("ablations.doctor.machine.hardware", fail)
    found = {finding.what: finding for finding in examine(str(tmp_path / "new"), None, "ray://head:10001")}
    assert str(found["machine"]) == "fault  machine     RuntimeError: no such device"
    assert found["results"].state == "ok"
    assert found["cluster"].detail.startswith("--address: Ray Client is not used; ")
    assert not (tmp_path / "new").exists()
