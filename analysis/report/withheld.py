"""The document as a page shows it: without p-values and intervals where there is no verdict.

`report.json` keeps these numbers for programs. On a page a reader would take them for a verdict.
"""

from __future__ import annotations

from analysis.results.across.gates import REFUSED
from analysis.results.document import (
    AcrossData,
    AcrossPairData,
    ArmData,
    ComparisonData,
    ComponentData,
    CurveData,
    DetailData,
    Document,
    EvaluatedArmData,
    EvaluatedData,
    FailureData,
    GapData,
    IntervalData,
    LevelData,
    MethodPairData,
    RanksData,
    SampleNoiseData,
    SharesData,
    TailData,
    TuningData,
)
from analysis.results.standing import voids_intervals
from analysis.results.verdicts import NONE
from analysis.study.plan import UNTIL_DECIDED

Pair = tuple[str, str]
"""Treatment and baseline of a comparison."""


def withheld(data: Document) -> Document:
    """The same document; p-values and intervals of comparisons without a verdict are null.

    Means, SDs and the values of every seed stay. The intervals of one arm are null too where the reason is one that
    leaves no interval its level: seeds that were not planned, or values that are no repetitions. Where seeds are run
    until it is decided, the confidence sequence of each comparison remains: it holds at any number of seeds.
    """
    across = [_across(part) for part in data["across"]]
    if across != data["across"]:
        data = {**data, "across": across}
    sequential = data["stop"] == UNTIL_DECIDED  # nothing that is computed for a fixed number of seeds has its level
    reasons = {_pair(c): c["reason"] for c in data["comparisons"] if c["verdict"] == NONE or sequential}
    if not reasons:
        return data
    void = {a["arm"] for a in data["arms"]} if sequential else _void_arms(data)
    nothing = void >= {arm["arm"] for arm in data["arms"] if _compared(data, arm["arm"])}
    return {
        **data,
        "arms": [_arm(a) if a["arm"] in void else a for a in data["arms"]],
        "comparisons": [_comparison(c) if _pair(c) in reasons else c for c in data["comparisons"]],
        "sensitivity": {
            "curves": [_curve(c) if c["reason"] else c for c in data["sensitivity"]["curves"]],
            "shares": [_shares(s) if s["reason"] else s for s in data["sensitivity"]["shares"]],
        },
        "tail": [_tail(t) if t["reason"] or (t["treatment"], t["baseline"]) in reasons else t for t in data["tail"]],
        "interactions": [
            {**c, "ci_low": None, "ci_high": None, "p": None} if c["verdict"] == NONE else c
            for c in data["interactions"]
        ],
        "composition": [
            {**p, "ci_low": None, "ci_high": None} if (p["treatment"], p["baseline"]) in reasons else p
            for p in data["composition"]
        ],
        "tuning": [_tuning(t) if t["arm"] in void else t for t in data["tuning"]],
        "samples": [_samples(s) if (s["treatment"], s["baseline"]) in reasons else s for s in data["samples"]],
        "variance": [_component(c) if nothing else c for c in data["variance"]],
        "robustness": [r for r in data["robustness"] if (r["treatment"], r["baseline"]) not in reasons],
        "evaluated": [_evaluated(e, set(reasons), void) for e in data["evaluated"]],
        "failures": [_failures(f) if f["arm"] in void else f for f in data["failures"]],
    }


def _pair(c: ComparisonData) -> Pair:
    return c["treatment"], c["baseline"]


def _compared(data: Document, arm: str) -> bool:
    return any(arm in _pair(c) for c in data["comparisons"])


def _void_arms(data: Document) -> set[str]:
    """Arms of which no comparison has values that an interval may be computed from."""
    found: dict[str, bool] = {}
    for c in data["comparisons"]:
        for arm in _pair(c):
            found[arm] = found.get(arm, True) and voids_intervals(c["reason"])
    return {arm for arm, void in found.items() if void}


def _arm(a: ArmData) -> ArmData:
    return {**a, "ci_low": None, "ci_high": None, "sd_low": None, "sd_high": None}


def _comparison(c: ComparisonData) -> ComparisonData:
    shown: ComparisonData = {
        **c, "ci_low": None, "ci_high": None, "p_t": None, "p_sign_flip": None, "p_wilcoxon": None, "d_z": None,
        "p_max_t": None, "ci_adjusted_low": None, "ci_adjusted_high": None, "feasibility": None,
        "p_adjusted": None if c["verdict"] == NONE else c["p_adjusted"],
    }  # fmt: skip
    if "detail" in c:
        shown["detail"] = _detail(c["detail"])
    return shown


