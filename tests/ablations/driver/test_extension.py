"""A tuned study that has run, and gets more seeds."""

import json
import shutil

from tests.helpers.faults import FaultyStudy


def test_a_second_run_runs_nothing_and_more_seeds_run_only_themselves_and_only_with_extend(uninterrupted, tmp_path):
    study = FaultyStudy(tmp_path, "confirm")
    shutil.copytree(uninterrupted.results, study.results)
    before = study.rows()
    assert study.finish().returncode == 0
    assert study.rows() == before
    refused = study.finish("--seeds", "3")
    assert refused.returncode == 2
    assert "with 3 instead of 2 seeds the report will give no verdict: extended after looking" in refused.stderr
    done = study.finish("--seeds", "3", "--extend")
    assert done.returncode == 0, done.stderr
    assert "6 trials planned, 4 finished, 2 to run" in done.stdout
    assert len(study.rows()) == len(before) + 2
    assert [row for row in study.rows() if row["seed"] != 2] == before
    described = json.loads((study.results / "study.json").read_text())
    assert [(note["from"], note["to"], note["declared"]) for note in described["extended"]] == [(2, 3, False)]
