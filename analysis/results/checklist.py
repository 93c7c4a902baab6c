"""The requests of the referees: where this study answers each of them, or why it does not."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from analysis.formatting import count, listing, show_p
from analysis.results.document import ComparisonData, Document
from analysis.results.imbalance.tail import UNEVEN
from analysis.stats.anytime import METHOD
from analysis.stats.exact_tests import smallest_p
from analysis.study.plan import UNTIL_DECIDED, Plan, dataset_of

TEMPERATURES = ("tau_s", "tau_m")
ENOUGH_SEEDS = 5
YES, PARTLY, NO = "answered", "partly answered", "not answered"


@dataclass(frozen=True)
class Answer:
    """One request with its answer: `answered`, `partly answered` or `not answered`, and where or why."""

    request: str
    answer: str
    where: str


def checklist(plan: Plan, data: Document) -> tuple[Answer, ...]:
    """Every request of the public review, with the answer of this study; none for a plain table, which is no study.

    Requests about the loss do not concern an experiment whose config has none of its settings.
    """
    if plan.from_table:
        return ()
    asked = _REQUESTS[:2] if plan.own_config else _REQUESTS
    return tuple(Answer(request, *judge(plan, data)) for request, judge in asked)


Judgement = tuple[str, str]


def _seeds(_plan: Plan, data: Document) -> Judgement:
    ns = [a["n"] for a in data["arms"]]
    if min(ns) >= ENOUGH_SEEDS:
        return YES, f"Results: every arm has {min(ns)} seeds or more, SD with ddof 1 and its interval."
    short = [a["arm"] for a in data["arms"] if a["n"] < ENOUGH_SEEDS]
    return (PARTLY if max(ns) >= ENOUGH_SEEDS else NO), f"Fewer than five complete seeds: {listing(short, 6)}."


def _tests(plan: Plan, data: Document) -> Judgement:
    comparisons = data["comparisons"]
    tested = [c for c in comparisons if c["p_adjusted"] is not None]
    if not comparisons:
        return NO, "The study declares no comparison."
    if not tested:
        return NO, f"No comparison has a verdict: {listing(dict.fromkeys(c['reason'] for c in comparisons))}."
    names = listing(sorted({c["detail"]["method"] for c in tested}))
    exact = "" if data["unpaired"] else ", with exact sign-flip and exact Wilcoxon beside it"
    if plan.stop == UNTIL_DECIDED:
        names, exact = METHOD, ", valid at any number of seeds"
    words = f"Pairwise evidence: {names} for {count(len(tested), 'comparison')}{exact}.{_floor(plan, tested)}"
    rest = len(comparisons) - len(tested)
    return (PARTLY if rest else YES), words + (f" {count(rest, 'comparison')} without a verdict." if rest else "")


def _floor(plan: Plan, tested: Sequence[ComparisonData]) -> str:
    """The smallest p of the exact tests, where the fewest seeds of a comparison cannot reach the level."""
    fewest = min(tested, key=lambda c: c["n"])
    if (
        plan.stop == UNTIL_DECIDED
        or fewest["detail"]["sign_flip"] is None
        or (lowest := smallest_p(fewest["n"])) <= plan.alpha
    ):
        return ""
    return f" With {count(fewest['n'], 'seed')} the exact tests cannot give p below {show_p(lowest, plan.alpha)}."


def _temperature(plan: Plan, data: Document) -> Judgement:
    curves = [c for c in data["sensitivity"]["curves"] if c["factor"] in TEMPERATURES]
    if not curves:
        return NO, "This study does not vary a temperature over three levels or more."
    blocks = {c["block"] for c in curves}
    over = {dataset_of(a) for a in plan.arms if a.block in blocks} - {None}
    names = listing(sorted({c["label"] for c in curves}))
    place = f"Sensitivity: {names} on {listing(sorted(str(d) for d in over)) or 'one dataset'}."
    return (YES if len(over) > 1 else PARTLY), place + ("" if len(over) > 1 else " One dataset only.")


def _composition(_plan: Plan, data: Document) -> Judgement:
    decided = [c for c in data["interactions"] if c["p_adjusted"] is not None]
    uneven = [t for t in data["tail"] if t["train_ratio"] > UNEVEN]
    if decided:
        imbalance = "Class imbalance: interaction contrasts of gain and imbalance"
    elif data["interactions"]:
        imbalance = f"Class imbalance: contrasts without a verdict ({data['interactions'][0]['reason']})"
    elif uneven:
        imbalance = "Class imbalance: shot groups and classes; one imbalance setting only, so no interaction contrast"
    else:
        imbalance = ""
    batches = "Batch composition: gain against singletons and classes per batch" if data["composition"] else ""
    if not imbalance and not batches:
        return NO, "No class imbalance is studied, and no comparison has the composition of its batches."
    found = [part for part in (imbalance, batches) if part]
    missing = "No comparison has the composition of its batches" if imbalance and not batches else ""
    missing = "The imbalance is not varied" if batches and not imbalance else missing
    words = ". ".join([*found, *([missing] if missing else [])]) + "."
    return (YES if decided and batches else PARTLY), words


def _named(plan: Plan, _data: Document) -> Judgement:
    names = sorted({str(d) for a in plan.arms if (d := dataset_of(a))})
    if not names:
        return NO, "The study does not name its datasets."
    return (
        YES,
        f"Protocol: {listing(names, 12)}. τ_s is the soft minimum's temperature, τ_m the soft maximum's, everywhere.",
    )


def _stability(_plan: Plan, data: Document) -> Judgement:
    curves = [c for c in data["sensitivity"]["curves"] if c["factor"] == "batch_size"]
    ledger = data["ledger"]
    lost = ledger["failed"] + ledger["diverged"]
    rate = f"{lost} of {ledger['complete'] + lost} runs failed or diverged"
    if curves:
        return YES, f"Sensitivity: batch size; {rate}."
    return PARTLY, f"Run ledger: {rate}; the batch size is not varied here."


_REQUESTS: Sequence[tuple[str, Callable[[Plan, Document], Judgement]]] = (  # the first two concern every study
    ("Standard deviations over at least five seeds for every accuracy figure", _seeds),
    ("Paired t-tests or Wilcoxon tests for the improvements", _tests),
    ("An ablation of the temperatures of the soft operations across the main datasets", _temperature),
    ("Does it still separate globally when batches hold few or uneven samples per class?", _composition),
    ("Datasets named up front; τ_s and τ_m introduced once and used consistently", _named),
    ("Training stability without special batch sizes", _stability),
)
