"""Freezing the winners, the flags that go with them, and what may change afterwards."""

import json

import pytest

from ablations.design.arms import Arm
from ablations.design.loading import change_study
from ablations.design.plan import note_winners
from ablations.design.plans.describe import describe_study
from ablations.design.plans.fit import covers
from ablations.design.seeds.extension import extension_notes
from ablations.design.study import Study, make_study
from ablations.design.tuning import Tuning, make_space
from ablations.errors import StudyError
from ablations.search import selection
from ablations.search.arm_search import ArmSearch
from ablations.search.candidates import Candidate
from search_spaces import Choice, Interval
from silhouette.config import make_config, plan_hash
from silhouette.results import Store

EPOCHS = 4
LR = Interval(1e-3, 1e-1, log=True)


def study(**changes) -> Study:
    return make_study(
        {
            "name": "s",
            "question": "Does it help?",
            "treatments": {"CE": {"lambda_sil": 0.0}, "CE+Sil": {}},
            "fixed": {"epochs": EPOCHS},
            "baseline": "CE",
            "seeds": (0, 1, 2),
            "tuning": {"nuisance": {"lr": LR, "lambda_sil": None}, "settings": 6, "grace": 1},
            **changes,
        }
    )


def finished(one: Study, finals=(0.1, 0.5, 0.3, 0.2, 0.4, 0.6), lrs=None, status=None) -> dict[str, ArmSearch]:
    """Searches whose settings ended with these values; the first rung ranks them alike."""
    found = {}
    for arm in one.start_arms:
        space = make_space(one.tuning, arm)
        candidates = []
        for n, final in enumerate(finals):
            values = {"lr": (lrs or [0.01] * 9)[n] * (1 + n / 100)}
            values |= {"lambda_sil": 0.1} if "lambda_sil" in space.domains else {}
            state = (status or {}).get(n, "complete")
            means = {e: final * e for e in range(1, EPOCHS + 1)} if state == "complete" else {1: final}
            candidates.append(Candidate(n, values, status=state, means=means))
        found[arm.label] = ArmSearch(space, one.tuning, "max", EPOCHS, candidates)
    return found


@pytest.fixture
def store(tmp_path):
    return Store(str(tmp_path), "s")


def test_the_winner_is_the_best_mean_at_full_budget(store):
    frozen = selection.freeze(study(), finished(study(), status={5: "stopped"}), store)
    assert [arm["setting"] for arm in frozen["arms"]] == [1, 1]  # 5 has the better value, but not at full budget
    assert frozen["arms"][0]["score"] == 0.5 * EPOCHS
    assert frozen["arms"][0]["settings"] == {"complete": 5, "stopped": 1}
    assert frozen["arms"][0]["epochs"] == 2 * (5 * EPOCHS + 1)
    assert store.read_json("frozen.json") == json.loads(json.dumps(frozen))


def test_equal_candidates_give_the_earlier_one():
    searches = finished(study(), finals=(0.3, 0.5, 0.5, 0.5, 0.1, 0.1))
    assert {search.winner().number for search in searches.values()} == {1}


def test_the_hash_stands_for_all_that_the_claim_rests_on(store):
    frozen = selection.freeze(study(), finished(study()), store)
    plan = frozen["plan"]
    wanted = {"configs", "split", "metric", "direction", "checkpoint_rule", "seeds", "families", "sesoi"}
    assert wanted <= plan.keys()
    for key in wanted:
        assert plan_hash({**plan, key: "changed"}) != frozen["hash"]
    assert selection.freeze(study(), finished(study()), store)["hash"] == frozen["hash"]


def test_the_confirmed_study_trains_the_winners_on_the_confirm_seeds_only(store):
    selection.freeze(study(), finished(study()), store)
    confirmed = selection.load_selection(study(), store)
    assert {arm.label: arm.config.lr for arm in confirmed.arms} == {"CE": 0.0105, "CE+Sil": 0.0105}
    trials = list(confirmed.trials())
    assert {trial.phase for trial in trials} == {"confirm"}
    assert {trial.seed for trial in trials} == {0, 1, 2}
    assert not {trial.seed for trial in trials} & set(confirmed.tuning.seeds)
    assert {trial.trial_id for trial in trials}.isdisjoint(trial.trial_id for trial in study().trials())


