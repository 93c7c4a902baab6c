"""Bad input of every kind gives one clear line and exit code 2, and nothing is lost or left behind."""

import sys
from pathlib import Path

import pytest

from ablations.cli.parser import main
from ablations.design import beside, loading

GOOD = {
    "question": "Does it help?",
    "factors": {"lambda_sil": (0.0, 0.5)},
    "fixed": {"dataset": "digits", "epochs": 2},
    "baseline": {"lambda_sil": 0.0},
    "seeds": (0, 1),
}

STUDIES = {  # what is changed in GOOD: part of the line that must answer
    "no question": ({"question": ""}, "question: must have at least 1 character, got ''"),
    "question is a number": ({"question": 3}, "question: must be a string, got 3"),
    "nothing compared": ({"factors": {}, "baseline": {}}, "give factors or treatments, got neither"),
    "factor without values": ({"factors": {"lambda_sil": ()}}, "factors: lambda_sil needs at least one value"),
    "factor is no list": (
        {"factors": {"lambda_sil": 3}},
        "factors.lambda_sil: give a list, for example [0.1, 0.2], got",
    ),
    "factors are a list": ({"factors": [1]}, "factors: must be a dict, got [1]"),
    "unknown factor": ({"factors": {"lamda": (0, 1)}}, "lamda: no such setting"),
    "factor below its range": (
        {"factors": {"lambda_sil": (0, -1)}},
        "lambda_sil: must be greater than or equal",
    ),
    "factor above its range": (
        {"factors": {"lambda_sil": (0, 1e9)}},
        "lambda_sil: must be less than or equal",
    ),
    "factor of a wrong type": (
        {"factors": {"lambda_sil": (0, "x")}},
        "lambda_sil: must be a number, got 'x'",
    ),
    "factor is not finite": ({"factors": {"lambda_sil": (0, float("inf"))}}, "lambda_sil: must be"),
    "factor is null": ({"factors": {"lambda_sil": (0, None)}}, "lambda_sil: must be a number, got None"),
    "unknown data set": ({"fixed": {"dataset": "mnits"}}, "dataset:"),
    "relative path of own data": (
        {"fixed": {"dataset": "npz:x.npz"}},
        "dataset: npz:PATH must be an absolute path, got",
    ),
    "data set is a path trick": ({"fixed": {"dataset": "../../etc"}}, "dataset:"),
    "unknown recipe": ({"recipe": "cifar"}, "recipe: must be one of cifar10_lt, cifar100_lt"),
    "imbalance below 1": ({"fixed": {"imbalance": "long_tail", "imbalance_factor": 0.5}}, "imbalance_factor: must be"),
    "unknown encoder": ({"fixed": {"encoder": "resnet999"}}, "encoder:"),
    "unknown objective": ({"fixed": {"objective": "cee"}}, "objective:"),
    "unknown term": ({"fixed": {"objective": "ce+"}}, "objective:"),
    "no epochs": ({"fixed": {"epochs": 0}}, "epochs: must be greater than or equal to 1, got 0"),
    "half an epoch": ({"fixed": {"epochs": 0.5}}, "epochs: must be an integer"),
    "batch of one": ({"fixed": {"batch_size": 1}}, "batch_size: must be greater than or equal to 2, got 1"),
    "temperature of zero": ({"fixed": {"tau_s": 0}}, "tau_s: must be greater than 0, got 0"),
    "negative learning rate": ({"fixed": {"lr": -1}}, "lr: must be greater than 0, got -1"),
    "unknown setting": ({"fixed": {"learning_rate": 1}}, "learning_rate: no such setting"),
    "fixed factor": ({"fixed": {"lambda_sil": 1}}, "lambda_sil: set in more than one of"),
    "tail without factor": ({"fixed": {"imbalance": "long_tail"}}, "imbalance_factor: must be above 1"),
    "unknown imbalance": ({"fixed": {"imbalance": "tail"}}, "imbalance:"),
    "no test data": ({"fixed": {"test_fraction": 0}}, "test_fraction: must be greater than 0, got 0"),
    "only test data": ({"fixed": {"test_fraction": 0.8, "val_fraction": 0.15}}, "must leave a tenth for training"),
    "baseline no arm": ({"baseline": {"lambda_sil": 0.7}}, "baseline: must be exactly one arm"),
    "baseline all arms": (
        {"baseline": {}},
        "baseline: must be exactly one arm of block 'all arms', got λ=0 and λ=0.5",
    ),
    "baseline no factor": ({"baseline": {"tau_s": 0.1}}, "baseline: must set factors (lambda_sil), got 'tau_s'"),
    "baseline of a wrong type": ({"baseline": {"lambda_sil": "x"}}, "lambda_sil: must be a number"),
    "baseline no treatment": ({"baseline": "CE"}, "baseline: must be a treatment (none) or factor values, got 'CE'"),
    "block no factor": ({"blocks": ("imbalance",)}, "blocks: must be factors (lambda_sil), got 'imbalance'"),
    "no seeds": ({"seeds": ()}, "seeds: must be at least one, got none"),
    "seed twice": ({"seeds": (1, 2, 1)}, "seeds: must be different, got 1 twice"),
    "seed below zero": ({"seeds": (-1,)}, "seeds: must be integers from 0 to 2147483647, got -1"),
    "seed too large": ({"seeds": (2**31,)}, "seeds: must be integers from 0 to 2147483647, got 2147483648"),
    "seed no integer": ({"seeds": (0.5,)}, "seeds.0: must be an integer, got 0.5"),
    "seeds a number": ({"seeds": 3}, "own.py, line 3: seeds: give a list, for example range(3), got 3"),
    "seed in the singular": ({"seed": range(3)}, "seed: Study has no such field; did you mean seeds?, got range(0, 3)"),
    "misspelt setting": ({"fixed": {"lamda_sil": 1}}, "lamda_sil: no such setting; did you mean lambda_sil?"),
    "seeds a word": ({"seeds": "ten"}, "seeds: give a list, for example range(5), got 'ten'"),
    "validation metric": ({"metric": "val_top1"}, "metric: must be one on test data, since claims rest on them; "),
    "unknown metric": ({"metric": "accuracy"}, "docs/method.md lists them, got 'accuracy'"),
    "misspelt metric": ({"metric": "test_map_at_k"}, "did you mean test_map_at_r?, got"),
    "metric that no arm measures": (
        {"metric": "test_map_at_r"},
        "metric: test_map_at_r is measured with metrics=geometry only, which arm 'λ=0' does not have; put it in fixed, "
        "or add --set metrics=geometry, got ()",
    ),
    "metric under corruptions": (
        {"metric": "test_corruption_top1"},
        "metric: test_corruption_top1 is measured with corruptions=True only",
    ),
    "unknown group of metrics": (
        {"fixed": {"metrics": ["geom"]}},
        "metrics: must be 'geometry' or module:function of your own, got 'geom'",
    ),
    "misspelt nuisance": (
        {"tuning": {"nuisance": {"lrr": None}}},
        "tuning.nuisance: must be factors that can be searched; did you mean lr?, got 'lrr'",
    ),
    "looks a number": ({"looks": 5}, "looks: give a list, for example [5, 10], got 5"),
    "family without baseline": (
        {"families": [{"family": "x", "treatments": ["λ=0.5"]}]},
        "families.0.baseline: Study needs this field, got nothing",
    ),
    "misspelt data set": (
        {"fixed": {"dataset": "digts"}},
        "module:attribute of your own; did you mean digits?, got 'digts'",
    ),
    "margin of zero": ({"sesoi": 0}, "sesoi: must be greater than 0, got 0"),
    "margin in points": ({"sesoi": 0.2}, "sesoi: test_top1 is a fraction, 0.2 is 20 points; did you mean 0.002?"),
    "level too high": ({"alpha": 0.5}, "alpha: must be less than 0.5, got 0.5"),
    "unknown role": ({"role": "main"}, "role: must be 'primary', 'ablation' or 'exploratory', got 'main'"),
    "unknown design": ({"design": "random"}, "design: must be 'grid' or 'one_at_a_time', got 'random'"),
    "unknown field": ({"colour": "red"}, "colour: Study has no such field; docs/study.md lists them, got 'red'"),
    "unequal budgets": (
        {"factors": {"epochs": (2, 4)}, "fixed": {}, "baseline": {"epochs": 2}},
        "epochs: all arms of block 'all arms' need the same budget, got [2, 4]",
    ),
    "family of unknown arms": (
        {"families": [{"family": "f", "baseline": "CE", "treatments": ("λ=0.5",)}]},
        "families: 'f' needs labels of arms, got 'CE'",
    ),
    "family without treatments": (
        {"families": [{"family": "f", "baseline": "λ=0", "treatments": ()}]},
        "families: 'f' has no treatments; name at least one arm, or remove it, got none",
    ),
}

