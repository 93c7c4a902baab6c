"""`ablate evaluate`: new metrics on finished trials, on Ray workers; resumable, and nothing else changes."""

import shutil
import time

import pytest

from ablations import load_study
from ablations.design.plans.describe import describe_study
from ablations.driver.evaluation_plan import check_rebuilds, make_measures, plan_evaluation
from ablations.errors import StudyError
from ablations.state.kept import read_sample
from silhouette.evaluated import Evaluation, read_evaluations
from silhouette.results import Store
from tests.helpers.ablate import TINY, Ablate
from tests.helpers.engine import Phase, small_study
from tests.helpers.pretend import ENVIRONMENT, NO_PAUSES, Pretend

METRICS = """
import time
from pathlib import Path


def spread(features, labels):
    return features.std()


def size(features, labels):
    return len(labels)


def slow(features, labels):
    Path("begun").touch()
    time.sleep(1.0)
    return 1.0


def text(features, labels):
    return "many"


def fails(features, labels):
    raise RuntimeError("never")


def one(features):
    return 0.0
"""
KEEPING = TINY.replace("seeds=(0, 1),", 'seeds=(0, 1),\n    keep="embeddings",')


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A finished study of two arms and two seeds that kept its embeddings; not to be changed."""
    ablate = Ablate(tmp_path_factory.mktemp("finished"))
    ablate.study(KEEPING)
    done = ablate("run", "tiny.py")
    assert done.returncode == 0, done.stderr
    return ablate


@pytest.fixture
def ablate(finished, tmp_path):
    """The same in a folder of its own, with functions beside the study."""
    shutil.copytree(finished.folder, tmp_path, dirs_exist_ok=True)
    (tmp_path / "own_metrics.py").write_text(METRICS)
    return Ablate(tmp_path)


def store_of(ablate):
    return Store(str(ablate.folder / "results"), "tiny")


def values(ablate):
    return {(one.metric, one.trial_id): one.value for one in read_evaluations(store_of(ablate))}


def test_two_metrics_of_all_trials_resumed_and_forgotten(ablate):
    store = store_of(ablate)
    before = {path: path.read_bytes() for path in ablate.folder.glob("results/tiny/*/*.parquet")}
    done = ablate("evaluate", "tiny.py", "--metric", "own_metrics:spread", "--metric", "own_metrics:size")
    assert done.returncode == 0, done.stderr
    assert "tiny: 8 values to measure, 0 present" in done.stdout
    assert "measured 8 values\n" in done.stdout
    expected = {
        (name, trial_id): float(function(read_sample(store, trial_id)))
        for name, function in (("test_spread", lambda s: s.features.std()), ("test_size", lambda s: len(s.labels)))
        for trial_id in store.trial_ids()
    }
    assert values(ablate) == expected
    assert {path: path.read_bytes() for path in before} == before

    gone = sorted(store.trial_ids())[0]
    assert ablate("forget", "tiny.py", gone).returncode == 0
    assert gone not in {trial_id for _, trial_id in values(ablate)}
    assert ablate("run", "tiny.py").returncode == 0
    done = ablate("evaluate", "tiny.py", "--metric", "own_metrics:spread")
    assert "tiny: 1 value to measure, 3 present" in done.stdout
    assert values(ablate)["test_spread", gone] == expected["test_spread", gone]

    (ablate.folder / "own_metrics.py").write_text(METRICS.replace("features.std()", "2 * features.std()"))
    done = ablate("evaluate", "tiny.py", "--metric", "own_metrics:spread")
    assert "note: the sources of own_metrics:spread have changed; 4 values measured again" in done.stdout
    assert values(ablate)["test_spread", gone] == pytest.approx(2 * expected["test_spread", gone])
    assert values(ablate)["test_size", sorted(store.trial_ids())[1]] == 20


def test_an_interrupted_evaluation_keeps_its_values(ablate):
    process = ablate.start("evaluate", "tiny.py", "--metric", "own_metrics:slow", "--jobs", "1")
    begun = ablate.folder / "begun"
    deadline = time.monotonic() + 60
    while not begun.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(1.5)
    process.terminate()
    out, err = process.communicate(timeout=60)
    assert process.returncode == 143, err
    assert "values so far are kept. To resume: ablate evaluate tiny.py" in out
    first = values(ablate)
    assert 1 <= len(first) < 4
    assert not (ablate.folder / "results/tiny/driver.json").exists()
    done = ablate("evaluate", "tiny.py", "--metric", "own_metrics:slow")
    assert f"{len(first)} present" in done.stdout
    assert len(values(ablate)) == 4


def test_a_function_that_fails_is_told_with_the_number_of_trials(ablate):
    done = ablate("evaluate", "tiny.py", "--metric", "own_metrics:fails", "--metric", "own_metrics:size")
    assert done.returncode == 1
    assert "  4 trials without a value: test_fails: RuntimeError: never" in done.stdout
    assert {name for name, _ in values(ablate)} == {"test_size"}


def test_a_function_that_returns_no_number_ends_the_command(ablate):
    done = ablate("evaluate", "tiny.py", "--metric", "own_metrics:text")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "--metric: own_metrics:text must return one number, got str 'many'" in done.stderr
    assert values(ablate) == {}


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("spread", "--metric: spread: must be module:attribute or a name that an installed package registers in silho"),
        ("absent:x", "--metric: absent:x: cannot be imported (No module named 'absent')"),
        ("own_metrics:absent", "(module 'own_metrics' has no attribute 'absent')"),
        ("own_metrics:one", "--metric: own_metrics:one must take (features, labels), with options as keyword-only"),
        ("own_metrics:METRIC", "has no attribute 'METRIC'"),
        ("json:__file__", "--metric: json:__file__ must be a function, got str"),
    ],
)
def test_a_wrong_function_is_one_line(ablate, name, line):
    done = ablate("evaluate", "tiny.py", "--metric", name)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert line in done.stderr
    assert values(ablate) == {}


def test_a_study_that_has_not_run_is_one_line(ablate):
    done = ablate("evaluate", "tiny.py", "--metric", "own_metrics:size", "--results", "elsewhere")
    assert (done.returncode, done.stderr) == (2, "ablate: STUDY: elsewhere holds no records of it, got 'tiny'\n")


def test_a_run_says_what_could_not_be_kept_and_the_commands_count_the_rest(tmp_path):
    """Where one file should be there is a folder, so it cannot be written."""
    ablate = Ablate(tmp_path)
    ablate.study(KEEPING)
    first = next(load_study(str(tmp_path / "tiny.py")).trials())
    (tmp_path / f"results/tiny/kept/{first.trial_id}.parquet").mkdir(parents=True)
    done = ablate("run", "tiny.py", **{NO_PAUSES: "1"})
    assert done.returncode == 0, done.stderr
    assert f"{first.trial_id}: nothing kept (IsADirectoryError: " in done.stdout
    line = "kept: test embeddings of 3 of 4 complete trials (keep='embeddings')"
    assert line in ablate("status", "tiny.py").stdout
    assert line in ablate("plan", "tiny.py").stdout
    assert "weights or embeddings of 3 trials stay in" in ablate("compact", "tiny.py").stdout
    (tmp_path / "own_metrics.py").write_text(METRICS)
    measured = ablate("evaluate", "tiny.py", "--metric", "own_metrics:size")
    assert "note: 1 complete trial kept nothing and cannot be measured" in measured.stdout
    assert len(values(ablate)) == 3
    assert ablate("report", "tiny.py").returncode == 0
    assert "Metrics added afterwards (exploratory)" in (tmp_path / "results/tiny/report/report.md").read_text()


def test_an_experiment_that_cannot_keep_is_refused_before_anything_trains(tmp_path):
    ablate = Ablate(tmp_path)
    ablate.study(KEEPING.replace("pretend:Pretend", "mute:Mute").replace("tests.helpers.mute", "mute"))
    code = "from tests.helpers.pretend import Pretend\nclass Mute(Pretend):\n    embeddings = None\n"
    (tmp_path / "mute.py").write_text(code)
    done = ablate("run", "tiny.py", PYTHONPATH=f"{ENVIRONMENT['PYTHONPATH']}:{tmp_path}")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "keep: mute:Mute must have the method embeddings(); add it or remove keep, got 'embeddings'" in done.stderr


SPREAD = "tests.ablations.driver.test_evaluate:spread"


def spread(features, labels):
    return 1.0


class Forgetful(Pretend):
    """Keeps weights, and cannot take them back."""

    load_weights = None


def planned(tmp_path, keeps=("last", "embeddings", None), study=None):
    """A store in which trials have kept weights, embeddings or nothing, in turn."""
    from ablations.workers.spec import RunContext

    phase = Phase("confirm", tmp_path, study=study)
    context, place = phase.source.context, 0
    while phase.source.left:
        keep = keeps[place % len(keeps)] or "none"
        phase.source.context = RunContext(**{**vars(context), "keep": keep})
        phase.finish(phase.group())
        place += 1
    phase.store.write_json(describe_study(phase.study), "study.json")
    return phase


def test_only_missing_values_are_planned_and_the_rest_is_counted(tmp_path):
    phase, measures = planned(tmp_path), make_measures([SPREAD])
    pending = plan_evaluation(phase.study, phase.store, measures, [])
    assert (len(pending.tasks), pending.present, pending.without, pending.foreign) == (4, 0, 2, 0)
    assert sum(task.rebuild is not None for task in pending.tasks) == 2
    own = measures[0]
    done = [
        Evaluation(pending.tasks[0].trial_id, own.metric, own.function, own.source_sha256, 1.0, "last", "2026"),
        Evaluation(pending.tasks[1].trial_id, own.metric, own.function, "0" * 12, 1.0, "last", "2026"),
    ]
    later = plan_evaluation(phase.study, phase.store, measures, done)
    assert [task.trial_id for task in later.tasks] == [task.trial_id for task in pending.tasks[1:]]
    assert (later.present, later.changed) == (1, {own.function: 1})


def test_kept_weights_of_trials_that_the_study_does_not_have_are_not_rebuilt(tmp_path):
    phase = planned(tmp_path, keeps=("last",))
    other = small_study("confirm", fixed={"epochs": 9}.items())
    pending = plan_evaluation(other, phase.store, make_measures([SPREAD]), [])
    assert (pending.tasks, pending.foreign) == ((), 6)


def test_nothing_kept_is_one_line(tmp_path):
    phase = planned(tmp_path, keeps=(None,))
    with pytest.raises(StudyError, match='keep: none of 6 complete trials of s kept anything; set keep="embeddings"'):
        plan_evaluation(phase.study, phase.store, make_measures([SPREAD]), [])


def test_an_experiment_that_cannot_take_its_weights_back_is_one_line(tmp_path):
    phase = planned(tmp_path, keeps=("last",))
    pending = plan_evaluation(phase.study, phase.store, make_measures([SPREAD]), [])
    check_rebuilds(phase.study, pending)
    forgetful = small_study("confirm", experiment=f"{__name__}:Forgetful")
    with pytest.raises(StudyError, match=r"keep: kept weights need load_weights\(\) in the experiment, got"):
        check_rebuilds(forgetful, pending)


def test_a_name_stands_for_one_thing(tmp_path):
    phase, (own,) = planned(tmp_path), make_measures([SPREAD])
    other = Evaluation("a", own.metric, "mine:spread", "0" * 12, 1.0, "last", "2026")
    with pytest.raises(StudyError, match="test_spread was measured by mine:spread; rename the function"):
        plan_evaluation(phase.study, phase.store, [own], [other])
    with pytest.raises(StudyError, match=r"must have different names after the colon, got .*:spread and .*:spread"):
        make_measures([SPREAD, "tests.ablations.workers.test_evaluating:spread"])
