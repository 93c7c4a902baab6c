"""The search of an arm: what is proposed, who may go on, and that all of it follows from the records."""

import math
import random

import pytest

from ablations.design.arms import Arm
from ablations.design.study import make_study
from ablations.design.tuning import Tuning, candidate_id, make_space, rungs
from ablations.errors import StudyError
from ablations.search.arm_search import ArmSearch
from ablations.search.asha import Rungs
from ablations.search.candidates import Candidate, group_status, mean_curve, read_candidates
from search_spaces import Choice, Interval
from silhouette.config import TrialConfig, make_config
from silhouette.errors import InputError

EPOCHS = 9
NUISANCE = {"lr": Interval(3e-4, 3e-2, log=True), "batch_size": Choice((32, 64, 128)), "tau": None}
STUDY = {
    "question": "Does it help?",
    "treatments": {"CE": {"lambda_sil": 0.0}, "CE+Sil": {}},
    "fixed": {"epochs": EPOCHS},
    "baseline": "CE",
    "seeds": (0, 1, 2),
    "tuning": {"nuisance": {"lr": None, "lambda_sil": None, "tau": None}},
}


def arm(**settings) -> Arm:
    return Arm("arm", settings, make_config({"lambda_sil": 0.1, "epochs": EPOCHS, **settings}), "all", baseline=False)


def search(known=(), direction="max", **changes) -> ArmSearch:
    tuning = Tuning(**{"nuisance": NUISANCE, "settings": 12, "grace": 1, **changes})
    return ArmSearch(make_space(tuning, arm()), tuning, direction, EPOCHS, known)


def quality(values, epoch: int) -> float:
    return -abs(math.log(values["lr"] / 3e-3)) - 1 / epoch


def run(one: ArmSearch, count: int, diverges=lambda number: False) -> list[Candidate]:
    """Train candidates one after another, as a single worker does."""
    for _ in range(count):
        candidate = one.propose()
        status = "complete"
        for epoch in range(1, EPOCHS + 1):
            if diverges(candidate.number) and epoch == 3:
                status = "diverged"
                break
            if not one.observe(candidate.number, {epoch: quality(candidate.values, epoch)}):
                status = "stopped"
                break
        one.end(candidate.number, status)
    return list(one.candidates.values())


def copies(candidates) -> list[Candidate]:
    return [Candidate(s.number, s.values, s.known, s.bracket, s.status, dict(s.means)) for s in candidates]


def outcome(candidates) -> list[tuple]:
    return [(s.number, dict(s.values), s.known, s.bracket, s.status, s.means) for s in candidates]


@pytest.mark.parametrize("sampler", ["tpe", "random", "qmc", "gp"])
def test_proposals_lie_in_the_space_and_never_repeat(sampler):
    one = search(sampler=sampler, settings=12)
    found = run(one, 12)
    assert len({tuple(s.values.values()) for s in found}) == 12
    assert all(s.values["lr"] in NUISANCE["lr"] and s.values["batch_size"] in (32, 64, 128) for s in found)
    assert one.left == 0


@pytest.mark.parametrize("sampler", ["tpe", "random", "qmc", pytest.param("gp", marks=pytest.mark.slow)])
def test_a_search_rebuilt_at_any_point_makes_the_same_proposals(sampler):
    whole = outcome(run(search(sampler=sampler, brackets=2), 12, diverges=lambda n: n == 4))
    for cut in (5, 11):
        first = run(search(sampler=sampler, brackets=2), cut, diverges=lambda n: n == 4)
        rebuilt = search(copies(first), sampler=sampler, brackets=2)
        assert rebuilt.left == 12 - cut
        assert outcome(run(rebuilt, 12 - cut, diverges=lambda n: n == 4)) == whole


def test_another_search_seed_proposes_other_candidates():
    first, second = (run(search(search_seed=seed), 3) for seed in (0, 1))
    assert [s.values for s in first] != [s.values for s in second]


