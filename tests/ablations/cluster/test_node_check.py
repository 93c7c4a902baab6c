"""The driver's check of the nodes: a results folder on a local disk, and a node that does not answer."""

import pytest

from ablations.cluster import node_check, nodes
from ablations.cluster.nodes import Node
from ablations.errors import StudyError
from silhouette.results import Store

MOUNTS = """/dev/root / ext4 rw 0 0
server:/all /shared nfs4 rw 0 0
tmpfs /shared/fast tmpfs rw 0 0
"""


@pytest.mark.parametrize(
    ("path", "local"),
    [("/results", True), ("/shared/results", False), ("/shared/fast/x", True), ("/sharedresults", True)],
)
def test_the_innermost_mount_decides(path, local):
    assert node_check.on_local_disk(path, MOUNTS) is local


@pytest.mark.parametrize(("cpus", "lines"), [({}, 1), ({"CPU": 8.0}, 0)])
def test_a_head_without_workers_and_cpus_warns_of_its_local_disk(tmp_path, monkeypatch, cpus, lines):
    monkeypatch.setattr(nodes, "own", lambda: "head")
    monkeypatch.setattr(nodes, "alive", lambda: [Node("head", "here", cpus, {})])
    monkeypatch.setattr(node_check, "on_local_disk", lambda path, mounts: True)
    warnings = []
    node_check.check_nodes(Store(str(tmp_path), "tiny"), {}, {}, warnings.append)
    assert len(warnings) == lines
    assert all(line.startswith("--results:") and str(tmp_path) in line for line in warnings)


def test_a_node_that_does_not_answer_gets_a_warning_and_is_not_rejected(tmp_path, monkeypatch):
    monkeypatch.setattr(nodes, "own", lambda: "head")
    monkeypatch.setattr(nodes, "alive", lambda: [Node("head", "here", {}, {}), Node("w", "there", {"CPU": 1.0}, {})])
    monkeypatch.setattr(nodes, "ask", lambda *_: {"w": TimeoutError("no answer in 12 s")})
    warnings = []
    node_check.check_nodes(Store(str(tmp_path), "tiny"), {}, {}, warnings.append)
    (line,) = warnings
    assert line.startswith(f"--results: there did not say whether it sees {tmp_path}")
    assert "no answer in 12 s" in line


@pytest.mark.parametrize(
    ("answer", "line"),
    [
        (ImportError("No module named 'x'"), "--address: h lacks this version of the project (No module named 'x'); "),
        (("--results", "does not see /r"), "--results: h does not see /r"),
    ],
)
def test_a_node_that_must_not_run_trials_is_one_line(tmp_path, answer, line):
    with pytest.raises(StudyError) as caught:
        node_check._judge(nodes.Node("n", "h", {}, {}), answer, Store(str(tmp_path), "s"), print)
    assert str(caught.value).startswith(line)