STUDIES |= {
    "margin of the wrong sign": ({"sesoi": -0.002}, "sesoi: must be greater than 0, got -0.002"),
    "look before three seeds": ({"looks": (1, 2)}, "looks: must be at least two rising numbers of seeds, from 3 on"),
    "looks without the planned seeds": ({"looks": (5, 10)}, "seeds: their number must be one of looks [5, 10], got 2"),
    "value twice": ({"factors": {"lambda_sil": (0, 0.5, 0.5)}}, "factors: lambda_sil needs different values, got"),
    "fixed setting without effect": (
        {"fixed": {"imbalance_factor": 20}},
        "fixed: imbalance_factor changes nothing in any arm, since it needs imbalance=long_tail or imbalance=step; "
        "set that, or remove imbalance_factor (--set imbalance_factor=1.0), got 20.0",
    ),
    "factor without effect": (
        {"factors": {"lambda_sil": (0, 0.5), "samples_per_class": (2, 8)}},
        "factors: samples_per_class changes nothing in any arm, since it needs sampler=pk; set that, or remove",
    ),
    "family declared twice": (
        {"families": [{"family": "f", "baseline": "λ=0", "treatments": ("λ=0.5",)}] * 2},
        "families: 'f' is declared twice; give each family another name, or remove one",
    ),
}
FILES = {  # content of a study's file: part of the line
    "syntax error": ("STUDY = (", "own.py, line 1: SyntaxError while reading the study: '(' was never closed"),
    "fails": ("\n\n1 / 0", "own.py, line 3: ZeroDivisionError while reading the study: division by zero"),
    "unknown import": ("import nonsense_module", "ModuleNotFoundError while reading the study"),
    "no study": ("x = 1", "needs STUDY = Study(...), got NoneType"),
    "study of a wrong type": ("STUDY = 3", "needs STUDY = Study(...), got int"),
    "exits": ("raise SystemExit(0)", "SystemExit while reading the study"),
}

