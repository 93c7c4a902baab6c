"""What limits the verdicts of a whole report: unfinished or extended plans, mixed code, rules that changed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from analysis.formatting import count, listing, show_alpha_percent
from analysis.results.guards import COPIED, Collapse, collapsed_seeds
from analysis.study.ledger import Ledger
from analysis.study.plan import PER_BLOCK, UNTIL_DECIDED, Plan
from analysis.study.plan_checks import faults_of_0_1
from silhouette.registry import sources_in

RULES = "0.2"
"""The rules of verdicts that this version follows."""
MARGIN_0_1 = 0.002
"""The margin of a study of version 0.1 that declared none."""
EXTENDED, MIXED_CODE = "extended after looking", "mixed code"
CROSSED = "crossed sources of chance"
"""The reason where runs share levels of a source, so that they are no independent repetitions."""
BY_SEQUENCE = "seeds are run until it is decided, so only the declared comparisons have verdicts"
"""Why a test for a fixed number of seeds gives no verdict where that number depends on the results."""
NOT_NOTED = "none"
"""Stands for the digest of code that a record does not note."""
UNEQUAL_SEEDS = "the arms have different seeds"
FAILED_SEEDS = " failed"
"""End of the reason where every planned trial has a record, and some of them have no result."""


def voids_intervals(reason: str) -> bool:
    """Return True if a refused comparison leaves not even an interval of one arm its level.

    The number of its seeds was not planned, or its values are no repetitions of one experiment.
    """
    kinds = ("interim", "records of", "seeds are run until")
    return reason in (EXTENDED, MIXED_CODE, COPIED, CROSSED) or reason.startswith(kinds)


CROSSED_TEXT = (
    "Crossed sources of chance: no verdict. Runs that share a level of a source, as the same initialisation, are not "
    "independent, so no test of the difference and no interval of a mean holds its level. The section on crossed "
    "sources shows what each source adds."
)


@dataclass(frozen=True)
class Notice:
    """What a reader must know before any verdict.

    Attributes:
        key: A word for programs.
        title: A few words, for captions of tables.
        text: Whole sentences, for the top of the page.
    """

    key: str
    title: str
    text: str


def refusal_of_study(plan: Plan, ledger: Ledger) -> str:
    """Why no comparison of a study gets a verdict, or an empty text."""
    return refusal_of_records(plan, ledger) or (CROSSED if any(arm.crossed for arm in plan.arms) else "")


def refusal_of_records(plan: Plan, ledger: Ledger) -> str:
    """Why the records of a study are no sample that was planned, or an empty text."""
    if plan.phase != "confirm":
        return f"records of the {plan.phase} phase give no verdict"
    if _undeclared(plan):
        return EXTENDED
    return MIXED_CODE if len(sources(plan, ledger)) > 1 or mixed_plugins(plan, ledger) else ""


def refusal_of_seeds(plan: Plan, ledger: Ledger, ours: set[int], theirs: set[int]) -> str:
    """Why the complete seeds of two arms allow no verdict yet, or an empty text.

    A verdict needs all planned seeds, or those of a declared look, in both arms. A plain table has no plan: there the
    arms must have the same seeds, unless they were declared unpaired.
    """
    if plan.stop == UNTIL_DECIDED:
        return BY_SEQUENCE
    if ours != theirs and not (plan.unpaired and plan.from_table):
        return UNEQUAL_SEEDS
    if plan.from_table or at_look(plan, ours):
        return ""
    share = f"{len(ours)} of {count(len(plan.seeds), 'planned seed')}"
    return f"interim: {share}" if ledger.missing else f"{share}; {len(plan.seeds) - len(ours)}{FAILED_SEEDS}"


def at_look(plan: Plan, seeds: set[int]) -> bool:
    """Return True if these are all planned seeds, or the first ones up to a declared look."""
    return seeds == set(plan.seeds) or (len(seeds) in plan.looks and seeds == set(plan.seeds[: len(seeds)]))


def sources(plan: Plan, ledger: Ledger) -> Mapping[str, int]:
    """Digests of the code of the records in use, with the number of records; `NOT_NOTED` where a record has none."""
    used = (record for arm in plan.arms for record in ledger.used.get(arm.label, {}).values())
    return Counter(str(record.origin.get("source_sha256") or NOT_NOTED) for record in used)


def mixed_plugins(plan: Plan, ledger: Ledger) -> Mapping[str, Mapping[str, int]]:
    """Plugins whose records in use were made by different sources of it: number of records by digest, by name."""
    found: dict[str, Counter[str]] = {}
    for record in (record for arm in plan.arms for record in ledger.used.get(arm.label, {}).values()):
        for name, digest in sources_in(record.origin.get("plugins")).items():
            found.setdefault(name, Counter())[str(digest or NOT_NOTED)] += 1
    return {name: digests for name, digests in sorted(found.items()) if len(digests) > 1}


def notices(plan: Plan, ledger: Ledger, refusals: Sequence[str], changed: Sequence[str] = ()) -> tuple[Notice, ...]:
    """What a reader must know, the gravest first.

    Args:
        plan: The study.
        ledger: Its records, sorted.
        refusals: Of each comparison the reason why it has no verdict, or an empty text.
        changed: The verdicts that differ from those of version 0.1, where that version wrote the plan.
    """
    return tuple(_notices(plan, ledger, refusals, changed))


def _notices(plan: Plan, ledger: Ledger, refusals: Sequence[str], changed: Sequence[str]) -> Iterator[Notice]:
    if plan.phase != "confirm":
        yield Notice("phase", f"{plan.phase} phase: no verdict", _phase_text(plan))
    found = sources(plan, ledger)
    if len(found) > 1:
        yield Notice("mixed_code", "mixed code: no verdict", _mixed_text(found))
    if plugins := mixed_plugins(plan, ledger):
        yield Notice("mixed_plugins", "mixed code of a plugin: no verdict", _mixed_plugins_text(plugins))
    if _undeclared(plan):
        yield Notice("extended", "extended after looking: no verdict", _extended_text(plan))
    if any(arm.crossed for arm in plan.arms):
        yield Notice("crossed", "crossed sources: no verdict", CROSSED_TEXT)
    short = [r for r in refusals if r == UNEQUAL_SEEDS or r.startswith("interim") or r.endswith(FAILED_SEEDS)]
    if short and not plan.from_table:
        yield _short_of_seeds(plan, ledger, len(short), len(refusals))
    if plan.stop == UNTIL_DECIDED and ledger.missing:
        yield Notice("undecided", "not all decided yet", _UNDECIDED_TEXT)
    if plan.from_table and (absent := ledger.planned - ledger.complete):
        yield Notice("missing_values", "values are missing", _missing_text(ledger, absent))
    if alone := _arms_without_baseline(plan):
        yield Notice("no_baseline", "a block without its baseline", _no_baseline_text(plan, alone))
    if copies := sum(r == COPIED for r in refusals):
        yield Notice("copied_seeds", f"{COPIED}: no verdict", _copied_text(copies, len(refusals)))
    if collapsed := [c for arm in plan.arms for c in collapsed_seeds(plan, ledger, arm.label)]:
        yield Notice("collapsed", "a collapsed seed", _collapsed_text(collapsed))
    if plan.dropped_seeds:
        yield _budget_notice(plan)
    if plan.from_0_1:
        yield Notice("old_rules", f"computed under the rules of version {RULES}", _old_text(plan, changed))
    blocks = {plan.block_of(family) for family in plan.families}
    if plan.error_rate == PER_BLOCK and len(blocks) > 1:
        yield Notice("error_rate_per_block", "error rate per block", _block_text(plan, len(blocks)))


_UNDECIDED_TEXT = (
    "Not all is decided yet: seeds are run until every comparison is decided. The verdicts that are given hold, "
    "whenever and however often somebody looks, and further seeds do not change them."
)


def _undeclared(plan: Plan) -> list[Mapping[str, Any]]:
    return [note for note in plan.extended if not note["declared"]]


def _phase_text(plan: Plan) -> str:
    return f"These are records of the {plan.phase} phase. They are biased by selection, so there is no verdict."


def _missing_text(ledger: Ledger, absent: int) -> str:
    """How many values a plain table lacks, and how many of these have a row."""
    empty = f" {count(ledger.failed, 'row')} without a value (empty or nan)." if ledger.failed else ""
    return f"Values are missing: the table has {ledger.complete} of {ledger.complete + absent}.{empty}"


def _arms_without_baseline(plan: Plan) -> dict[str, list[str]]:
    """Arms by block, in the blocks in which a plain table has no row of the baseline."""
    found: dict[str, list[str]] = {}
    based = {arm.block for arm in plan.arms if arm.baseline}
    for arm in plan.arms if plan.from_table else ():
        if arm.block not in based:
            found.setdefault(arm.block, []).append(plan.method(arm.label))
    return found


def _no_baseline_text(plan: Plan, alone: Mapping[str, Sequence[str]]) -> str:
    parts = listing([f"{block} ({listing(methods)})" for block, methods in alone.items()])
    baseline = next(plan.method(arm.label) for arm in plan.arms if arm.baseline)
    return f"Not compared: the baseline {baseline} has no row in {parts}, so nothing is compared there."


def _mixed_text(found: Mapping[str, int]) -> str:
    noted = {name: n for name, n in sorted(found.items()) if name != NOT_NOTED}
    parts = listing([f"{name[:12]} ({count(n, 'record')})" for name, n in noted.items()])
    unknown = f"; {count(found[NOT_NOTED], 'record')} without one" if NOT_NOTED in found else ""
    versions = f"{count(len(noted), 'version')} of the code{' and by code that was not noted' if unknown else ''}"
    return (
        f"Mixed code: no verdict. The records in use were made by {versions}, so a difference may come from the code. "
        f"Source digests: {parts}{unknown}."
    )


def _mixed_plugins_text(found: Mapping[str, Mapping[str, int]]) -> str:
    shown = {
        name: listing([f"{digest}: {count(n, 'record')}" for digest, n in sorted(digests.items())])
        for name, digests in found.items()
    }
    parts = [f"{name} ({digests})" for name, digests in shown.items()]
    return (
        "Mixed code of a plugin: no verdict. The records in use were made by different sources of the same plugin, so "
        f"a difference may come from its code. Source digests: {listing(parts)}."
    )


def _extended_text(plan: Plan) -> str:
    steps = listing([f"from {note['from']} to {note['to']}" for note in _undeclared(plan)])
    return (
        f"Extended after looking: no verdict. Seeds were extended after results could be seen, {steps} (not a declared "
        "look). Neither the p-values nor the intervals hold their level."
    )


def _short_of_seeds(plan: Plan, ledger: Ledger, short: int, of: int) -> Notice:
    """The notice of comparisons without all planned seeds: trials are missing, or some failed for good."""
    if ledger.missing:
        return Notice("interim", "interim: no verdict", _interim_text(plan, short, of))
    trials = count(ledger.failed + ledger.diverged + ledger.stopped, "trial")
    text = (
        f"Failed trials: no verdict on {short} of {count(of, 'comparison')}. Every planned trial has a record, but "
        f"{trials} ended without a result, and no seed may be left out. The section Robustness compares the arms with "
        "such trials ranked last. `ablate run` repeats failed trials, but not diverged ones."
    )
    return Notice("failed_seeds", "failed trials: no verdict", text)


def _interim_text(plan: Plan, short: int, of: int) -> str:
    looks = f" or at a declared look ({listing(plan.looks)} seeds)" if plan.looks else ""
    return (
        f"Interim: no verdict on {short} of {count(of, 'comparison')}. A verdict is given when both arms have all "
        f"{count(len(plan.seeds), 'planned seed')}{looks}; before that the report shows means, SDs and seeds "
        "only."
    )


def _copied_text(copies: int, of: int) -> str:
    return (
        f"Identical values under different seeds: no verdict on {copies} of {count(of, 'comparison')}. Either runs "
        "were copied under other seeds, or the training does not use its seed. They are no independent replications."
    )


def _collapsed_text(collapsed: Sequence[Collapse]) -> str:
    names = listing([f"seed {c.seed} of {c.arm}" for c in collapsed], 6)
    return (
        f"Collapsed: {names}, far on the worse side of every other seed of the arm. No seed is dropped. With such a "
        "run the t-test does not hold its level, and means and SDs describe no typical seed: look at every seed."
    )


def _budget_notice(plan: Plan) -> Notice:
    """The notice of a study that its budget ended; where the budget came late, its seeds are no plan."""
    ended = plan.budget["ended"]
    unit = str(ended["by"]).replace("_", " ")
    paid, used, limit = len(ended["seeds"]), ended["spent"][ended["by"]], plan.budget["limits"][ended["by"]]
    said = (
        f"The budget ended this study, not the evidence: {paid} of {count(paid + len(plan.dropped_seeds), 'seed')} "
        f"were run in all arms, within {limit:.4g} {unit} ({used:.3g} used)."
    )
    if plan.stop:
        return Notice("budget", "ended by the budget", f"{said} Comparisons that are not decided stay open.")
    if plan.budget.get("declared"):
        why = "The budget was declared before results could be seen, and what fits it depends on time, not on results."
        return Notice("budget", "ended by the budget", f"{said} {why} So these seeds are a plan of their own.")
    why = "The budget was given or lowered after results could be seen, so the number of seeds may depend on them."
    return Notice("budget", "ended by a late budget: no verdict", f"{said} {why} No verdict is given.")


def _old_text(plan: Plan, changed: Sequence[str]) -> str:
    verdicts = "No verdict of a comparison differs."
    if changed:
        verdicts = f"Verdicts of comparisons that differ: {listing(changed, len(changed))}."
    resplits = " The test data moved with the seed, so verdicts rest on the corrected resampled t-test."
    return (
        f"Computed under the rules of version {RULES}; records and plan of version 0.1. Since then all families of a "
        "role are corrected together (before: each family by itself), there is no verdict before the planned seeds or "
        "after an undeclared extension, and “beyond the declared effect” needs the interval of the whole family. "
        "Statements on the best level, on imbalance and over several datasets follow new rules too."
        f"{resplits if plan.new_splits else ''}{_old_plan(plan)} {verdicts}"
    )


def _old_plan(plan: Plan) -> str:
    """What a plan of version 0.1 may hold that no one declared, or that would be refused today."""
    parts = [f"Its plan would be refused today and is kept as it is ({fault})." for fault in faults_of_0_1(plan)]
    if plan.sesoi == MARGIN_0_1:
        parts.append("Its margin is the default of version 0.1 (0.002), so perhaps nobody declared it.")
    return "".join(f" {part}" for part in parts)


def _block_text(plan: Plan, blocks: int) -> str:
    level = show_alpha_percent(plan.alpha)
    return (
        f"Each of the {blocks} blocks holds an error rate of {level} of its own, as declared. "
        "The rate of a false verdict anywhere in all blocks together is not held."
    )
