"""`ablate init experiment` writes a training that resumes exactly, and a study that finds it beside its file."""

import json
import runpy

from ablations.cli.parser import main
from ablations.templates import FILES


def test_it_continues_from_its_state_with_the_same_numbers():
    made = runpy.run_path(str(FILES / "digits_experiment.py"))
    settings = made["Settings"](penalty="l1", epochs=4)
    whole, half, rest = (made["Digits"](settings, 3) for _ in range(3))
    while not whole.done:
        whole.step()
    half.step()
    rest.load_state_dict(json.loads(json.dumps(half.state_dict())))
    while not rest.done:
        rest.step()
    assert rest.curve == whole.curve
    assert rest.result() == whole.result()
    assert "test_error" not in whole.result(test=False)["metrics"]


def test_its_study_is_planned_with_the_training_beside_it(tmp_path, capsys):
    assert main(["init", "experiment", "--to", str(tmp_path)]) == 0
    assert main(["plan", str(tmp_path / "my_experiment.py"), "--results", str(tmp_path / "results")]) == 0
    assert "3 arms × 5 seeds = 15 trials planned" in capsys.readouterr().out