TABLE = ["report", "--table", "runs.csv", "--arm", "m", "--seed", "s", "--metric", "a", "--baseline", "x"]
COMMANDS = [  # command line: part of the line
    ([], "the following arguments are required: COMMAND"),
    (["fly"], "invalid choice: 'fly'"),
    (["run"], "the following arguments are required: STUDY"),
    (["run", "demo", "--seeds", "many"], "argument --seeds: invalid int value: 'many'"),
    (["run", "demo", "--seeds", "0"], "--seeds: must be from 1 to 10000, got 0"),
    (["run", "demo", "--seeds", "-3"], "--seeds: must be from 1 to 10000, got -3"),
    (["run", "demo", "--nonsense"], "unrecognized arguments: --nonsense"),
    (["run", "demo", "--cpus-per-trial", "0"], "--cpus-per-trial: must be at least 1, got 0"),
    (["run", "demo", "--cpus-per-trial", "4096"], "--cpus-per-trial: this process may use"),
    (
        ["run", "demo", "--gpus-per-trial", "-0.5"],
        "--gpus-per-trial: must be from 0 to 1, or a whole number above, got -0.5",
    ),
    (
        ["run", "demo", "--gpus-per-trial", "1.5"],
        "--gpus-per-trial: must be from 0 to 1, or a whole number above, got 1.5",
    ),
    (["run", "demo", "--gpus-per-trial", "3"], "world_size: must divide batch_size = 64, got 3"),
    (["ui", "--port", "99999"], "--port: must be from 1 to 65535, got 99999"),
    (["run", "demo", "--checkpoint-seconds", "-1"], "--checkpoint-seconds: must be from 0 to 86400, got -1"),
    (["run", "demo", "--label", "pool"], "--label: must be KEY=VALUE, each key once, got 'pool'"),
    (["run", "demo", "--label", "a=b", "--label", "a=c"], "--label: must be KEY=VALUE, each key once, got 'a=c'"),
    (["run", "demo", "--label", "pool=gpu"], "--label: requires --address (a local Ray has no node labels)"),
    (["run", "demo", "--address", "auto", "--label", "a=b c"], "--label: must be KEY=VALUE of letters, digits"),
    (["run", "demo", "--address", "ray://host:10001"], "--address: Ray Client is not used"),
    (["compact", "demo"], "STUDY: results holds no records of it"),
    (["cluster"], "the following arguments are required: PART"),
    (["run", "demo", "--epochs", "ten"], "epochs: must be an integer, got 'ten'"),
    (["run", "demo", "--dataset", "mnits"], "dataset:"),
    (["run", "demo", "--set", "lambda_sil"], "--set: must be field=value, got 'lambda_sil'"),
    (["run", "demo", "--set", "lambda_sil=banana"], "lambda_sil: must be a number, got 'banana'"),
    (["run", "demo", "--set", "lambda_sil=0.1,0.2"], "baseline: must be exactly one arm"),
    (["run", "demo", "--set", "width=-4"], "width: must be greater than or equal to 1, got '-4'"),
    (["run", "demo", "--results", "ftp://host/x"], "--results: not a folder or a pyarrow.fs URI"),
    (["run", "demo", "--results", "a file/below"], "a file"),
    (["run", "nope"], "STUDY: must be one of demo"),
    (["run", "nope.py"], "STUDY: no such file, got 'nope.py'"),
    (["run", "a folder.py"], "STUDY: no such file, got 'a folder.py'"),
    (["run", "bad name!.py"], "study: use letters, digits"),
    (["plan", "../demo"], "STUDY: must be one of demo"),
    (["status", "demo", "--set", "nope=1"], "nope: no such setting"),
    (["report", "demo"], "no study.json"),
    (["report", "../../etc/passwd"], "study: use letters, digits"),
    (["report", "damaged"], "damaged JSON"),
    (["sync", "demo"], "STUDY: must have run"),
    (["sync", ".."], "study: use letters, digits"),
    (["run", "demo", "--seeds", "1", "--jobs", "0"], "--jobs: must be at least 1, got 0"),
    (["init", "study", "--to", "/proc/x"], "--to: /proc/x: No such file or directory; give a folder that can be"),
    (["status", "demo", "--results", "/dev/null"], "--results: /dev/null/demo"),
    (["report", "demo", "--results", "/dev/null"], "--results: /dev/null/demo"),
    (["ui", "--results", "/proc"], "--results: the MLflow database is in /proc: No such file or directory; give a"),
    ([*TABLE, "--out", "/proc/o"], "--out: /proc/o: No such file or directory; give a folder that can be written"),
    ([*TABLE, "--out", "/dev/null"], "--out: /dev/null: File exists; give a folder that can be written"),
]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a file").write_text("")
    (tmp_path / "a folder.py").mkdir()
    (tmp_path / "runs.csv").write_text("m,s,a\nx,0,1\nx,1,2\ny,0,2\ny,1,3\n")
    (tmp_path / "bad name!.py").write_text(_study({}))
    (tmp_path / "results/damaged").mkdir(parents=True)
    (tmp_path / "results/damaged/study.json").write_text("{")
    return tmp_path