def test_a_model_beats_chance_where_there_is_something_to_learn():
    best = {}
    for sampler in ("tpe", "random"):
        finals = [search(sampler=sampler, search_seed=seed, settings=25) for seed in range(4)]
        best[sampler] = sum(max(quality(s.values, EPOCHS) for s in run(one, 25)) for one in finals)
    assert best["tpe"] > best["random"]


def test_optuna_learns_stopped_candidates_as_pruned_and_diverged_ones_as_the_worst_finite_value():
    from optuna.trial import TrialState

    from ablations.search.arm_search import _as_trial, to_optuna

    one = search()
    found = run(one, 12, diverges=lambda n: n == 0)
    distributions = to_optuna(one.space)
    trials = {s.number: _as_trial(s, worst, distributions) for s, worst in one._observations()}
    states = {s.number: trials[s.number].state for s in found}
    stopped = [s for s in found if s.status == "stopped"]
    assert stopped
    assert all(states[s.number] == TrialState.PRUNED and trials[s.number].value is None for s in stopped)
    assert all(trials[s.number].intermediate_values == s.means for s in stopped)
    diverged = trials[0]
    assert diverged.user_attrs["diverged"]
    assert diverged.value == min(v for s in found for v in s.means.values())
    assert math.isfinite(diverged.value)


def test_a_small_space_is_used_up_without_repeating():
    tuning = Tuning(nuisance={"batch_size": Choice((32, 64, 128))}, settings=3, grace=1)
    one = ArmSearch(make_space(tuning, arm()), tuning, "max", EPOCHS)
    assert {one.propose().values["batch_size"] for _ in range(3)} == {32, 64, 128}


def test_a_candidate_without_a_valid_config_is_not_proposed():
    tuning = Tuning(
        nuisance={"samples_per_class": Interval(2, 8, integer=True), "batch_size": Choice((12, 32))},
        settings=5,
        grace=1,
    )
    start = make_config({"sampler": "pk", "batch_size": 12, "samples_per_class": 2})
    space = make_space(tuning, Arm("arm", {}, start, "all", baseline=False))
    one = ArmSearch(space, tuning, "max", EPOCHS)
    found = [one.propose().values for _ in range(5)]
    assert all(v["batch_size"] % v["samples_per_class"] == 0 for v in found)


def test_a_space_without_further_valid_candidates_is_one_clear_line():
    tuning = Tuning(nuisance={"samples_per_class": Choice((4, 5)), "batch_size": Choice((16, 35))}, settings=3, grace=1)
    start = make_config({"sampler": "pk", "batch_size": 35, "samples_per_class": 5})
    one = ArmSearch(make_space(tuning, Arm("arm", {}, start, "all", baseline=False)), tuning, "max", EPOCHS)
    assert {one.propose().values["samples_per_class"] for _ in range(2)} == {4, 5}
    with pytest.raises(StudyError, match="no further candidate is a valid config, after 2"):
        one.propose()


def test_rungs_are_rays_and_their_content_does_not_depend_on_order():
    values = {n: random.Random(n).random() for n in range(20)}
    cutoffs = []
    for order in (sorted(values), sorted(values, reverse=True)):
        one = Rungs(27, 3, 3, "max")
        for number in order:
            one.keep(number, 3, values[number])
        cutoffs.append([one.keep(100 + i, 3, v) for i, v in enumerate((0.0, 0.5, 0.99))])
    assert cutoffs[0] == cutoffs[1]
    assert cutoffs[0][0] is False
    assert cutoffs[0][2] is True


def test_rungs_decide_at_their_epochs_only_and_never_at_the_last():
    assert Rungs(27, 3, 3, "max").epochs == (3, 9)
    assert Rungs(10, 1, 2.5, "max").epochs == (1, 3, 7)
    tuning = Tuning(nuisance={"lr": None}, grace=2, reduction=2, brackets=2)
    assert list(rungs(tuning, 16)) == [2, 4, 8]


