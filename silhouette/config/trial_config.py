"""`TrialConfig`: everything that decides what one training run computes, and nothing else."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    TypeAdapter,
    ValidationError,
    model_validator,
)

from silhouette.config.rules import COMBINATIONS, INERT
from silhouette.errors import InputError, instead
from silhouette.registry import (
    check_dataset,
    check_encoder,
    check_objective,
    dataset_entry,
    parse_objective,
)

Vary = Literal["all", "init", "order", "augment", "split", "class_order", "subset", "all_and_test_split"]
SOURCES = ("split", "class_order", "subset", "init", "order", "augment")
"""Sources of chance in a trial. Dropout belongs to the order of the batches, label noise to the subset."""
NEW_TEST_SPLITS = "all_and_test_split"
"""The value of `vary` under which each seed also draws test samples of its own."""
LISTED = "`ablate list --spaces` and docs/study.md list them"
PLAIN_WORDS = (
    (r"^Input should be ", "must be "),
    (r"^\w+ should have ", "must have "),
    (r"a valid integer.*", "an integer"),
    (r"a valid (number|string).*", r"a \1"),
    (r"a valid boolean.*", "true or false"),
    (r"a valid dictionary.*", "a dict"),
    (r" after validation, not \d+", ""),
)
"""Words of pydantic, as patterns, and plain ones for them."""


class ConfigError(InputError):
    """A bad value of a field; the message is one line: field, rule, value given."""


class TrialConfig(BaseModel):
    """One flat, frozen, validated description of a training run.

    A field that cannot matter under the others (a temperature while the silhouette weight is 0) is set back to its
    default, so that settings which train the same thing are the same config and the same trial.

    Attributes:
        dataset: A name of `silhouette.registry.DATASETS` or `image_folder:/absolute/path`.
        image_size: Side of the square images; None for the dataset's own.
        val_fraction: Share of all data (of the official training data, where there is such) to validate on.
        test_fraction: Share of all data to test on, where no official test split exists.
        split_seed: Where no official test split exists, this cuts the test samples off, once, before everything
            else: every seed, arm and phase has the same ones.
        train_fraction: Share of the remaining training data to train on, by class.
        imbalance: `long_tail` keeps n_max·ρ^(-c/(K-1)) samples of class c, `step` n_max or n_max/ρ.
        imbalance_factor: ρ, the largest class count over the smallest.
        step_share: Share of the classes that `step` makes small.
        class_order: Which class stands where in the profile: drawn by seed, or in the order of the labels.
        label_noise: Share of the training labels that are replaced.
        noise_kind: Labels are replaced by any other class (`symmetric`) or by the next one (`asymmetric`).
        synthetic_classes: Number of classes of the dataset `synthetic`.
        synthetic_per_class: Samples of each class of the dataset `synthetic`.
        synthetic_spread: Standard deviation within a class of `synthetic`; class centres have standard deviation 1.
        transform: Augmentation of training images.
        sampler: `uniform` (shuffled), `balanced` (classes equally likely), `pk` (P classes × K samples).
        samples_per_class: K of `pk`; P is batch_size / K.
        objective: Supervised terms with weights, as in `ce + 0.5*supcon2`.
        lambda_sil: Weight of the silhouette loss.
        tau_s: Temperature of the soft minimum over the other classes; small values take the nearest class alone.
        tau_m: Temperature of the soft maximum of both distances; small values take the larger one alone.
        distance: Distance between normalised embeddings.
        softmin: Whether the soft minimum is a log-sum-exp (`sum`, as in the paper) or a log-mean-exp (`mean`).
        reduction: Mean of the scores over samples (`mean`) or over classes (`macro`).
        temperature: Temperature of `supcon` and `supcon2`.
        margin: Margin of `triplet`.
        proxy_scale: Scale of `proxy_anchor` (α) and, divided by 4, of `proxy_nca`.
        loss_lr_scale: Learning rate of proxies and centres over that of the network.
        encoder: `small_cnn`, `mlp` or a torchvision classification model.
        pretrained: Start a torchvision encoder from its ImageNet weights.
        width: Channels of the first layer of `small_cnn`; `mlp` has 16 × width hidden units.
        embedding_dim: Dimension of the projection head's output.
        epochs: Full budget.
        batch_size: Samples of a step.
        lr: Peak learning rate, before `lr_scaling`.
        lr_scaling: Multiply lr by batch_size / 256 (`linear`) or its root (`sqrt`).
        optimizer: `adamw` or `sgd` (Nesterov).
        momentum: Momentum of `sgd`.
        weight_decay: Weight decay of weight matrices; biases and normalisation are not decayed.
        schedule: `cosine` to 0, `one_cycle` (Smith 2018), or `constant`.
        warmup_epochs: Epochs of linear rise before `cosine` and `constant`.
        grad_clip: Largest norm of the gradient; None does not clip.
        amp: Mixed precision.
        channels_last: Memory format of the convolutions.
        compile: Use `torch.compile` for the training forward pass.
        eval_every: Validate after every so many epochs, and after the last.
        knn_k: Neighbours of the kNN accuracy.
        shot_many: Classes with more training samples than this are `many` (Liu et al. 2019).
        shot_few: Classes with fewer training samples than this are `few`; the others are `medium`.
        corruptions: Also measure the test split under corruptions.
        vary: What the seed moves: everything but the test samples (`all`), or one source of chance while the others
            stay as under seed 0. `split` draws the validation samples, `class_order` the classes of an imbalance
            profile, `subset` the training samples that are kept and the labels that are replaced.
            `all_and_test_split` draws new test samples too: its seeds overlap in their data, and are tested so.

    Raises:
        pydantic.ValidationError: If a field is unknown or out of range; `make_config` turns it into one line.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, validate_default=True)

    dataset: Annotated[str, AfterValidator(check_dataset)] = "digits"
    image_size: int | None = Field(None, ge=4, le=1024)
    val_fraction: float = Field(0.15, gt=0, lt=1)
    test_fraction: float = Field(0.25, gt=0, lt=1)
    split_seed: int = Field(0, ge=0, lt=2**31)
    train_fraction: float = Field(1.0, gt=0, le=1)
    imbalance: Literal["none", "long_tail", "step"] = "none"
    imbalance_factor: float = Field(1.0, ge=1, le=10_000)
    step_share: float = Field(0.5, gt=0, lt=1)
    class_order: Literal["seed", "fixed"] = "seed"
    label_noise: float = Field(0.0, ge=0, le=1)
    noise_kind: Literal["symmetric", "asymmetric"] = "symmetric"
    synthetic_classes: int = Field(10, ge=2, le=100_000)
    synthetic_per_class: int = Field(100, ge=4, le=1_000_000)
    synthetic_spread: float = Field(1.0, ge=0, le=100)
    transform: Literal["none", "crop_flip", "autoaugment", "randaugment"] = "none"
    sampler: Literal["uniform", "balanced", "pk"] = "uniform"
    samples_per_class: int = Field(4, ge=1, le=65_536)

    objective: Annotated[str, AfterValidator(check_objective)] = "ce"
    lambda_sil: float = Field(0.0, ge=0, le=1000)
    tau_s: float = Field(0.1, gt=0, le=1000)
    tau_m: float = Field(0.1, gt=0, le=1000)
    distance: Literal["euclidean", "sqeuclidean", "cosine"] = "euclidean"
    softmin: Literal["sum", "mean"] = "sum"
    reduction: Literal["mean", "macro"] = "mean"
    temperature: float = Field(0.1, gt=0, le=100)
    margin: float = Field(0.2, ge=0, le=2)
    proxy_scale: float = Field(32.0, gt=0, le=1000)
    loss_lr_scale: float = Field(10.0, gt=0, le=10_000)

    encoder: Annotated[str, AfterValidator(check_encoder)] = "small_cnn"
    pretrained: bool = False
    width: int = Field(16, ge=1, le=1024)
    embedding_dim: int = Field(64, ge=1, le=4096)

    epochs: int = Field(30, ge=1, le=100_000)
    batch_size: int = Field(64, ge=2, le=65_536)
    lr: float = Field(3e-3, gt=0, le=100)
    lr_scaling: Literal["none", "linear", "sqrt"] = "none"
    optimizer: Literal["adamw", "sgd"] = "adamw"
    momentum: float = Field(0.9, ge=0, lt=1)
    weight_decay: float = Field(1e-4, ge=0, le=10)
    schedule: Literal["cosine", "one_cycle", "constant"] = "cosine"
    warmup_epochs: float = Field(0.0, ge=0, le=100_000)
    grad_clip: float | None = Field(None, gt=0, le=1e6)
    amp: Literal["none", "bf16", "fp16"] = "none"
    channels_last: bool = False
    compile: bool = False
    eval_every: int = Field(1, ge=1, le=100_000)
    knn_k: int = Field(20, ge=1, le=10_000)
    shot_many: int = Field(100, ge=0)
    shot_few: int = Field(20, ge=0)
    corruptions: bool = False

    vary: Vary = "all"

    @model_validator(mode="wrap")
    @classmethod
    def _reset_inert_fields(cls, values: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        config = handler(values)  # every given value is checked first, with or without effect
        inert = inert_fields(config)
        return handler({name: v for name, v in config.model_dump().items() if name not in inert})

    @model_validator(mode="after")
    def _check_combinations(self) -> Self:
        for broken, message in COMBINATIONS:
            if broken(self):
                raise ValueError(message.format(c=self, **vars(self)))
        return self

    @property
    def draws_test_split(self) -> bool:
        """True if each seed draws test samples of its own."""
        return self.vary == NEW_TEST_SPLITS

    def source_seeds(self, seed: int) -> dict[str, int]:
        """Return the seed of each source of chance: the trial's own, or 0 where `vary` names another source.

        >>> seeds = TrialConfig(vary="init").source_seeds(7)
        >>> seeds["init"], seeds["order"], TrialConfig().source_seeds(7)["order"]
        (7, 0, 7)
        """
        return {source: seed if self.vary in ("all", NEW_TEST_SPLITS, source) else 0 for source in SOURCES}

    @property
    def terms(self) -> dict[str, float]:
        """Weights of the supervised terms."""
        return parse_objective(self.objective)

    @property
    def classes(self) -> int | None:
        """Number of classes, or None where only the data can say."""
        return self.synthetic_classes if self.dataset == "synthetic" else dataset_entry(self.dataset).classes

    @property
    def batch_classes(self) -> int:
        """Number of classes in a batch of the `pk` sampler."""
        return self.batch_size // self.samples_per_class

    @property
    def size(self) -> int:
        """Side of the square images in pixels."""
        return self.image_size or dataset_entry(self.dataset).size


def inert_fields(config: TrialConfig) -> frozenset[str]:
    """Return the names of the fields that cannot change the run, given the others.

    >>> sorted(inert_fields(TrialConfig(lambda_sil=0.1)) & {"tau_s", "temperature", "class_order"})
    ['class_order', 'temperature']
    """
    return frozenset(name for inert, names, _ in INERT if inert(config) for name in names)


def needed_for(field: str) -> str:
    """Return what a field needs to have an effect, in words; empty for a field that always has one.

    >>> needed_for("samples_per_class"), needed_for("lr")
    ('sampler=pk', '')
    """
    return next((needs for _, names, needs in INERT if field in names), "")


def make_config(values: Mapping[str, Any]) -> TrialConfig:
    """Return the validated config of plain values.

    Raises:
        ConfigError: One line naming the field, the rule and the value given.

    >>> make_config({"lambda_sil": "0.2"}).lambda_sil
    0.2
    >>> make_config({"lambda_sil": "banana"})
    Traceback (most recent call last):
    silhouette.config.trial_config.ConfigError: lambda_sil: must be a number, got 'banana'
    """
    for name in values:
        if name not in TrialConfig.model_fields:
            raise ConfigError(f"{name}: no such setting; {instead(name, TrialConfig.model_fields, LISTED)}")
    try:
        return TrialConfig(**values)
    except ValidationError as error:
        raise ConfigError(first_line(error)) from None


def parse_value(field: str, value: Any) -> Any:
    """Return one value as its field reads it ("0.2" becomes 0.2), checked without the other fields.

    Raises:
        ConfigError: If there is no such field or it does not allow the value.

    >>> parse_value("batch_size", "64")
    64
    """
    if field not in TrialConfig.model_fields:
        raise ConfigError(f"{field}: no such setting; {instead(field, TrialConfig.model_fields, LISTED)}")
    info = TrialConfig.model_fields[field]
    try:
        adapter: TypeAdapter[Any] = TypeAdapter(Annotated[info.annotation, info])  # type: ignore[arg-type]
        return adapter.validate_python(value)
    except ValidationError as error:
        raise ConfigError(first_line(error, field)) from None


@lru_cache(maxsize=1)
def defaults() -> Mapping[str, Any]:
    """Return the default of every field as records hold it; a record written before a field existed means these."""
    return TrialConfig().model_dump(mode="json")


def first_line(error: ValidationError, field: str = "") -> str:
    """Return the first fault of a pydantic error as one line: field, rule, value given."""
    fault = error.errors()[0]
    if fault["type"] == "value_error":  # raised by our own validators, whose message is complete
        return str(fault["msg"]).removeprefix("Value error, ")
    where = ".".join(str(part) for part in (field, *fault["loc"]) if part != "")
    if fault["type"] == "missing":
        return f"{where}: {error.title} needs this field, got nothing"
    message = str(fault["msg"])
    for words, plain in PLAIN_WORDS:
        message = re.sub(words, plain, message)
    return f"{where}: {message}, got {fault['input']!r}"
