"""`TrialConfig`: everything that decides what one training run computes, and nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)

from silhouette.config.crossed import NEW_TEST_SPLITS, Vary, source_seeds
from silhouette.config.lists import Measured, Milestones
from silhouette.config.options import Options, Values, gathered, is_option, option_default, parts_in, without_owner
from silhouette.config.rules import COMBINATIONS, INERT
from silhouette.registry import (
    check_dataset,
    check_encoder,
    check_objective,
    dataset_entry,
    parse_objective,
    term_entry,
)


class TrialConfig(BaseModel):
    """One flat, frozen, validated description of a training run.

    A field that cannot matter under the others (a temperature while the silhouette weight is 0) is set back to its
    default, so that settings which train the same thing are the same config and the same trial.

    Attributes:
        dataset: A name of `silhouette.registry.DATASETS`, or your own data: `image_folder:/absolute/folder`,
            `image_list:/absolute/train.txt`, `npz:/absolute/file.npz` (docs/data.md describes them), or
            `module:function` (docs/extending.md).
        image_size: Side of the square images; None for the dataset's own.
        val_fraction: Share of all data (of the official training data, where there is such) to validate on. 0 trains on
            all training data; nothing can be chosen then, and the validation columns are null.
        val_profile: Where validation samples are taken from: all training data, before the imbalance (`balanced`), or
            those that the imbalance keeps, so that they have its profile (`train`).
        test_fraction: Share of all data to test on, where no official test split exists.
        split_seed: Where no official test split exists, this cuts the test samples off, once, before everything
            else: every seed, arm and phase has the same ones.
        train_fraction: Share of the remaining training data to train on, by class.
        imbalance: `long_tail` keeps n_max·ρ^(-c/(K-1)) samples of class c, `step` n_max or n_max/ρ.
        imbalance_factor: ρ, the largest class count over the smallest.
        step_share: Share of the classes that `step` makes small.
        class_order: Which class stands where in the profile: drawn by seed, or in the order of the labels.
        subset: Which samples of a class are kept: drawn by seed, or the same under every seed (`fixed`: those of the
            published code of Cao et al. 2019, where there are no validation data).
        label_noise: Share of the training labels that are replaced.
        noise_kind: Labels are replaced by any other class (`symmetric`) or by the next one (`asymmetric`).
        synthetic_classes: Number of classes of the dataset `synthetic`.
        synthetic_per_class: Samples of each class of the dataset `synthetic`.
        synthetic_spread: Standard deviation within a class of `synthetic`; class centres have standard deviation 1.
        transform: Augmentation of training images.
        sampler: `uniform` (shuffled), `balanced` (classes equally likely), `pk` (P classes × K samples).
        samples_per_class: K of `pk`; P is batch_size / K.
        objective: Supervised terms with weights, as in `ce + 0.5*supcon2`; your own as `module:function`.
        lambda_sil: Weight of the silhouette loss.
        tau_s: Temperature of the soft minimum over the other classes; small values take the nearest class alone.
        tau_m: Temperature of the soft maximum of both distances; small values take the larger one alone.
        distance: Distance between normalised embeddings.
        softmin: Whether the soft minimum is a log-sum-exp (`sum`, as in the paper) or a log-mean-exp (`mean`).
        reduction: Mean of the scores over samples (`mean`), over the classes of the batch (`macro`), or over samples
            weighted by N / (K·n_c), n_c the training samples of their class (`balanced`).
        class_prior: p: class c competes with weight n_c^p in the soft minimum; 0 as in the paper, 1 as balanced softmax
            weights logits, -1 the inverse.
        class_memory: What the silhouette keeps of each class across batches, for classes that a batch lacks and for
            samples alone in their class: running mean and spread (`momentum`), or the last samples (`queue`).
        memory_momentum: Weight of the past in the running mean of `class_memory=momentum`.
        memory_size: Samples of each class that `class_memory=queue` keeps.
        memory_least: A class of fewer samples in the batch, the sample itself left out, is taken from the memory.
        temperature: Temperature of the contrastive terms: `supcon`, `supcon2`, `bcl`, `kcl`, `tsc` and `paco`.
        margin: Margin of `triplet`.
        proxy_scale: Scale of `proxy_anchor` (α) and, divided by 4, of `proxy_nca`.
        loss_lr_scale: Learning rate of proxies and centres over that of the network.
        logit_tau: τ of `logit_adjusted` and `vs`, the weight of the logarithm of the class shares.
        vs_gamma: γ of `vs`, the power of the class counts that multiplies the logits.
        ldam_margin: Margin of the rarest class in `ldam`, between cosines.
        cb_beta: β of `class_balanced`; 0 weights all classes alike, values near 1 by the inverse of their counts.
        focal_gamma: γ of `focal`; 0 is cross-entropy.
        contrast_positives: Positives of a sample in `kcl` and `tsc`, beside its other view.
        tsc_weight: Weight of the own target in `tsc`.
        paco_alpha: α of `paco`, the weight of a sample of the own class; the centre of the class has weight 1.
        margin_scale: Scale of the cosines in `arcface`, `cosface` and `subcenter_arcface`.
        arcface_margin: Angular margin of `arcface` and `subcenter_arcface` in radians.
        cosface_margin: Margin of `cosface`, between cosines.
        sub_centers: Vectors of each class in `subcenter_arcface`.
        softtriple_centers: Vectors of each class in `softtriple`.
        softtriple_scale: Scale of the similarities in `softtriple` (λ of its paper).
        softtriple_gamma: Temperature over the vectors of a class in `softtriple`.
        softtriple_margin: Margin of `softtriple`.
        softmax_temperature: Temperature of `normalized_softmax`.
        circle_margin: Relaxation m of `circle`.
        circle_scale: Scale γ of `circle`.
        reweight: `drw` weights each sample by its class from `drw_epoch` on, in all terms and the silhouette.
        drw_epoch: Epochs, from the first, that `drw` leaves without weights.
        drw_beta: β of the weights of `drw`, as in `cb_beta`.
        encoder: `small_cnn`, `mlp`, `resnet32` (He et al. 2016, for CIFAR), a torchvision classification model, or your
            own `module:function`.
        pretrained: Start a torchvision encoder from its ImageNet weights.
        width: Channels of the first layer of `small_cnn`; `mlp` has 16 × width hidden units.
        embedding_dim: Dimension of the projection head's output.
        classifier: `linear`; `cosine` (cosines of features and class vectors, no bias); or `etf`, the same with class
            vectors that are the fixed vertices of a simplex.
        classifier_scale: Scale of the cosines of `cosine` and `etf`.
        epochs: Full budget.
        batch_size: Samples of a step.
        lr: Peak learning rate, before `lr_scaling`.
        lr_scaling: Multiply lr by batch_size / 256 (`linear`) or its root (`sqrt`).
        optimizer: `adamw` or `sgd`.
        momentum: Momentum of `sgd`.
        nesterov: Nesterov's form of the momentum.
        weight_decay: Weight decay of weight matrices.
        decay_all: Decay biases and normalisation weights of the network too.
        schedule: `cosine` to 0, `one_cycle` (Smith 2018), `constant`, or `multistep`.
        milestones: Epochs after which `multistep` multiplies the learning rate by `lr_factor`.
        lr_factor: What `multistep` multiplies the learning rate by at each milestone.
        warmup_epochs: Epochs of linear rise at the start: by step before `cosine` and `constant`, by epoch in
            `multistep`. Not for `one_cycle`.
        grad_clip: Largest norm of the gradient; None does not clip.
        amp: Mixed precision.
        channels_last: Memory format of the convolutions.
        compile: Use `torch.compile` for the training forward pass.
        world_size: Processes that train together, each on a GPU of its own where there are GPUs, and on
            batch_size / world_size samples of each batch. The objective sees the whole batch; batch normalisation sees
            the part of its process, so that another number trains something else.
        eval_every: Validate after every so many epochs, and after the last.
        knn_k: Neighbours of the kNN accuracy.
        shot_many: Classes with more training samples than this are `many` (Liu et al. 2019).
        shot_few: Classes with fewer training samples than this are `few`; the others are `medium`.
        corruptions: Also measure the test split under corruptions.
        metrics: What is also measured after the last epoch. `geometry` is retrieval, NMI, neural collapse, alignment
            and uniformity of the features, on validation and test data; docs/method.md has the formulas. Your own as
            `module:function` (docs/extending.md).
        vary: What the seed moves: everything but the test samples (`all`), or one source of chance while the others
            stay as under seed 0. `split` draws the validation samples, `class_order` the classes of an imbalance
            profile, `subset` the training samples that are kept and the labels that are replaced.
            `all_and_test_split` draws new test samples too: its seeds overlap in their data, and are tested so.
            `init*order` crosses sources, two to four of them: each has two digits of the seed (304 is initialisation 3
            and order 4), `seeds=crossed(5, 5)` are all combinations, and the report has the variance of each source.
        options: Options of your own encoder, data set, terms and metrics, written as settings of their own:
            `encoder.depth=6`, `dataset.year=2020`, `arc.margin=0.3` for the term `mypkg.losses:arc`, `spread.power=2`
            for the metric `mypkg.metrics:spread`. One at its default is left out.

    Raises:
        pydantic.ValidationError: If a field is unknown or out of range; `make_config` turns it into one line.

    >>> TrialConfig(dataset="mnist", lambda_sil=0.2).classes
    10
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, validate_default=True)

    dataset: Annotated[str, AfterValidator(check_dataset)] = "digits"
    image_size: int | None = Field(None, ge=4, le=1024)
    val_fraction: float = Field(0.15, ge=0, lt=1)
    val_profile: Literal["balanced", "train"] = "balanced"
    test_fraction: float = Field(0.25, gt=0, lt=1)
    split_seed: int = Field(0, ge=0, lt=2**31)
    train_fraction: float = Field(1.0, gt=0, le=1)
    imbalance: Literal["none", "long_tail", "step"] = "none"
    imbalance_factor: float = Field(1.0, ge=1, le=10_000)
    step_share: float = Field(0.5, gt=0, lt=1)
    class_order: Literal["seed", "fixed"] = "seed"
    subset: Literal["seed", "fixed"] = "seed"
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
    reduction: Literal["mean", "macro", "balanced"] = "mean"
    class_prior: float = Field(0.0, ge=-4, le=4)
    class_memory: Literal["none", "momentum", "queue"] = "none"
    memory_momentum: float = Field(0.9, ge=0, lt=1)
    memory_size: int = Field(8, ge=1, le=4096)
    memory_least: int = Field(1, ge=1, le=4096)
    temperature: float = Field(0.1, gt=0, le=100)
    margin: float = Field(0.2, ge=0, le=2)
    proxy_scale: float = Field(32.0, gt=0, le=1000)
    loss_lr_scale: float = Field(10.0, gt=0, le=10_000)
    logit_tau: float = Field(1.0, ge=0, le=10)
    vs_gamma: float = Field(0.15, ge=0, le=2)
    ldam_margin: float = Field(0.5, ge=0, le=2)
    cb_beta: float = Field(0.9999, ge=0, lt=1)
    focal_gamma: float = Field(2.0, ge=0, le=10)
    contrast_positives: int = Field(6, ge=1, le=65_536)
    tsc_weight: float = Field(1.0, ge=0, le=1000)
    paco_alpha: float = Field(0.05, gt=0, le=1000)
    margin_scale: float = Field(64.0, gt=0, le=1000)
    arcface_margin: float = Field(0.5, ge=0, le=3)
    cosface_margin: float = Field(0.35, ge=0, le=2)
    sub_centers: int = Field(3, ge=1, le=1000)
    softtriple_centers: int = Field(10, ge=1, le=1000)
    softtriple_scale: float = Field(20.0, gt=0, le=1000)
    softtriple_gamma: float = Field(0.1, gt=0, le=100)
    softtriple_margin: float = Field(0.01, ge=0, le=2)
    softmax_temperature: float = Field(0.05, gt=0, le=100)
    circle_margin: float = Field(0.4, ge=0, le=1)
    circle_scale: float = Field(80.0, gt=0, le=1000)
    reweight: Literal["none", "drw"] = "none"
    drw_epoch: int = Field(160, ge=0, le=100_000)
    drw_beta: float = Field(0.9999, ge=0, lt=1)

    encoder: Annotated[str, AfterValidator(check_encoder)] = "small_cnn"
    pretrained: bool = False
    width: int = Field(16, ge=1, le=1024)
    embedding_dim: int = Field(64, ge=1, le=4096)
    classifier: Literal["linear", "cosine", "etf"] = "linear"
    classifier_scale: float = Field(30.0, gt=0, le=1000)

    epochs: int = Field(30, ge=1, le=100_000)
    batch_size: int = Field(64, ge=2, le=65_536)
    lr: float = Field(3e-3, gt=0, le=100)
    lr_scaling: Literal["none", "linear", "sqrt"] = "none"
    optimizer: Literal["adamw", "sgd"] = "adamw"
    momentum: float = Field(0.9, ge=0, lt=1)
    nesterov: bool = True
    weight_decay: float = Field(1e-4, ge=0, le=10)
    decay_all: bool = False
    schedule: Literal["cosine", "one_cycle", "constant", "multistep"] = "cosine"
    milestones: Milestones = (160, 180)
    lr_factor: float = Field(0.01, gt=0, lt=1)
    warmup_epochs: float = Field(0.0, ge=0, le=100_000)
    grad_clip: float | None = Field(None, gt=0, le=1e6)
    amp: Literal["none", "bf16", "fp16"] = "none"
    channels_last: bool = False
    compile: bool = False
    world_size: int = Field(1, ge=1, le=1024)
    eval_every: int = Field(1, ge=1, le=100_000)
    knn_k: int = Field(20, ge=1, le=10_000)
    shot_many: int = Field(100, ge=0)
    shot_few: int = Field(20, ge=0)
    corruptions: bool = False
    metrics: Measured = ()

    vary: Vary = "all"
    options: Options = Values()

    @model_validator(mode="wrap")
    @classmethod
    def _reset_inert_fields(cls, values: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        # every given value is checked first, with or without effect
        config = handler(gathered(values) if isinstance(values, Mapping) else values)
        inert = inert_fields(config) | without_owner(config, config.options)
        return handler(gathered({name: v for name, v in config.model_dump().items() if name not in inert}))

    @model_serializer(mode="wrap")
    def _dotted_options(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        fields: dict[str, Any] = handler(self)
        options = fields.pop("options", {})
        return {**fields, **options}

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

        Crossed sources have two digits of the seed each.

        >>> seeds = TrialConfig(vary="init").source_seeds(7)
        >>> seeds["init"], seeds["order"], TrialConfig().source_seeds(7)["order"]
        (7, 0, 7)
        """
        return source_seeds(self.vary, seed)

    @property
    def terms(self) -> dict[str, float]:
        """Weights of the supervised terms."""
        return parse_objective(self.objective)

    @property
    def plugins(self) -> tuple[str, ...]:
        """Names of a person's own things that the trial uses."""
        return tuple(dict.fromkeys(part.name for part in parts_in(self)))

    def setting(self, name: str) -> Any:
        """Return the value of a field or of an option, `encoder.depth`; None for an option that belongs to nothing.

        Raises:
            ValueError: If the option is at its default, and what it belongs to does not import.

        >>> TrialConfig().setting("lr"), TrialConfig().setting("encoder.depth")
        (0.003, None)
        """
        if not is_option(name):
            return getattr(self, name)
        return self.options[name] if name in self.options else option_default(self, name)

    @property
    def trains_classifier(self) -> bool:
        """True if a term looks at the logits; without one, a linear probe replaces the classifier."""
        return any("logits" in term_entry(name).input for name in self.terms)

    @property
    def uses_classifier(self) -> bool:
        """True if a term looks at the logits or at the rows of the classifier."""
        return any({"logits", "class weights"} & set(term_entry(name).input) for name in self.terms)

    @property
    def classes(self) -> int | None:
        """Number of classes, or None where only the data can say."""
        return self.synthetic_classes if self.dataset == "synthetic" else dataset_entry(self.dataset).classes

    @property
    def batch_classes(self) -> int:
        """Number of classes in a batch of the `pk` sampler."""
        return self.batch_size // self.samples_per_class

    @property
    def milestones_text(self) -> str:
        """The milestones as the command line takes them: `160,180`."""
        return ",".join(map(str, self.milestones))

    def inert(self) -> frozenset[str]:
        """Return the names of the fields that cannot change the run, given the others."""
        return frozenset(name for inert, names, _ in INERT if inert(self) for name in names)

    @property
    def size(self) -> int | None:
        """Side of the square images in pixels, or None where only the data can say."""
        return self.image_size or dataset_entry(self.dataset).size


def setting_of(config: BaseModel, name: str) -> Any:
    """Return the value of a field, or of an option of a `TrialConfig`.

    >>> setting_of(TrialConfig(), "lr")
    0.003
    """
    return config.setting(name) if isinstance(config, TrialConfig) else getattr(config, name)


def inert_fields(config: BaseModel, options: Iterable[str] = ()) -> frozenset[str]:
    """Return the names of the fields that cannot change the run, given the others.

    A config of a person's own may have a method `inert()` that returns them; without it every field has an effect.

    Args:
        config: The config.
        options: Dotted options of a `TrialConfig` to judge too; other names are ignored.

    >>> sorted(inert_fields(TrialConfig(lambda_sil=0.1)) & {"tau_s", "temperature", "class_order"})
    ['class_order', 'temperature']
    """
    own = getattr(config, "inert", None)
    found = frozenset(own()) if callable(own) else frozenset()
    return found | without_owner(config, options) if isinstance(config, TrialConfig) else found


def draws_test_split(config: BaseModel) -> bool:
    """Return True if each seed draws test samples of its own; False where a config does not say."""
    return bool(getattr(config, "draws_test_split", False))


def needed_for(field: str) -> str:
    """Return what a field needs to have an effect, in words; empty for a field that always has one.

    >>> needed_for("samples_per_class"), needed_for("lr")
    ('sampler=pk', '')
    """
    if is_option(field):
        place = _PLACES.get(field.partition(".")[0], "objective or metrics")
        return f"something of your own in {place} that has this option"
    return next((needs for _, names, needs in INERT if field in names), "")


_PLACES = {"encoder": "encoder", "dataset": "dataset"}
