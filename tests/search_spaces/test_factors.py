"""The factors are consistent with `TrialConfig` and with themselves."""

import subprocess
import sys

import pytest

from search_spaces import FACTORS, SEARCHABLE, Choice, Interval
from search_spaces.terms import TERM_REASONS
from silhouette.config import TrialConfig, parse_value
from silhouette.registry import TERMS, parse_objective
from tests.helpers.terms import config_of

EVERY = pytest.mark.parametrize("factor", SEARCHABLE.values(), ids=list(SEARCHABLE))
AREAS = {
    "temperature": ("tau_s", "tau_m", "tau"),
    "silhouette weight": ("lambda_sil",),
    "batch": ("batch_size", "sampler", "samples_per_class"),
    "imbalance": ("imbalance", "imbalance_factor", "label_noise"),
    "optimizer": ("lr", "weight_decay", "epochs"),
    "others": ("transform", "objective", "encoder"),
    "loss": ("distance", "softmin", "reduction"),
    "silhouette of a long tail": ("class_prior", "class_memory", "memory_momentum", "memory_size", "memory_least"),
}


@EVERY
def test_factor_is_a_field_and_its_grid_lies_in_its_domain(factor):
    assert set(factor.fields) <= set(TrialConfig.model_fields)
    off = 0  # a log scale has no zero; there it means "off"
    assert [v for v in factor.grid if v not in factor.domain and v != off] == []
    for field in factor.fields:
        assert [parse_value(field, v) for v in factor.grid] == list(factor.grid)


@EVERY
def test_default_lies_in_the_grid(factor):
    if factor.field != "imbalance_factor":  # its default belongs to imbalance=none, and can be used with nothing else
        assert {TrialConfig.model_fields[field].default for field in factor.fields} <= set(factor.grid)
    assert factor.reason.endswith(".")


@EVERY
def test_ends_of_the_domain_are_values_of_the_field(factor):
    domain = factor.domain
    ends = domain.values if isinstance(domain, Choice) else (domain.low, domain.high)
    assert [parse_value(factor.field, value) for value in ends] == list(ends)


def test_each_factor_occurs_once_with_a_label_of_its_own():
    assert {name: factor.field for name, factor in FACTORS.items()} == {name: name for name in FACTORS}
    labels = [factor.label for factor in SEARCHABLE.values()]
    assert len(set(labels)) == len(labels)


@pytest.mark.parametrize("area", AREAS)
def test_factors_of_the_questions_of_the_paper_exist(area):
    assert set(AREAS[area]) <= set(SEARCHABLE)


def test_tied_temperatures_set_both_fields():
    assert SEARCHABLE["tau"].fields == ("tau_s", "tau_m")
    assert SEARCHABLE["tau"].domain == FACTORS["tau_m"].domain


def test_domains():
    assert 0.5 in Interval(0.1, 1.0)
    assert 2 not in Interval(0.1, 1.0)
    assert "a" in Choice(("a", "b"))
    assert "c" not in Choice(("a", "b"))


def test_spaces_are_listed_without_torch():
    code = (
        "import sys; from ablations.cli.parser import main; main(['list', '--spaces']);"
        "assert 'torch' not in sys.modules and 'ray' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for name, factor in SEARCHABLE.items():
        assert f"{name} " in done.stdout
        assert factor.reason in done.stdout
    for name, (label, reason) in TERM_REASONS.items():
        assert f"term {name} " in done.stdout
        assert f"{label}: {reason}" in done.stdout


def test_every_term_is_a_value_of_the_factor_objective():
    values = FACTORS["objective"].domain.values
    assert {name for value in values for name in parse_objective(value)} == set(TERMS) == set(TERM_REASONS)
    assert [config_of(value).objective for value in values] == list(values)


def test_every_option_of_a_term_is_a_factor():
    assert {option for term in TERMS.values() for option in term.options} <= set(FACTORS)
