"""The selection of the tune phase: winners and confirm plan, frozen before the first confirm trial."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from ablations.design.plans.describe import describe_study
from ablations.design.study import Study
from ablations.design.tuning import check_test_pool
from ablations.errors import StudyError
from ablations.search.arm_search import ArmSearch
from ablations.search.candidates import Candidate
from ablations.state.provenance import git_state
from silhouette.config import TrialConfig, as_version_0_2, is_of_version_0_1, plan_hash, with_defaults
from silhouette.results import Store

FILE = "frozen.json"
SPLIT = (
    "dataset", "split_seed", "vary", "val_fraction", "val_profile", "test_fraction", "train_fraction", "class_order",
    "subset",
)  # fmt: skip
"""The fields that, with the seed, decide which samples are for training, validation and test."""
CHECKPOINT_RULE = "last epoch"
"""The network after this epoch is tested; choosing the best epoch would bias the test value."""
MIN_RANK_CORRELATION = 0.5
"""A lower rank correlation between first rung and full budget makes early stopping suspect."""
MIN_PAIRS = 4
"""With fewer candidates a rank correlation is not computed."""
MIN_TRUSTED = 10
"""With fewer candidates even a high rank correlation is too uncertain to support the early stopping."""
MAX_FAILED_SHARE = 0.2
"""Share of an arm's candidates that may fail before its search counts as unfinished."""


def freeze(study: Study, searches: Mapping[str, ArmSearch], store: Store) -> dict[str, Any]:
    """Choose the winner of each arm, and write plan and choice to `frozen.json`.

    Args:
        study: The study, tuned but not yet confirmed.
        searches: The finished search of each arm.
        store: Where to write.

    Raises:
        StudyError: If an arm has no candidate that ran its whole budget.
    """
    arms = [_describe_arm(label, search) for label, search in searches.items()]
    winners = {arm["arm"]: arm["values"] for arm in arms}
    plan = frozen_plan(study, winners)
    frozen = {
        "schema_version": 1,
        "study": study.name,
        "hash": plan_hash(plan),
        "frozen_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "plan": plan,
        "arms": arms,
        "rank_correlation": pooled_correlation(searches.values()),
        **git_state(),
    }
    store.write_json(frozen, FILE)
    return frozen