def _detail(d: DetailData) -> DetailData:
    return {**d, "shift": _estimate(d["shift"]), "d_z": None, "g_z": None, "p_better": None}


def _estimate(interval: IntervalData | None) -> IntervalData | None:
    return None if interval is None else {**interval, "low": None, "high": None}


def _across(part: AcrossData) -> AcrossData:
    """Over several datasets; the test of all methods by ranks needs verdicts of all of them."""
    pairs = [_across_pair(p) for p in part["pairs"]]
    refused = [_is_refused(p) for p in part["pairs"]]
    ranks = part["ranks"]
    if ranks is not None:
        ranks = None if all(refused) else _ranks(ranks, refused=any(refused))
    return {**part, "pairs": pairs, "ranks": ranks}


def _is_refused(p: AcrossPairData) -> bool:
    """Return True if a comparison on a single dataset has no verdict."""
    return p["reason"].startswith(REFUSED)


def _across_pair(p: AcrossPairData) -> AcrossPairData:
    """A word for one scope leaves the numbers of the other scope withheld, if that has none."""
    shown: AcrossPairData = {**p}
    if _is_refused(p):
        shown["intervals"] = dict.fromkeys(p["intervals"])
    if p["verdict"] == NONE:
        shown |= {"average": {**p["average"], "ci": None, "p": None}, "p_average_adjusted": None}
    if p["verdict_new"] == NONE:
        shown |= {"pooled": None, "wilcoxon": None, "p_wilcoxon_adjusted": None, "bayes": None}
    return shown


def _ranks(ranks: RanksData, *, refused: bool) -> RanksData:
    test = ranks["test"]
    if refused:
        test = {**test, "f": None, "p_f": None, "p_permutation": None}
    return {**ranks, "test": test, "pairwise": [_method_pair(r) if r["reason"] else r for r in ranks["pairwise"]]}


def _method_pair(r: MethodPairData) -> MethodPairData:
    return {**r, "p": None, "p_adjusted": None}


def _curve(c: CurveData) -> CurveData:
    return {**c, "levels": [_level(lv) for lv in c["levels"]], "reference": None}


def _level(lv: LevelData) -> LevelData:
    return {**lv, "ci_low": None, "ci_high": None, "band_low": None, "band_high": None}


def _shares(s: SharesData) -> SharesData:
    return {
        **s,
        "effects": [{**e, "low": None, "high": None, "noise_floor": None, "f": None, "p": None} for e in s["effects"]],
    }


def _tail(t: TailData) -> TailData:
    groups, overall, classes = ([_gap(g) for g in gaps] for gaps in (t["groups"], t["overall"], t["classes"]))
    return {**t, "groups": groups, "overall": overall, "classes": classes}


def _gap(g: GapData) -> GapData:
    return {
        **g, "ci_low": None, "ci_high": None, "p": None, "p_adjusted": None,
        "ci_verdict_low": None, "ci_verdict_high": None, "ci_verdict_level": None,
    }  # fmt: skip


def _tuning(t: TuningData) -> TuningData:
    return {**t, "optimism_low": None, "optimism_high": None}


def _component(c: ComponentData) -> ComponentData:
    return {**c, "sd_low": None, "sd_high": None, "share_low": None, "share_high": None, "p_less": None}


def _samples(s: SampleNoiseData) -> SampleNoiseData:
    shown: SampleNoiseData = {
        **s, "ci_seeds_low": None, "ci_seeds_high": None, "ci_low": None, "ci_high": None, "error_seeds": None,
        "error": None, "mcnemar": [{**c, "p": None} for c in s["mcnemar"]],
    }  # fmt: skip
    return shown


def _evaluated(e: EvaluatedData, refused: set[Pair], void: set[str]) -> EvaluatedData:
    arms: list[EvaluatedArmData] = [{**a, "ci": None} if a["arm"] in void else a for a in e["arms"]]
    shown = [c for c in e["comparisons"] if (c["treatment"], c["baseline"]) not in refused]
    return {**e, "arms": arms, "comparisons": shown}


def _failures(f: FailureData) -> FailureData:
    hidden: FailureData = {**f, "p_better_low": None, "p_better_high": None, "p_last": None, "p_last_adjusted": None}
    return {**hidden, "verdict_last": NONE}
