"""The factors: each `TrialConfig` field that a study may vary, once, with the reason for its bounds.

Knows `silhouette.config` only; `ablations` turns a domain into a Ray or Optuna distribution.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from silhouette.config import TrialConfig


@dataclass(frozen=True)
class Interval:
    """All numbers from `low` to `high`, both included; `log` searches them on a logarithmic scale."""

    low: float
    high: float
    log: bool = False
    integer: bool = False

    def __contains__(self, value: Any) -> bool:
        """Whether `value` is a number of the interval.

        >>> 0.3 in Interval(0.1, 1.0), "x" in Interval(0.1, 1.0)
        (True, False)
        """
        return isinstance(value, int | float) and self.low <= value <= self.high


@dataclass(frozen=True)
class Choice:
    """One of the listed values, without an order."""

    values: tuple[Any, ...]

    def __contains__(self, value: Any) -> bool:
        """Whether `value` is listed."""
        return value in self.values


@dataclass(frozen=True)
class Factor:
    """A `TrialConfig` field that may vary.

    Attributes:
        field: Name of the field.
        label: Name in figures and tables.
        grid: Values of an ablation, the default among them.
        domain: Where a search may look; every grid value lies in it, but for the "off" value 0 of a log scale.
        reason: Why these bounds.
        unit: Unit, empty for a pure number.
        text: How an arm's label shows the value; `{value}` is the field's.
        qualifier: A field without which the value is ambiguous (the strength of an imbalance).
    """

    field: str
    label: str
    grid: tuple[Any, ...]
    domain: Interval | Choice
    reason: str
    unit: str = ""
    text: str = "{label}={value}"
    qualifier: str | None = None

    def describe(self, config: TrialConfig) -> str:
        """The factor's part of an arm's label.

        >>> FACTORS["lambda_sil"].describe(TrialConfig(lambda_sil=0.2))
        'λ=0.2'
        """
        values = {
            "label": self.label.removesuffix("_sil"),
            "value": _short(getattr(config, self.field)),
            "qualifier": _short(getattr(config, self.qualifier)) if self.qualifier else "",
        }
        return self.text.format(**values)


def _short(value: Any) -> str:
    return f"{value:.12g}" if isinstance(value, float) else str(value)


_ALL = (
    Factor(
        "lambda_sil",
        "λ_sil",
        (0.0, 0.01, 0.05, 0.1, 0.2, 0.5, 1.0),
        Interval(1e-3, 2.0, log=True),
        "0 is the supervised loss alone; above 2 the term outweighs cross-entropy from the first step.",
    ),
    Factor(
        "tau_s",
        "τ_s",
        (0.01, 0.03, 0.1, 0.3, 1.0),
        Interval(1e-3, 3.0, log=True),
        "Distances of normalised embeddings lie in [0, 2]: 0.001 is a hard minimum, 3 an average of classes.",
    ),
    Factor(
        "tau_m",
        "τ_m",
        (0.01, 0.03, 0.1, 0.3, 1.0),
        Interval(1e-3, 3.0, log=True),
        "As τ_s: 0.001 is the hard maximum of the classical silhouette; above 3 the denominator is constant.",
    ),
    Factor(
        "batch_size",
        "batch size",
        (16, 32, 64, 128, 256),
        Interval(8, 1024, log=True, integer=True),
        "Below 8 few samples have a class mate in the batch; above 1024 small data sets give no steps.",
        "images",
    ),
    Factor(
        "imbalance",
        "imbalance",
        ("none", "long_tail"),
        Choice(("none", "long_tail")),
        "The referee asked for balanced and long-tailed training data; the test data stay as they are.",
        text="{value}×{qualifier}",
        qualifier="imbalance_factor",
    ),
    Factor(
        "imbalance_factor",
        "imbalance factor",
        (1.0, 5.0, 10.0, 20.0, 50.0, 100.0),
        Interval(1.0, 500.0, log=True),
        "Largest over smallest class; 100 is the common worst case (CIFAR-LT), 500 leaves single images.",
    ),
    Factor(
        "lr",
        "learning rate",
        (3e-4, 1e-3, 3e-3, 1e-2),
        Interval(1e-5, 1.0, log=True),
        "AdamW on small networks works from 1e-4 to 1e-2; the rest is room for SGD.",
    ),
    Factor(
        "weight_decay",
        "weight decay",
        (0.0, 1e-4, 1e-3, 1e-2),
        Interval(1e-6, 0.1, log=True),
        "0 switches it off; above 0.1 AdamW shrinks the weights faster than it fits them.",
    ),
    Factor(
        "epochs",
        "epochs",
        (10, 30, 100),
        Interval(1, 1000, log=True, integer=True),
        "The budget of a run; equal in every arm of a study.",
        "epochs",
    ),
    Factor(
        "embedding_dim",
        "embedding size",
        (16, 32, 64, 128),
        Interval(2, 2048, log=True, integer=True),
        "Dimension of the projection in which the silhouette is measured.",
    ),
)

FACTORS = {factor.field: factor for factor in _ALL}


def describe(config: TrialConfig, fields: tuple[str, ...]) -> str:
    """Label of an arm: what the given fields are set to.

    >>> describe(TrialConfig(lambda_sil=0.2, imbalance="long_tail", imbalance_factor=20), ("lambda_sil", "imbalance"))
    'λ=0.2 long_tail×20'
    >>> describe(TrialConfig(), ("imbalance",))
    'balanced'
    """
    parts = []
    for field in fields:
        if field == "imbalance" and config.imbalance == "none":
            parts.append("balanced")
        elif field in FACTORS:
            parts.append(FACTORS[field].describe(config))
        else:
            parts.append(f"{field}={_short(getattr(config, field))}")
    return " ".join(parts)