def test_lower_is_better_where_the_metric_says_so():
    one = search(direction="min", settings=8)
    for _ in range(8):
        s = one.propose()
        go = all(one.observe(s.number, {epoch: -quality(s.values, epoch)}) for epoch in range(1, EPOCHS + 1))
        one.end(s.number, "complete" if go else "stopped")
    complete = [s for s in one.candidates.values() if s.status == "complete"]
    assert one.winner() == min(complete, key=lambda s: s.means[EPOCHS])


def test_a_rung_that_was_survived_is_not_judged_again_after_an_interruption():
    one = search()
    for number in range(6):
        candidate = one.propose()
        assert candidate.number == number
        one.observe(number, {1: float(number)})
    late = one.propose().number
    assert one.observe(late, {1: -100.0, 2: -100.0})  # it had come to epoch 2: whoever decided then let it
    later = one.propose().number
    assert not one.observe(later, {1: -100.0})


def test_a_diverged_candidate_counts_on_its_next_rung():
    base = search()
    for number, value in enumerate((3.0, 2.0, 1.0)):
        base.propose()
        base.observe(number, {1: value})
    candidate = base.propose()
    assert not base.observe(candidate.number, {1: 2.2})  # not among the best third of 3, 2, 1
    lenient = search()
    for number, value in enumerate((3.0, 2.0, 1.0)):
        lenient.propose()
        lenient.observe(number, {1: value})
        lenient.end(number, "stopped")
    for _ in range(4):
        lenient.end(lenient.propose().number, "diverged")  # before any epoch of their own
    candidate = lenient.propose()
    assert lenient.observe(candidate.number, {1: 2.2})  # among the best third of 3, 2, 1 and the diverged ones


def rows_of(candidate: Candidate, seeds, missing=()) -> list[dict]:
    curve = [{"epoch": e, "val_top1": v} for e, v in candidate.means.items()]
    shared = {
        "arm": "arm", "status": candidate.status, "epochs_reached": len(curve), "tune_number": candidate.number,
        "tune_values": '{"lr": 0.01}', "tune_known": list(candidate.known), "tune_bracket": 0,
    }  # fmt: skip
    shifted = {seed: [{**p, "val_top1": p["val_top1"] + i} for p in curve] for i, seed in enumerate(seeds)}
    return [{**shared, "seed": seed, "curve": shifted[seed]} for seed in seeds if seed not in missing]


def test_candidates_are_read_back_from_their_records_as_means_over_seeds():
    candidate = Candidate(3, {"lr": 0.01}, (0, 2), 0, "stopped", {1: 0.25, 2: 0.5})
    rows = rows_of(candidate, (7, 8))
    assert read_candidates(rows, "arm", (7, 8), "val_top1") == [
        Candidate(3, {"lr": 0.01}, (0, 2), 0, "stopped", {1: 0.75, 2: 1.0})
    ]
    assert read_candidates(rows_of(candidate, (7, 8), missing=(8,)), "arm", (7, 8), "val_top1") == []
    assert read_candidates(rows, "another", (7, 8), "val_top1") == []


def test_a_mean_needs_every_seed():
    curves = [[{"epoch": 1, "m": 1.0}, {"epoch": 2, "m": 3.0}], [{"epoch": 1, "m": 2.0}, {"epoch": 2, "m": None}]]
    assert mean_curve(curves, "m") == {1: 1.5}
    assert group_status(["stopped", "failed", "diverged"]) == "failed"


def test_each_arm_is_tuned_in_what_matters_there_and_not_in_what_its_treatment_sets():
    study = make_study(STUDY)
    spaces = {a.label: make_space(study.tuning, a) for a in study.start_arms}
    assert list(spaces["CE"].domains) == ["lr"]
    assert list(spaces["CE+Sil"].domains) == ["lr", "lambda_sil", "tau"]
    config = spaces["CE+Sil"].config({"lr": 0.01, "lambda_sil": 0.5, "tau": 0.2})
    assert (config.lr, config.lambda_sil, config.tau_s, config.tau_m) == (0.01, 0.5, 0.2, 0.2)