def _study(changes):
    values = {**GOOD, **changes}
    return f"from ablations import Study\ninf = float('inf')\nSTUDY = Study(**{values!r})\n"


def answer(capsys, *arguments):
    """The one line that a command ends with."""
    try:
        code = main(arguments)
    except SystemExit as end:  # argparse ends the process itself
        code = end.code
    printed, errors = capsys.readouterr()
    assert "there is no verdict" not in printed  # what the seeds can detect, of a run that begins
    assert code == 2, errors
    assert len(errors.splitlines()) == 1, errors
    return errors


@pytest.mark.parametrize("name", STUDIES)
def test_malformed_study(name, folder, capsys):
    changes, expected = STUDIES[name]
    (folder / "own.py").write_text(_study(changes))
    assert expected in answer(capsys, "run", "own.py")
    assert not (folder / "results/own").exists()


@pytest.mark.parametrize("name", FILES)
def test_malformed_study_file(name, folder, capsys):
    text, expected = FILES[name]
    (folder / "own.py").write_text(text)
    assert expected in answer(capsys, "plan", "own.py")


def test_a_study_file_imports_a_helper_beside_it(tmp_path, monkeypatch, capsys):
    (tmp_path / "one").mkdir()
    (tmp_path / "one/grids.py").write_text("LAMBDAS = (0.0, 0.5)\n")
    text = _study({}).replace("STUDY =", "from grids import LAMBDAS\nGOOD =") + "STUDY = GOOD\n"
    (tmp_path / "one/own.py").write_text(text.replace("(0.0, 0.5)", "LAMBDAS"))
    assert main(["plan", "one/own.py"]) == 0
    assert "λ=0.5" in capsys.readouterr().out
    assert "grids" not in sys.modules


