"""Results on a disk that no worker may see, while there is no worker yet to ask."""

import pytest

from ablations.cluster import node_check as reach
from ablations.cluster import nodes
from ablations.cluster.nodes import Node
from ablations.errors import StudyError
from silhouette.results import Store

MOUNTS = """/dev/root / ext4 rw 0 0
server:/all /shared nfs4 rw 0 0
tmpfs /shared/fast tmpfs rw 0 0
"""


@pytest.mark.parametrize(
    ("path", "own"),
    [("/results", True), ("/shared/results", False), ("/shared/fast/x", True), ("/sharedresults", True)],
)
def test_the_innermost_mount_decides(path, own):
    assert reach.on_own_disk(path, MOUNTS) is own


@pytest.mark.parametrize(("cpus", "lines"), [({}, 1), ({"CPU": 8.0}, 0)])
def test_a_head_that_is_alone_and_runs_no_trials_says_so(tmp_path, monkeypatch, capsys, cpus, lines):
    monkeypatch.setattr(nodes, "own", lambda: "head")
    monkeypatch.setattr(nodes, "alive", lambda: [Node("head", "here", cpus, {})])
    monkeypatch.setattr(reach, "on_own_disk", lambda path, mounts: True)
    reach.check_nodes(Store(str(tmp_path), "tiny"), {}, {})
    said = capsys.readouterr().err.splitlines()
    assert len(said) == lines
    assert all(line.startswith("--results:") and str(tmp_path) in line for line in said)


def test_a_node_that_does_not_answer_is_named_and_not_refused(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(nodes, "own", lambda: "head")
    monkeypatch.setattr(nodes, "alive", lambda: [Node("head", "here", {}, {}), Node("w", "there", {"CPU": 1.0}, {})])
    monkeypatch.setattr(nodes, "ask", lambda *_: {"w": TimeoutError("no answer in 12 s")})
    reach.check_nodes(Store(str(tmp_path), "tiny"), {}, {})
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"--results: whether there sees {tmp_path}")
    assert "no answer in 12 s" in line


def test_a_store_that_fails_for_a_moment_is_asked_again_and_one_that_stays_away_is_named(tmp_path, monkeypatch):
    answers, slept = iter([OSError("SLOW_DOWN"), OSError(), {"pid": 1}]), []

    def read(*_):
        answer = next(answers, OSError("away"))
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(reach.time, "sleep", slept.append)
    monkeypatch.setattr(Store, "read_json", read)
    assert reach.refusal(str(tmp_path), "tiny", {"pid": 1}) is None
    assert slept == [0.0, *reach.PAUSES[:2]]
    assert reach.refusal(str(tmp_path), "tiny", {"pid": 1}) == (
        "--results",
        f"does not see {tmp_path} (away); {reach.ADVICE}",
    )


def test_a_node_with_other_sources_refuses(tmp_path):
    common = {"results": str(tmp_path), "study": "tiny", "driver": {"sources": "0" * 12}}
    with pytest.raises(
        StudyError, match=r"^--address: \S+ runs sources \w{12} of this project, the driver 0{12}; sync"
    ):
        reach.insist(common)


def test_a_refusal_tells_no_secret(monkeypatch):
    monkeypatch.setattr(reach, "unseen", lambda *_: "no driver.json there")
    option, said = reach.refusal("s3://key:secret@bucket/x", "tiny", {})
    assert (option, "secret" in said) == ("--results", False)
    assert said.startswith("does not see s3://bucket/x (")