def test_study_json_carries_the_confirmed_configs_and_the_hash(store):
    before = describe_study(study())
    assert [arm["config"] for arm in before["arms"]] == [{}, {}]
    frozen = selection.freeze(study(), finished(study()), store)
    confirmed = selection.load_selection(study(), store)
    described = note_winners(confirmed, frozen["hash"], before, store)
    assert described["frozen"] == frozen["hash"]
    assert described["plan_hash"] == before["plan_hash"]
    assert [a["config"] for a in described["arms"]] == [a.config.model_dump(mode="json") for a in confirmed.arms]
    assert store.read_json("study.json") == json.loads(json.dumps(described))


def test_an_arm_is_named_by_its_treatment_in_every_block():
    fixed = {"epochs": EPOCHS, "imbalance_factor": 20}
    described = describe_study(study(factors={"imbalance": ("none", "long_tail")}, blocks=("imbalance",), fixed=fixed))
    assert [arm["method"] for arm in described["arms"]] == ["CE", "CE", "CE+Sil", "CE+Sil"]


def test_a_changed_frozen_plan_is_refused(store):
    frozen = selection.freeze(study(), finished(study()), store)
    store.write_json({**frozen, "plan": {**frozen["plan"], "sesoi": 0.5}}, "frozen.json")
    with pytest.raises(StudyError, match="does not match its hash"):
        selection.load_selection(study(), store)
    store.write_json({"hash": "x"}, "frozen.json")
    with pytest.raises(StudyError, match="not in the format of a frozen plan"):
        selection.load_selection(study(), store)
    arms = [{**arm, "values": {**arm["values"], "lr": 0.09}} for arm in frozen["arms"]]
    store.write_json({**frozen, "arms": arms}, "frozen.json")
    with pytest.raises(StudyError, match=r"configs: was frozen as CE: lr: 0.0105, is now CE: lr: 0.09"):
        selection.load_selection(study(), store)


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"sesoi": 0.01}, "sesoi: was frozen as null, is now 0.01"),
        ({"metric": "test_macro_top1"}, 'metric: was frozen as "test_top1", is now "test_macro_top1"'),
        ({"fixed": {"epochs": EPOCHS, "val_fraction": 0.2}}, "split: was frozen as val_fraction"),
        ({"error_rate": "block"}, 'error_rate: was frozen as "study", is now "block"'),
        ({"role": "exploratory"}, "families: was frozen as"),
        ({"treatments": {"CE": {"lambda_sil": 0.0}, "CE+Sil": {}, "third": {"width": 4}}}, "configs: was frozen as"),
    ],
)
def test_what_was_frozen_cannot_change(store, changes, line):
    selection.freeze(study(), finished(study()), store)
    with pytest.raises(StudyError) as caught:
        selection.load_selection(study(**changes), store)
    assert line in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("own", [{"encoder": "evil:thing"}, {"lr": 50.0}, {"lr": "evil:thing"}])
def test_a_frozen_plan_brings_in_nothing_that_is_not_searched(store, own):
    frozen = selection.freeze(study(), finished(study()), store)
    arms = [{**arm, "values": {**arm["values"], **own}} for arm in frozen["arms"]]
    configs = {arm: {**config, **own} for arm, config in frozen["plan"]["configs"].items()}
    plan = {**frozen["plan"], "configs": configs}
    store.write_json({**frozen, "arms": arms, "plan": plan, "hash": plan_hash(plan)}, "frozen.json")
    with pytest.raises(StudyError, match=r"frozen.json: arm 'CE' must have values of its search, got lr="):
        selection.load_selection(study(), store)


