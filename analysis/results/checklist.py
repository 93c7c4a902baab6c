"""The requests of the referees: where this study answers each of them, or why it does not."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from analysis.formatting import count, listing
from analysis.results.document import Document
from analysis.study.plan import Plan, dataset_of

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
    """Every request of the public review, with the answer of this study."""
    return tuple(Answer(request, *judge(plan, data)) for request, judge in _REQUESTS)


Judgement = tuple[str, str]


def _seeds(_plan: Plan, data: Document) -> Judgement:
    ns = [a["n"] for a in data["arms"]]
    if min(ns) >= ENOUGH_SEEDS:
        return YES, f"Results: every arm has {min(ns)} seeds or more, SD with ddof 1 and its interval."
    short = [a["arm"] for a in data["arms"] if a["n"] < ENOUGH_SEEDS]
    return (PARTLY if max(ns) >= ENOUGH_SEEDS else NO), f"Fewer than five complete seeds: {listing(short, 6)}."


def _tests(_plan: Plan, data: Document) -> Judgement:
    tested = [c for c in data["comparisons"] if c["p_adjusted"] is not None]
    if not data["comparisons"]:
        return NO, "The study declares no comparison."
    if not tested:
        return NO, "No comparison has the seeds for a test."
    limit = "" if min(c["n"] for c in tested) > ENOUGH_SEEDS else " With five seeds Wilcoxon cannot go below 0.0625."
    words = f"Pairwise evidence: paired t, exact sign-flip and exact Wilcoxon for {count(len(tested), 'comparison')}."
    return (YES if len(tested) == len(data["comparisons"]) else PARTLY), words + limit


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
    points, contrasts = data["composition"], data["interactions"]
    if points and contrasts:
        return YES, "Class imbalance (interaction contrast) and batch composition (gain against singletons)."
    if contrasts or data["tail"]:
        return PARTLY, "Class imbalance; batch composition was not recorded for a comparison."
    if points:
        return PARTLY, "Batch composition; the study has one imbalance setting only."
    return NO, "Neither imbalance nor batch composition is varied or recorded."


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


_REQUESTS: Sequence[tuple[str, Callable[[Plan, Document], Judgement]]] = (
    ("Standard deviations over at least five seeds for every accuracy figure", _seeds),
    ("Paired t-tests or Wilcoxon tests for the improvements", _tests),
    ("An ablation of the temperatures of the soft operations across the main datasets", _temperature),
    ("Does it still separate globally when batches hold few or uneven samples per class?", _composition),
    ("Datasets named up front; τ_s and τ_m introduced once and used consistently", _named),
    ("Training stability without special batch sizes", _stability),
)
