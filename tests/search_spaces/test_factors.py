"""The factors are consistent with `TrialConfig` and with themselves."""

import subprocess
import sys

import pytest

from search_spaces import FACTORS, Choice, Interval
from silhouette.config import TrialConfig, parse_value


@pytest.mark.parametrize("factor", FACTORS.values(), ids=list(FACTORS))
def test_factor_is_a_field_and_its_grid_lies_in_its_domain(factor):
    assert factor.field in TrialConfig.model_fields
    off = 0  # a log scale has no zero; there it means "off"
    outside = [v for v in factor.grid if v not in factor.domain and v != off]
    assert outside == []
    assert [parse_value(factor.field, v) for v in factor.grid] == list(factor.grid)


@pytest.mark.parametrize("factor", FACTORS.values(), ids=list(FACTORS))
def test_default_lies_in_the_grid(factor):
    assert TrialConfig.model_fields[factor.field].default in factor.grid
    assert factor.reason.endswith(".")


def test_domains():
    assert 0.5 in Interval(0.1, 1.0)
    assert 2 not in Interval(0.1, 1.0)
    assert "a" in Choice(("a", "b"))
    assert "c" not in Choice(("a", "b"))


def test_spaces_are_listed_without_torch():
    code = (
        "import sys; from ablations.cli import main; main(['list', '--spaces']);"
        "assert 'torch' not in sys.modules and 'ray' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "lambda_sil" in done.stdout