def test_a_plan_that_was_frozen_before_a_field_existed_is_read(store):
    frozen = selection.freeze(study(), finished(study()), store)
    plan = frozen["plan"]
    later = ("nesterov", "milestones", "subset", "val_profile")
    old = {
        **plan,
        "configs": {arm: {k: v for k, v in c.items() if k not in later} for arm, c in plan["configs"].items()},
        "split": {k: v for k, v in plan["split"].items() if k not in later},
    }
    store.write_json({**frozen, "plan": old, "hash": plan_hash(old)}, "frozen.json")
    confirmed = selection.load_selection(study(), store)
    assert {arm.label: arm.config.lr for arm in confirmed.arms} == {"CE": 0.0105, "CE+Sil": 0.0105}
    fixed = study(fixed={"epochs": EPOCHS, "subset": "fixed", "train_fraction": 0.5})
    with pytest.raises(StudyError, match="split: was frozen as "):
        selection.load_selection(fixed, store)


def test_seeds_may_be_added_to_a_frozen_plan(store):
    selection.freeze(study(), finished(study()), store)
    assert len(list(selection.load_selection(study(seeds=range(5)), store).trials())) == 10


def test_an_arm_without_a_complete_candidate_is_not_frozen(store):
    with pytest.raises(StudyError, match="no candidate of arm 'CE' ran its whole budget"):
        selection.freeze(study(), finished(study(), status=dict.fromkeys(range(6), "diverged")), store)
    assert store.read_json("frozen.json") is None


def test_a_winner_at_the_edge_is_flagged(store):
    inside = selection.freeze(study(), finished(study()), store)["arms"][0]
    assert (inside["edges"], inside["flags"]) == ([], [])
    lrs = [0.01] * 5 + [0.094]
    at_edge = selection.freeze(study(), finished(study(), lrs=lrs), store)["arms"][0]
    assert at_edge["edges"] == ["lr"]
    assert "lies at an end of its range [0.001, 0.1]" in at_edge["flags"][0]


@pytest.mark.parametrize(
    ("domain", "value", "at_edge"),
    [
        (Choice((32, 64, 128)), 128, True),
        (Choice((32, 64, 128)), 64, False),
        (Interval(8, 256, log=True, integer=True), 8, True),
        (Interval(8, 256, log=True, integer=True), 9, False),
    ],
)
def test_what_counts_as_an_edge(domain, value, at_edge):
    tuning = Tuning(nuisance={"batch_size": domain}, settings=3)
    space = make_space(tuning, Arm("a", {}, make_config({}), "all", baseline=True))
    assert space.at_the_edge({"batch_size": value}) == (["batch_size"] if at_edge else [])


def test_unordered_choices_have_no_edge():
    tuning = Tuning(nuisance={"encoder": Choice(("mlp", "small_cnn"))}, settings=2)
    space = make_space(tuning, Arm("a", {}, make_config({}), "all", baseline=True))
    assert space.at_the_edge({"encoder": "mlp"}) == []


def test_a_first_rung_that_ranks_otherwise_is_flagged(store):
    searches = finished(study())
    assert selection.rung_correlation(searches["CE"]) == (pytest.approx(1.0), 6)
    for candidate in searches["CE"].candidates.values():
        candidate.means[1] = -candidate.means[EPOCHS]
    frozen = selection.freeze(study(), searches, store)
    assert frozen["arms"][0]["rank_correlation"] == pytest.approx(-1.0)
    assert "early stopping may have cost the best" in frozen["arms"][0]["flags"][0]
    assert frozen["arms"][1]["flags"] == []
    assert frozen["rank_correlation"]["settings"] == 12


@pytest.mark.parametrize(("finals", "trusted"), [((0.1, 0.5, 0.3, 0.2), None), ((0.1, 0.5, 0.3, 0.2, 0.4), True)])
def test_early_stopping_is_supported_by_ten_candidates_or_more(finals, trusted):
    pooled = selection.pooled_correlation(finished(study(), finals).values())  # two arms, in each the same order
    assert pooled["rho"] == pytest.approx(1.0)
    assert (pooled["settings"], pooled["trusted"]) == (2 * len(finals), trusted)


