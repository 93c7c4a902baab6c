"""`TrialConfig`: everything that decides what one training run computes, and nothing else."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    TypeAdapter,
    ValidationError,
    model_validator,
)

from silhouette.errors import InputError

Phase = Literal["tune", "confirm"]
MAX_SEED = 2**31 - 1


class ConfigError(InputError):
    """A bad setting; the message is one line: field, rule, value given."""


class TrialConfig(BaseModel):
    """One flat, frozen, validated description of a training run.

    A field that cannot matter under the others (a temperature while the silhouette weight is 0) is set back to its
    default, so that settings which train the same thing are the same config and the same trial.

    Raises:
        pydantic.ValidationError: If a field is unknown or out of range; `make_config` turns it into one line.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, validate_default=True)

    dataset: Literal["digits"] = "digits"
    val_fraction: float = Field(0.15, gt=0, lt=1)
    test_fraction: float = Field(0.25, gt=0, lt=1)
    imbalance: Literal["none", "long_tail"] = "none"
    imbalance_factor: float = Field(1.0, ge=1, le=10_000)
    class_order: Literal["seed", "fixed"] = "seed"

    objective: Literal["ce"] = "ce"
    lambda_sil: float = Field(0.0, ge=0, le=1000)
    tau_s: float = Field(0.1, gt=0, le=1000)
    tau_m: float = Field(0.1, gt=0, le=1000)
    distance: Literal["euclidean", "sqeuclidean", "cosine"] = "euclidean"
    softmin: Literal["sum", "mean"] = "sum"
    reduction: Literal["mean", "macro"] = "mean"

    encoder: Literal["small_cnn"] = "small_cnn"
    width: int = Field(16, ge=1, le=1024)
    embedding_dim: int = Field(64, ge=1, le=4096)

    epochs: int = Field(30, ge=1, le=100_000)
    batch_size: int = Field(64, ge=2, le=65_536)
    lr: float = Field(3e-3, gt=0, le=100)
    weight_decay: float = Field(1e-4, ge=0, le=10)

    @model_validator(mode="wrap")
    @classmethod
    def _reset_inert_fields(cls, values: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        config = handler(values)  # everything given is checked first, whether it matters or not
        inert = inert_fields(config)
        return handler({name: v for name, v in config.model_dump().items() if name not in inert})

    @model_validator(mode="after")
    def _check_combinations(self) -> Self:
        if self.imbalance != "none" and self.imbalance_factor <= 1:
            raise ValueError(
                f"imbalance_factor: must be above 1 with imbalance={self.imbalance}, got {self.imbalance_factor:g}"
            )
        if self.val_fraction + self.test_fraction >= 0.9:
            raise ValueError(
                "val_fraction + test_fraction: must leave a tenth for training (sum < 0.9), "
                f"got {self.val_fraction + self.test_fraction:g}"
            )
        return self


def inert_fields(config: TrialConfig) -> frozenset[str]:
    """Names of the fields that cannot change the run, given the others.

    >>> sorted(inert_fields(TrialConfig()))
    ['class_order', 'distance', 'imbalance_factor', 'reduction', 'softmin', 'tau_m', 'tau_s']
    """
    inert: set[str] = set()
    if config.lambda_sil == 0:
        inert |= {"tau_s", "tau_m", "distance", "softmin", "reduction"}
    if config.imbalance == "none":
        inert |= {"imbalance_factor", "class_order"}
    return frozenset(inert)


def make_config(values: Mapping[str, Any]) -> TrialConfig:
    """Validated config from plain values.

    Raises:
        ConfigError: One line naming the field, the rule and the value given.

    >>> make_config({"lambda_sil": "0.2"}).lambda_sil
    0.2
    >>> make_config({"lambda_sil": "banana"})
    Traceback (most recent call last):
    silhouette.config.ConfigError: lambda_sil: input should be a valid number, got 'banana'
    """
    for name in values:
        if name not in TrialConfig.model_fields:
            raise ConfigError(f"{name}: no such setting; known are {', '.join(TrialConfig.model_fields)}")
    try:
        return TrialConfig(**values)
    except ValidationError as error:
        raise ConfigError(first_line(error)) from None


def parse_value(field: str, value: Any) -> Any:
    """One value as its field reads it, checked alone ("0.2" becomes 0.2).

    Raises:
        ConfigError: If there is no such field or it does not allow the value.

    >>> parse_value("batch_size", "64")
    64
    """
    if field not in TrialConfig.model_fields:
        raise ConfigError(f"{field}: no such setting; known are {', '.join(TrialConfig.model_fields)}")
    info = TrialConfig.model_fields[field]
    try:
        adapter: TypeAdapter[Any] = TypeAdapter(Annotated[info.annotation, info])  # type: ignore[arg-type]
        return adapter.validate_python(value)
    except ValidationError as error:
        raise ConfigError(first_line(error, field)) from None


def first_line(error: ValidationError, field: str = "") -> str:
    """The first fault of a pydantic error as one line: field, rule, value given."""
    fault = error.errors()[0]
    message = str(fault["msg"]).removeprefix("Value error, ").split(", unable to parse")[0]
    if fault["type"] == "value_error":  # raised by our own validators, which say it all
        return message
    where = ".".join(str(part) for part in (field, *fault["loc"]) if part != "")
    return f"{where}: {message[0].lower()}{message[1:]}, got {fault['input']!r}"


def trial_id(config: TrialConfig, seed: int, phase: Phase) -> str:
    """Identity of a trial: 16 hex digits of the SHA-256 over config (epochs included), seed and phase.

    Raises:
        ConfigError: If the seed is no integer in [0, 2^31).
    """
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed <= MAX_SEED:
        raise ConfigError(f"seed: must be an integer from 0 to {MAX_SEED}, got {seed!r}")
    what = {"config": config.model_dump(mode="json"), "seed": seed, "phase": phase}
    return hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()[:16]