def test_two_studies_may_have_helpers_of_the_same_name(tmp_path, capsys):
    for number, value in enumerate((0.3, 0.7)):
        (tmp_path / str(number)).mkdir()
        (tmp_path / str(number) / "grids.py").write_text(f"LAMBDAS = (0.0, {value})\n")
        text = "from ablations import Study\nfrom grids import LAMBDAS\n" + _study({}).replace("(0.0, 0.5)", "LAMBDAS")
        (tmp_path / str(number) / "own.py").write_text(text)
        assert main(["plan", f"{number}/own.py"]) == 0
        assert f"λ={value}" in capsys.readouterr().out


def test_a_study_in_a_checkout_does_not_unload_the_project():
    root = Path(loading.__file__).parents[2]
    assert not beside._lies_in(root, "ablations.design.loading")
    assert not beside._lies_in(root, "pytest")
    assert beside._lies_in(root, __name__)


def test_a_fault_in_a_helper_names_the_helper_and_its_line(folder, capsys):
    (folder / "broken_helper.py").write_text("x = 1\ny = x.absent\n")
    (folder / "own.py").write_text("import broken_helper\n")
    line = "broken_helper.py, line 2: AttributeError while reading the study"
    assert line in answer(capsys, "plan", "own.py")


@pytest.mark.parametrize(("arguments", "expected"), COMMANDS, ids=lambda value: " ".join(value)[:60])
def test_malformed_command(arguments, expected, capsys):
    assert expected in answer(capsys, *arguments)


def test_the_good_study_is_good(folder, capsys):
    (folder / "own.py").write_text(_study({}))
    assert main(["plan", "own.py"]) == 0
    assert "4 to run" in capsys.readouterr().out


@pytest.mark.parametrize("metric", ["test_map_at_r", "test_few_map_at_r"])
def test_what_the_line_tells_to_add_is_enough(metric, folder, capsys):
    (folder / "own.py").write_text(_study({"metric": metric}))
    assert "or add --set metrics=geometry, got ()" in answer(capsys, "plan", "own.py")
    assert main(["plan", "own.py", "--set", "metrics=geometry"]) == 0
    assert "4 to run" in capsys.readouterr().out


def test_a_setting_that_the_file_lacks_is_given_on_the_command_line(folder, capsys):
    (folder / "own.py").write_text(_study({"fixed": {"imbalance": "long_tail"}}))
    assert "imbalance_factor: must be above 1" in answer(capsys, "plan", "own.py")
    assert main(["plan", "own.py", "--set", "imbalance_factor=10"]) == 0


def test_there_are_enough_of_them():
    assert len(STUDIES) + len(FILES) + len(COMMANDS) >= 60