def test_few_candidates_have_no_rank_correlation():
    searches = finished(study(), status=dict.fromkeys(range(3, 6), "stopped"))
    assert selection.rung_correlation(searches["CE"]) == (None, 3)


def test_failures_and_divergences_are_flagged_and_too_many_keep_the_search_open(store):
    few = finished(study(), status={2: "diverged", 3: "failed"})
    assert selection.too_many_failed(few) == []
    flags = selection.freeze(study(), few, store)["arms"][0]["flags"]
    assert flags == ["1 of 6 candidates diverged", "1 of 6 candidates failed"]
    many = finished(study(), status={2: "failed", 3: "failed"})
    assert selection.too_many_failed(many) == ["  CE: 2 of 6 candidates failed", "  CE+Sil: 2 of 6 candidates failed"]


def test_a_larger_search_is_allowed_until_the_plan_is_frozen(store):
    small = describe_study(study())
    large = describe_study(study(tuning={"nuisance": {"lr": LR, "lambda_sil": None}, "settings": 9, "grace": 1}))
    assert not covers(small, large, "here")
    with pytest.raises(StudyError, match=r"tuning\.settings: was 6 and is now 9"):
        covers({**small, "frozen": "0123"}, large, "here")
    with pytest.raises(StudyError, match=r"tuning\.settings: was 9 and is now 6"):
        covers(large, small, "here")
    other = describe_study(study(tuning={"nuisance": {"lr": LR, "lambda_sil": None}, "settings": 6, "grace": 2}))
    with pytest.raises(StudyError, match=r"tuning\.grace: was 1 and is now 2"):
        covers(small, other, "here")


def looked_at(store: Store) -> Store:
    config = study().arms[0].config
    row = {"trial_id": "ab", "phase": "confirm", "arm": "CE", "seed": 0, "status": "complete", "error": None}
    store.write_record({**row, "config": config.model_dump_json()})
    return store


def test_seeds_added_after_a_look_are_recorded_as_extended(store):
    three, five = describe_study(study()), describe_study(study(seeds=range(5)))
    assert extension_notes(three, five, store) == {}  # nobody can have looked at nothing
    looked_at(store)
    first = extension_notes(three, five, store)["extended"]
    assert [(e["from"], e["to"], e["declared"]) for e in first] == [(3, 5, False)]
    again = extension_notes({**five, "extended": first, "frozen": "0123"}, describe_study(study(seeds=range(8))), store)
    assert [(e["from"], e["to"]) for e in again["extended"]] == [(3, 5), (5, 8)]
    assert again["frozen"] == "0123"
    assert extension_notes({**five, "extended": first}, three, store) == {"extended": first}


def test_a_declared_look_is_recorded_as_declared(store):
    first, second = (describe_study(study(seeds=range(n), looks=(5, 10))) for n in (5, 10))
    assert [e["declared"] for e in extension_notes(first, second, looked_at(store))["extended"]] == [True]
    undeclared = describe_study(study(seeds=range(5)))
    assert [e["declared"] for e in extension_notes(undeclared, second, store)["extended"]] == [False]


def test_the_command_line_goes_from_look_to_look():
    declared = study(seeds=range(5), looks=(5, 10))
    assert len(change_study(declared, [], seeds=10).seeds) == 10
    with pytest.raises(StudyError, match=r"seeds: their number must be one of looks \[5, 10\], got 7"):
        change_study(declared, [], seeds=7)


def test_a_search_may_not_run_where_each_seed_draws_its_own_test_samples(store):
    fixed = {"epochs": EPOCHS, "vary": "all_and_test_split"}
    with pytest.raises(StudyError, match=r"^vary: with tuning, the test samples must be the same for every seed"):
        selection.load_selection(study(fixed=fixed), store)
    without = {"tuning": None, "treatments": {"CE": {"lambda_sil": 0.0}, "CE+Sil": {"lambda_sil": 0.1}}}
    assert selection.load_selection(study(fixed=fixed, **without), store).tuning is None