def test_identity_of_a_candidate_depends_on_arm_config_and_seeds():
    config = TrialConfig()
    ids = {
        candidate_id("a", config, (1, 2)),
        candidate_id("b", config, (1, 2)),
        candidate_id("a", config, (1, 3)),
        candidate_id("a", TrialConfig(lr=0.1), (1, 2)),
    }
    assert len(ids) == 4
    assert candidate_id("a", config, (1, 2)) in ids


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"seeds": (0, 1)}, "tuning.seeds: must not be confirm seeds, or the search would choose on them, got [0, 1]"),
        ({"seeds": (7, 7)}, "tuning.seeds: must be at least one and different, got [7, 7]"),
        ({"seeds": ()}, "tuning.seeds: must be at least one and different, got []"),
        ({"seeds": (-1,)}, "tuning.seeds: must be integers from 0 to 2147483647, got [-1]"),
        ({"nuisance": {}}, "tuning.nuisance: must have at least 1 item"),
        ({"nuisance": {"nope": None}}, "got 'nope'"),
        ({"nuisance": {"epochs": None}}, "epochs are the budget"),
        ({"nuisance": {"lr": Interval(0.1, 0.01)}}, "lr needs low < high, got 0.1 and 0.01"),
        ({"nuisance": {"lr": Interval(0, 0.1, log=True)}}, "lr needs low > 0 on a logarithmic scale, got 0"),
        ({"nuisance": {"lr": Interval(-1, 0.1)}}, "tuning.nuisance: lr: must be greater than 0, got -1"),
        ({"nuisance": {"batch_size": Choice((1, 64))}}, "batch_size: must be greater than or equal to 2"),
        ({"nuisance": {"batch_size": Choice(())}}, "batch_size needs different values, got []"),
        ({"nuisance": {"batch_size": Choice((32, 64))}}, "has only 2 different settings, got 12"),
        ({"nuisance": {"temperature": None}}, "tuning.nuisance: no field of it has an effect in arm 'CE'"),
        ({"settings": 0}, "tuning.settings: must be greater than or equal to 1, got 0"),
        ({"sampler": "grid"}, "tuning.sampler: must be 'tpe', 'random', 'qmc' or 'gp', got 'grid'"),
        ({"grace": 9}, "tuning.grace: the last bracket's first rung must come before the last of 9 epochs"),
        ({"brackets": 3}, "got grace=3 reduction=3 brackets=3"),
        ({"reduction": 1}, "tuning.reduction: must be greater than 1, got 1"),
        ({"metric": "test_top1"}, "test data are not for choosing"),
        ({"colour": 1}, "tuning.colour: Tuning has no such field; known are nuisance, settings"),
    ],
)
def test_a_fault_of_the_search_is_one_clear_line(changes, line):
    with pytest.raises(InputError) as caught:
        make_study({**STUDY, "tuning": {**STUDY["tuning"], **changes}})
    assert line in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"fixed": {"epochs": EPOCHS, "lr": 0.1}}, "lr: is tuned; remove it from fixed"),
        ({"factors": {"tau_s": (0.1, 0.2)}}, "tau_s: is tuned; remove it from factors"),
        ({"fixed": {"epochs": EPOCHS, "eval_every": 2}}, "eval_every: must be 1 where a search judges epochs, got 2"),
        ({"metric": "test_silhouette"}, "tuning.metric: test_silhouette has no counterpart"),
        (
            {"metric": "test_nc1", "fixed": {"epochs": EPOCHS, "metrics": ["geometry"]}},
            "tuning.metric: test_nc1 has no counterpart that every validation measures; name one of val_top1, ",
        ),
        ({"looks": (3,)}, "looks: must be at least two rising numbers"),
        ({"looks": (5, 10)}, "seeds: their number must be one of looks [5, 10], got 3"),
    ],
)
def test_a_fault_between_search_and_study_is_one_clear_line(changes, line):
    with pytest.raises(InputError) as caught:
        make_study({**STUDY, **changes})
    assert line in str(caught.value)
