"""Forty studies through `ablate run` itself: how often equal arms get a word, and when a large difference does."""

import json

import pytest

STUDIES, MAX_SEEDS = 40, 12
STUDY = """
from ablations import Study

STUDY = Study(
    question="Which arm is better?",
    experiment="tests.helpers.known_effect:KnownEffect",
    treatments={{"base": {{"gain": 0.0}}, "equal": {{"slow": True}}, "better": {{"gain": 4.0}}}},
    fixed={{"stream": {stream}}},
    baseline="base",
    metric="test_score",
    direction="max",
)
"""


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_forty_studies_make_few_false_decisions_and_find_a_large_difference(ablate):
    options = ("--until-decided", "--max-seeds", str(MAX_SEEDS))
    false, found, seeds = 0, 0, []
    for stream in range(STUDIES):
        study = ablate.study(STUDY.format(stream=stream), f"s{stream}")
        done = ablate("run", study, *options)
        assert done.returncode == 0, done.stderr
        wanted = json.loads((ablate.folder / f"results/s{stream}/decisions.json").read_text())
        by_name = {c["treatment"]: c for c in wanted["comparisons"]}
        false += by_name["equal"]["decided_at"] > 0
        found += by_name["better"]["verdict"] == "better"
        seeds.append(by_name["better"]["seeds"])
    assert false <= 4  # 5 % of 40 is 2
    assert found >= 38
    assert sum(seeds) / STUDIES < 8
