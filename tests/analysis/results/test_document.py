"""The types of the document against the documents that are made."""

import re
import types
import typing
from functools import cache
from pathlib import Path

import pytest

from analysis.report.page import make_page
from analysis.report.writers import markdown
from analysis.results.analyse import PARTS
from analysis.results.document import Document, Summary
from tests.helpers.studies import (
    add_tuning,
    arm,
    datasets_plan,
    datasets_value,
    family,
    grid_plan,
    grid_value,
    tail_extra,
    variance_plan,
    variance_value,
    write,
)
from tests.helpers.synthetic import analysed, demo_plan, write_study


def faults(kind, value, at="document"):
    """Places where a value does not have its declared type; keys of typed dicts must be exactly those declared."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if kind is typing.Any:
        return []
    if typing.is_typeddict(kind):
        return _faults_of_keys(kind, value, at)
    if origin in (typing.Union, types.UnionType):
        return [] if any(not faults(one, value, at) for one in arguments) else [f"{at}: {value!r} is not {kind}"]
    if origin is list:
        return _faults_of_items([arguments[0]] * len(value), value, at) if isinstance(value, list) else [at]
    if origin is tuple:
        return _faults_of_items(arguments, value, at) if len(value) == len(arguments) else [at]
    if origin is not None:  # a mapping of names to values
        return [fault for key, item in value.items() for fault in faults(arguments[1], item, f"{at}.{key}")]
    return [] if isinstance(value, (int, float) if kind is float else kind) else [f"{at}: {value!r} is not {kind}"]


def _faults_of_keys(kind, value, at):
    if not isinstance(value, dict):
        return [f"{at}: {value!r} is not a mapping"]
    declared = typing.get_type_hints(kind, include_extras=True)
    required = {key for key, type_ in declared.items() if typing.get_origin(type_) is not typing.NotRequired}
    missing, extra = required - value.keys(), value.keys() - declared.keys()
    found = [f"{at}: lacks {sorted(missing)}"] * bool(missing) + [f"{at}: has {sorted(extra)}"] * bool(extra)
    hints = typing.get_type_hints(kind)
    return found + [f for key, v in value.items() if key in hints for f in faults(hints[key], v, f"{at}.{key}")]


def _faults_of_items(kinds, values, at):
    pairs = enumerate(zip(kinds, values, strict=True))
    return [fault for i, (kind, value) in pairs for fault in faults(kind, value, f"{at}[{i}]")]


def uneven_study():
    plan = demo_plan()
    store = write(None, plan, lambda a, s, r: 0.9, tail_extra)
    add_tuning(store, plan, configs=14)
    return store


def gated_study():
    arms = [arm(label, {"m": label}, "b", label == "CE") for label in ("CE", "full", "no head")]
    families = [family("main", "CE", ["full"]), family("parts", "full", ["no head"], role="ablation")]
    plan = demo_plan(study="gated", arms=arms, families=families, factors=[], seeds=8)
    return write(None, plan, lambda a, s, r: 0.8 + r.normal(0, 0.01))


def study_with_faults():
    lost = {("λ=0.2 none", 0), ("λ=0.2 none", 1)}
    plan = demo_plan(lambdas=(0.0, 0.2), blocks=("none",), seeds=8)
    return write_study(None, plan, change=lambda a, s: {"status": "diverged"} if (a, s) in lost else {})


def study_without_common_seeds():
    plan = demo_plan(lambdas=(0.0, 0.2), blocks=("none",), seeds=4)
    skip = {("λ=0 none", 0), ("λ=0 none", 1), ("λ=0.2 none", 2), ("λ=0.2 none", 3)}
    return write_study(None, plan, skip=skip)


REPORT = Path(__file__).parents[3] / "analysis" / "report"
STUDIES = {
    "plain": lambda: write_study(None, demo_plan()),
    "looks": lambda: write_study(None, demo_plan(seeds=5, looks=[5, 10])),
    "one seed": lambda: write_study(None, demo_plan(seeds=1)),
    "equal values": lambda: write_study(None, demo_plan(seeds=4), change=lambda a, s: {"test_top1": 0.5}),
    "unpaired": lambda: write_study(None, demo_plan(seeds=5, unpaired=True)),
    "faults": study_with_faults,
    "no common seeds": study_without_common_seeds,
    "gate": gated_study,
    "grid": lambda: write(None, grid_plan(), grid_value),
    "datasets": lambda: write(None, datasets_plan(), datasets_value),
    "uneven classes": uneven_study,
    "sources of variance": lambda: write(None, variance_plan(), variance_value),
}


@cache
def document_of(name):
    return analysed(STUDIES[name]())


@pytest.mark.parametrize("name", STUDIES)
def test_every_document_has_exactly_the_declared_keys_and_types(name):
    assert faults(Document, document_of(name)) == []


def test_the_table_of_parts_names_every_further_key_once_in_the_order_of_the_document():
    keys = [part.key for part in PARTS]
    assert keys == [key for key in typing.get_type_hints(Document) if key not in Summary.__annotations__]


class Watched(dict):
    """A document that notes which of its keys are read."""

    def __init__(self, document):
        super().__init__(document)
        self.read = set()

    def __getitem__(self, key):
        self.read.add(key)
        return super().__getitem__(key)


def test_every_part_is_read_by_the_page():
    document = Watched(document_of("uneven classes"))
    make_page(document)
    assert {part.key for part in PARTS} - document.read == set()


def test_the_level_of_a_look_has_one_form_in_the_whole_report():
    text = markdown.render(make_page(document_of("looks")))
    levels = re.findall(r"(?:α = |so |verdict, )(0\.\d+)", text)
    assert len(levels) > 3
    assert set(levels) == {"0.05", "0.02939"}  # over all looks, and at each


@pytest.mark.parametrize("change", [{"studdy": 1}, {"alpha": "0.05"}, {"arms": [{}]}])
def test_the_check_finds_what_is_not_declared(change):
    data = analysed(write_study(None, demo_plan(seeds=3)))
    assert faults(Document, data | change) != []


def test_sections_read_required_keys_in_the_way_that_mypy_checks():
    optional = {"detail", "hash", "arms", "trial_ids"}
    read = re.compile(r"\.get\(\"(\w+)\"")
    found = {(path.name, key) for path in REPORT.rglob("*.py") for key in read.findall(path.read_text("utf-8"))}
    assert {(name, key) for name, key in found if key not in optional} == set()
