"""Test splits that move with the seed: in which arms they do, and how much of the data they share."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from statistics import fmean
from typing import Any

from analysis.study.ledger import Ledger
from analysis.study.plan import FIELD, Arm, Plan, dataset_of
from analysis.study.records import Record
from silhouette.config import NEW_TEST_SPLITS
from silhouette.registry import dataset_entry

NOT_COUNTED = "the test splits move with the seed and the records do not count their samples"
OTHER_SAMPLES = "the arms were tested on different samples"
OF_0_1 = ("all", "split")
"""The values of `vary` with which version 0.1 did so, on data without an official test split."""


@dataclass(frozen=True)
class Resplits:
    """What some arms say about their test splits.

    Attributes:
        moving: Whether the seeds of some arm were tested on different samples.
        overlap: Test samples per training sample where they move, else None; None too where the records do not tell.
        different: Whether the arms were tested on different samples under one seed.
    """

    moving: bool
    overlap: float | None
    different: bool = False

    @property
    def refusal(self) -> str:
        """Why these test splits allow no test, or an empty text."""
        if self.different:
            return OTHER_SAMPLES
        return NOT_COUNTED if self.moving and self.overlap is None else ""


def resplits_of(plan: Plan, ledger: Ledger, labels: Iterable[str], seeds: Iterable[Any]) -> Resplits:
    """The test splits of some arms on some seeds."""
    arms, common = tuple(labels), tuple(seeds)
    moving = any(splits_move(plan, ledger, label) for label in arms)
    different = any(len(_pools(ledger, arms, seed)) > 1 for seed in common)
    return Resplits(moving, overlap(ledger, arms, common) if moving else None, different)


def overlap_of(plan: Plan, ledger: Ledger, label: str) -> float | None:
    """Test samples per training sample of one arm whose test splits move with the seed; else None."""
    return resplits_of(plan, ledger, (label,), ledger.values(label, plan.metric)).overlap


def _pools(ledger: Ledger, arms: Iterable[str], seed: Any) -> set[Any]:
    """Digests of the test samples of some arms under one seed, where the records have them."""
    return {ledger.used[arm][seed].origin.get("test_pool_sha256") for arm in arms} - {None}


def with_new_splits(plan: Plan, ledger: Ledger) -> Plan:
    """The plan with what the records say about the test splits: whether those of some arm move with the seed."""
    return replace(plan, new_splits=any(splits_move(plan, ledger, arm.label) for arm in plan.arms))


def splits_move(plan: Plan, ledger: Ledger, label: str) -> bool:
    """Return True if the seeds of an arm were tested on different samples.

    Records with a digest of their test samples say so themselves. For older ones the plan does.
    """
    pools = {record.origin.get("test_pool_sha256") for record in ledger.used.get(label, {}).values()}
    known = pools - {None}
    return len(known) > 1 or (pools != known and _declared(plan, plan.arm[label]))


def _declared(plan: Plan, arm: Arm) -> bool:
    vary = arm.config.get(FIELD, "all")
    return vary == NEW_TEST_SPLITS or (plan.from_0_1 and vary in OF_0_1 and not _official_test(arm))


def _official_test(arm: Arm) -> bool:
    """Whether the authors of the data define its test split; a dataset that is not known counts as one of those."""
    name = dataset_of(arm)
    try:
        return name is None or dataset_entry(name).official_test
    except KeyError:
        return True


def overlap(ledger: Ledger, labels: Iterable[str], seeds: Iterable[Any]) -> float | None:
    """Test samples per training sample, averaged over the records; None where a record does not have the numbers."""
    records = [ledger.used[label][seed] for seed in seeds for label in labels]
    shares = [_share(record) for record in records]
    known = [share for share in shares if share is not None]
    return fmean(known) if known and len(known) == len(shares) else None


def _share(record: Record) -> float | None:
    test, train = (sum(record.classes.get(name, ())) for name in ("class_total", "class_train"))
    return test / train if test and train else None
