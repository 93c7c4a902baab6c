"""What the seeds of a study have decided so far, as `analysis` says it, and which trials that leaves to run."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any

from ablations.design.budgets.declared import ended_seeds
from ablations.design.seeds.stopping import UNTIL_DECIDED
from ablations.formatting import counted
from silhouette.location import StoreError
from silhouette.results import Store

FILE = "decisions.json"
"""What the seeds had decided when a run ended, for readers that cannot compute it. It follows from plan and records."""


@dataclass(frozen=True)
class SeedState:
    """One comparison after the seeds that it has.

    Attributes:
        treatment: Label of the treatment.
        baseline: Label of the baseline.
        verdict: `better`, `worse` or `equivalent` once it is decided; else `inconclusive` or `no verdict`.
        decided_at: Seeds after which it was decided; 0 while it is not.
        seeds: Seeds that both arms have, at most those until it was decided.
        needs_seeds: Whether further seeds can still decide it.
        reason: Why it is not decided, or empty.
    """

    treatment: str
    baseline: str
    verdict: str
    decided_at: int
    seeds: int
    needs_seeds: bool
    reason: str

    @property
    def line(self) -> str:
        """The state in one line, for the terminal."""
        pair = f"{self.treatment} against {self.baseline}"
        if self.decided_at:
            return f"decided after {counted(self.decided_at, 'seed')}: {pair}: {self.verdict}"
        return f"{'open' if self.needs_seeds else 'not decided'}: {pair}: {self.reason}"


@dataclass(frozen=True)
class Decisions:
    """The comparisons of a study, and how many of the first seeds each arm needs.

    Attributes:
        comparisons: All declared ones, in the order of the plan.
        wanted: Number of seeds by label of the arm; all of the plan's while a comparison of the arm is open.
    """

    comparisons: tuple[SeedState, ...]
    wanted: Mapping[str, int]

    @property
    def open(self) -> list[SeedState]:
        """Comparisons that further seeds can decide."""
        return [c for c in self.comparisons if c.needs_seeds]

    def line(self) -> str:
        """How many comparisons are decided, in one line."""
        decided = sum(c.decided_at > 0 for c in self.comparisons)
        return f"{decided} of {counted(len(self.comparisons), 'comparison')} decided, {len(self.open)} open"


def read_decisions(said: Mapping[str, Any]) -> Decisions:
    """The decisions from the answer of `analysis.results.seeds.answer`."""
    names = SeedState.__dataclass_fields__
    found = tuple(SeedState(**{name: c[name] for name in names}) for c in said["comparisons"])
    return Decisions(found, dict(said["wanted"]))


def note_decisions(decisions: Decisions, store: Store) -> None:
    """Write the decisions beside the records. If this fails, readers take the study for unfinished."""
    with suppress(OSError, StoreError):
        plan = store.read_json("study.json") or {}
        store.write_json({"seeds": plan.get("seeds"), **asdict(decisions)}, FILE)


def wanted_seeds(plan: Mapping[str, Any], store: Store) -> Mapping[str, list[int]]:
    """The seeds that each arm needs, by label: all of the plan, or fewer where these decided its comparisons.

    Args:
        plan: Content of `study.json`.
        store: Its folder.
    """
    seeds, noted = list(plan["seeds"]), None
    if plan.get("stop") == UNTIL_DECIDED:
        with suppress(OSError, StoreError):
            noted = store.read_json(FILE)
    known = noted["wanted"] if isinstance(noted, dict) and noted.get("seeds") == seeds else {}
    bought = ended_seeds(plan)
    seeds = seeds if bought is None else [seed for seed in seeds if seed in bought]
    return {arm["arm"]: seeds[: known.get(arm["arm"], len(seeds))] for arm in plan["arms"]}