def frozen_plan(study: Study, winners: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Return everything that the confirm phase must not change: what the hash is computed from."""
    tuned = with_winners(study, winners)
    described = describe_study(tuned)
    tuning = study.tuning
    return {
        "plan_hash": described["plan_hash"],
        "metric": study.metric,
        "direction": described["direction"],
        "chosen_by": study.chosen_by if tuning else None,
        "checkpoint_rule": CHECKPOINT_RULE,
        "sesoi": study.sesoi,
        "alpha": study.alpha,
        "error_rate": study.error_rate,
        "looks": list(study.looks),
        "seeds": list(study.seeds),
        "tuning_seeds": list(tuning.seeds) if tuning else [],
        "split": {name: values for name in SPLIT if (values := _values(tuned, name))},
        "configs": {arm.label: arm.config.model_dump(mode="json") for arm in tuned.arms},
        "families": described["families"],
    }


def _values(study: Study, field: str) -> list[str]:
    """The values of a field over the arms; none where the config has no such field."""
    return sorted({str(getattr(arm.config, field)) for arm in study.arms if hasattr(arm.config, field)})


def with_winners(study: Study, winners: Mapping[str, Mapping[str, Any]]) -> Study:
    """The study as it is confirmed."""
    given = {name: getattr(study, name) for name in study.model_fields_set}
    return Study(**{**given, "winners": {label: dict(values) for label, values in winners.items()}})


def load_selection(study: Study, store: Store) -> Study:
    """Return the study with the winners that the folder holds; the study itself where there are none.

    Raises:
        StudyError: If `frozen.json` was changed, or was frozen for another plan; or if a search is still to run and
            would train on samples that are tested later.
    """
    if study.tuning is None:
        return study
    frozen = store.read_json(FILE)
    if frozen is None:
        for arm in study.start_arms:
            check_test_pool(arm.config)
        return study
    where = store.path(FILE)
    try:
        plan, winners = frozen["plan"], {arm["arm"]: arm["values"] for arm in frozen["arms"]}
        intact = frozen["hash"] == plan_hash(plan) and bool(frozen["frozen_at"])
    except (KeyError, TypeError):
        raise StudyError(f"{where}: not in the format of a frozen plan; restore it") from None
    if not intact or winners.keys() != plan["configs"].keys():
        raise StudyError(f"{where}: its content does not match its hash {frozen['hash']}; restore it")
    _check_searched(study, winners, where)
    confirmed = with_winners(study, winners)
    _check_same_plan(plan, frozen_plan(study, winners), study.model is not TrialConfig)
    return confirmed


def _check_searched(study: Study, winners: Mapping[str, Mapping[str, Any]], where: str) -> None:
    """A file must not bring in a setting that the study does not search: it could name code to be imported."""
    for arm in study.start_arms:
        values = winners.get(arm.label)
        if values is not None and not study.space(arm).holds(values):
            shown = ", ".join(f"{name}={value!r}" for name, value in values.items())
            raise StudyError(
                f"{where}: arm {arm.label!r} must have values of its search, got {shown}; restore the file, or undo "
                "the change of tuning.nuisance, or use another --results"
            )


def _check_same_plan(frozen: Mapping[str, Any], now: Mapping[str, Any], own_config: bool) -> None:
    """Only the number of seeds may differ from what was frozen. The report says if it does."""
    whole = dict if own_config else as_version_0_2 if is_of_version_0_1(frozen) else with_defaults
    configs = {arm: whole(config) for arm, config in frozen["configs"].items()}
    frozen = {**frozen, "configs": configs, "split": {**now["split"], **frozen["split"]}}
    for key in frozen:
        if key not in ("plan_hash", "seeds") and frozen[key] != now.get(key):
            before, after = _first_difference(frozen[key], now.get(key))
            raise StudyError(f"{key}: was frozen as {before}, is now {after}; undo the change or use another --results")


def _first_difference(before: Any, after: Any) -> tuple[str, str]:
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        key = next((k for k in [*before, *after] if before.get(k) != after.get(k)), None)
        if key is not None:
            inner = _first_difference(before.get(key), after.get(key))
            return f"{key}: {inner[0]}", f"{key}: {inner[1]}"
    return json.dumps(before, ensure_ascii=False)[:200], json.dumps(after, ensure_ascii=False)[:200]


def _describe_arm(label: str, search: ArmSearch) -> dict[str, Any]:
    winner = search.winner()
    if winner is None:
        raise StudyError(f"tuning: no candidate of arm {label!r} ran its whole budget; widen or change tuning.nuisance")
    candidates = list(search.candidates.values())
    seeds = len(search.tuning.seeds)
    edges = search.space.at_the_edge(winner.values)
    rho, pairs = rung_correlation(search)
    return {
        "arm": label,
        "values": dict(winner.values),
        "setting": winner.number,
        "score": winner.means[search.epochs],
        "settings": dict(Counter(candidate.status for candidate in candidates)),
        "epochs": seeds * sum(max(s.means, default=0) for s in candidates),
        "epochs_unstopped": seeds * search.epochs * len(candidates),
        "edges": edges,
        "rank_correlation": rho,
        "rank_pairs": pairs,
        "flags": list(_flags(search, candidates, edges, rho, winner)),
    }


def _flags(
    search: ArmSearch, candidates: Sequence[Candidate], edges: Sequence[str], rho: float | None, winner: Candidate
) -> Sequence[str]:
    flags = [
        f"{name} = {winner.values[name]:g} lies at an end of its range {_range(search, name)}: a better value may "
        "lie beyond"
        for name in edges
    ]
    if rho is not None and rho < MIN_RANK_CORRELATION:
        flags.append(
            f"rank correlation {rho:.2f} between first rung and full budget: early stopping may have cost the best"
        )
    bad = Counter(s.status for s in candidates if s.status in ("failed", "diverged"))
    flags += [f"{count} of {len(candidates)} candidates {status}" for status, count in sorted(bad.items())]
    return flags


def _range(search: ArmSearch, name: str) -> str:
    domain = search.space.domains[name]
    low, high = (min(domain.values), max(domain.values)) if hasattr(domain, "values") else (domain.low, domain.high)
    return f"[{low:g}, {high:g}]"


def rung_correlation(search: ArmSearch) -> tuple[float | None, int]:
    """Spearman correlation between the first rung and the full budget, over the candidates that have both.

    Returns:
        The correlation, None where it cannot be computed, and the number of candidates. Stopped candidates have no
        final value, so the range is restricted: the correlation over all candidates would be higher.
    """
    pairs = [(s.means[search.tuning.grace], s.means[search.epochs]) for s in _with_both(search)]
    return _spearman(pairs), len(pairs)


def pooled_correlation(searches: Any) -> dict[str, Any]:
    """The same over all arms together, each candidate measured from the mean of its arm."""
    pairs: list[tuple[float, float]] = []
    for search in searches:
        own = [(s.means[search.tuning.grace], s.means[search.epochs]) for s in _with_both(search)]
        if own:
            centre = [sum(column) / len(own) for column in zip(*own, strict=True)]
            pairs += [(first - centre[0], last - centre[1]) for first, last in own]
    rho = _spearman(pairs)
    return {"rho": rho, "settings": len(pairs), "trusted": _trusted(rho, len(pairs))}


def _trusted(rho: float | None, pairs: int) -> bool | None:
    """Whether the correlation supports early stopping; None where there are too few candidates to say so."""
    if rho is None or rho < MIN_RANK_CORRELATION:
        return None if rho is None else False
    return True if pairs >= MIN_TRUSTED else None


def _with_both(search: ArmSearch) -> list[Candidate]:
    return [s for s in search.candidates.values() if {search.tuning.grace, search.epochs} <= s.means.keys()]


def _spearman(pairs: Sequence[tuple[float, float]]) -> float | None:
    if len(pairs) < MIN_PAIRS or any(len(set(column)) < 2 for column in zip(*pairs, strict=True)):
        return None
    from scipy.stats import spearmanr

    first, last = zip(*pairs, strict=True)
    return float(spearmanr(first, last).statistic)


def too_many_failed(searches: Mapping[str, ArmSearch]) -> list[str]:
    """Return one line for each arm in which too many candidates failed."""
    lines = []
    for label, search in searches.items():
        failed = sum(candidate.status == "failed" for candidate in search.candidates.values())
        if failed > MAX_FAILED_SHARE * search.tuning.settings:
            lines.append(f"  {label}: {failed} of {search.tuning.settings} candidates failed")
    return lines
