"""Rules over several fields of a config: combinations that are errors, and fields without effect."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from silhouette.registry import LEARNED_TERMS, TERMS, TORCHVISION_ENCODERS, dataset_entry, option_users, term_entry

Condition = Callable[[Any], bool]
"""A condition on a `TrialConfig`. Its type is Any here, since `trial_config` imports this file."""


def _one_of(names: tuple[str, ...]) -> str:
    """Return names in words.

    >>> _one_of(("triplet",)), _one_of(("kcl", "tsc")), _one_of(("a", "b", "c"))
    ('triplet', 'kcl or tsc', 'a, b or c')
    """
    return " or ".join(part for part in (", ".join(names[:-1]), names[-1]) if part)


def _features(config: Any) -> int | None:
    """Return the features of an encoder of ours; None for a model of torchvision, which must be built to know them."""
    return {"small_cnn": 4 * config.width, "mlp": 16 * config.width, "resnet32": 64}.get(config.encoder)


COMBINATIONS: tuple[tuple[Condition, str], ...] = (
    (
        lambda c: c.imbalance != "none" and c.imbalance_factor <= 1,
        "imbalance_factor: must be above 1 with imbalance={imbalance}; imbalance=none is a factor of 1, "
        "got {imbalance_factor:g}",
    ),
    (
        lambda c: c.val_fraction + c.test_fraction >= 0.9,
        "val_fraction + test_fraction: must leave a tenth for training (sum < 0.9), "
        "got {val_fraction:g} + {test_fraction:g}",
    ),
    *(
        (
            lambda c, name=name: name in c.terms and c.transform == "none",
            f"transform: {name} compares two different views, so it needs an augmentation, got 'none'",
        )
        for name, term in TERMS.items()
        if term.views == 2
    ),
    (
        lambda c: "ldam" in c.terms and c.classifier == "linear",
        "classifier: ldam sets margins between cosines, so it needs classifier=cosine or classifier=etf, "
        "got {classifier!r}",
    ),
    (
        lambda c: c.classifier == "etf" and c.uses_classifier and (_features(c) or 1e9) < (c.classes or 2) - 1,
        "classifier: etf needs as many features as there are classes, less one; encoder={encoder} has too few for the "
        "{c.classes} classes of {dataset}; give a wider encoder, or classifier=cosine, got 'etf'",
    ),
    *(
        (
            lambda c, name=name: c.reweight != "none" and name in c.terms,
            f"reweight: {name} has no value for each sample that a weight could multiply; give reweight=none, "
            "got {reweight!r}",
        )
        for name, term in TERMS.items()
        if not term.per_sample
    ),
    (
        lambda c: c.reweight != "none" and not set(c.terms) <= set(TERMS),
        "reweight: an own term has no value for each sample that a weight could multiply; give reweight=none, "
        "got {reweight!r}",
    ),
    (
        lambda c: c.reweight != "none" and "class_balanced" in c.terms,
        "reweight: class_balanced weights the classes already; give reweight=none, or ce, got {reweight!r}",
    ),
    (
        lambda c: c.reweight == "drw" and c.drw_epoch >= c.epochs,
        "drw_epoch: must be below epochs = {epochs}, or no epoch is re-weighted, got {drw_epoch}",
    ),
    (
        lambda c: c.sampler == "pk" and c.batch_size % c.samples_per_class != 0,
        "samples_per_class: must divide batch_size = {batch_size}, got {samples_per_class}",
    ),
    (
        lambda c: c.sampler == "pk" and c.batch_classes > (c.classes or c.batch_size),
        "samples_per_class: batch_size = {batch_size} needs {c.batch_classes} classes, {dataset} has {c.classes}; "
        "give a larger number, got {samples_per_class}",
    ),
    (
        lambda c: c.lambda_sil > 0 and c.reduction == "balanced" and c.sampler != "uniform",
        "reduction: balanced corrects for unequal classes, which sampler={sampler} does already; "
        "use sampler=uniform or reduction=macro, got 'balanced'",
    ),
    (
        lambda c: c.lambda_sil > 0 and c.reduction == "balanced" and c.reweight != "none",
        "reweight: reduction=balanced weights the classes already; give reweight=none, or reduction=mean, "
        "got {reweight!r}",
    ),
    (
        lambda c: c.lambda_sil > 0 and c.class_prior != 0 and c.sampler != "uniform",
        "class_prior: corrects for unequal classes, which sampler={sampler} does already; "
        "use sampler=uniform or class_prior=0, got {class_prior:g}",
    ),
    (
        lambda c: c.batch_size % c.world_size != 0,
        "world_size: must divide batch_size = {batch_size}, got {world_size}",
    ),
    (
        lambda c: c.world_size > 1 and c.batch_size < 2 * c.world_size,
        "world_size: must leave each process two samples of a batch of {batch_size}, got {world_size}",
    ),
    (
        lambda c: c.shot_few > c.shot_many + 1,
        "shot_few: must not be above shot_many + 1 = {shot_many} + 1, got {shot_few}",
    ),
    (
        lambda c: c.warmup_epochs >= c.epochs,
        "warmup_epochs: must be fewer than epochs = {epochs}, got {warmup_epochs:g}",
    ),
    (
        lambda c: c.schedule == "multistep" and c.milestones[-1] >= c.epochs,
        "milestones: must be fewer than epochs = {epochs}, got {c.milestones_text}; set others, as in milestones=16,18",
    ),
    (
        lambda c: c.dataset == "digits" and c.size != 8,
        "image_size: digits are 8 pixels wide, got {image_size}",
    ),
    (
        lambda c: c.dataset == "synthetic" and c.size > 64,
        "image_size: at most 64 for synthetic, got {image_size}",
    ),
)
"""(condition that breaks the rule, message) of each rule over several fields; messages take values of fields.

`c` in a message is the config itself.
"""

INERT: tuple[tuple[Condition, tuple[str, ...], str], ...] = (
    (
        lambda c: c.lambda_sil == 0,
        ("tau_s", "tau_m", "distance", "softmin", "reduction", "class_prior", "class_memory"),
        "lambda_sil above 0",
    ),
    (
        lambda c: c.lambda_sil == 0 or c.class_memory != "momentum",
        ("memory_momentum",),
        "class_memory=momentum and lambda_sil above 0",
    ),
    (
        lambda c: c.lambda_sil == 0 or c.class_memory != "queue",
        ("memory_size",),
        "class_memory=queue and lambda_sil above 0",
    ),
    (
        lambda c: c.lambda_sil == 0 or c.class_memory == "none",
        ("memory_least",),
        "class_memory=momentum or class_memory=queue, and lambda_sil above 0",
    ),
    (
        lambda c: c.imbalance == "none",
        ("imbalance_factor", "class_order"),
        "imbalance=long_tail or imbalance=step",
    ),
    (lambda c: c.imbalance != "step", ("step_share",), "imbalance=step"),
    (
        lambda c: c.imbalance == "none" and c.train_fraction == 1,
        ("subset",),
        "an imbalance or a train_fraction below 1",
    ),
    (
        lambda c: c.imbalance == "none" or c.val_fraction == 0,
        ("val_profile",),
        "imbalance=long_tail or imbalance=step, and a val_fraction above 0",
    ),
    (lambda c: c.val_fraction == 0, ("eval_every",), "a val_fraction above 0"),
    (lambda c: c.label_noise == 0, ("noise_kind",), "label_noise above 0"),
    (
        lambda c: c.dataset != "synthetic",
        ("synthetic_classes", "synthetic_per_class", "synthetic_spread"),
        "dataset=synthetic",
    ),
    (
        lambda c: c.image_size == dataset_entry(c.dataset).size,
        ("image_size",),
        "another size than that of the data set",
    ),
    (
        lambda c: dataset_entry(c.dataset).official_test,
        ("test_fraction",),
        "a data set without an official test split",
    ),
    (
        lambda c: dataset_entry(c.dataset).official_test or c.draws_test_split,
        ("split_seed",),
        "a data set without an official test split, and another vary than all_and_test_split",
    ),
    (
        lambda c: dataset_entry(c.dataset).official_test and c.draws_test_split,
        ("vary",),
        "a data set without an official test split, to draw test samples from",
    ),
    (lambda c: c.sampler != "pk", ("samples_per_class",), "sampler=pk"),
    *(
        (
            lambda c, users=users: not set(users) & set(c.terms),
            (field,),
            f"{_one_of(users)} in objective",
        )
        for field, users in option_users().items()
    ),
    (
        lambda c: all(term_entry(name).parameters != "proxies" for name in c.terms),
        ("loss_lr_scale",),
        f"{_one_of((*LEARNED_TERMS, 'a term of your own'))} in objective",
    ),
    (lambda c: not c.uses_classifier, ("classifier",), "a term of the logits, or bcl, in objective"),
    (lambda c: c.classifier == "linear", ("classifier_scale",), "classifier=cosine or classifier=etf"),
    (lambda c: c.reweight == "none", ("drw_epoch", "drw_beta"), "reweight=drw"),
    (lambda c: c.encoder not in TORCHVISION_ENCODERS, ("pretrained",), "an encoder of torchvision"),
    (lambda c: c.encoder not in ("small_cnn", "mlp"), ("width",), "encoder=small_cnn or encoder=mlp"),
    (lambda c: c.optimizer != "sgd", ("momentum",), "optimizer=sgd"),
    (lambda c: c.optimizer != "sgd" or c.momentum == 0, ("nesterov",), "optimizer=sgd and a momentum above 0"),
    (lambda c: c.weight_decay == 0, ("decay_all",), "a weight_decay above 0"),
    (lambda c: c.schedule != "multistep", ("milestones", "lr_factor"), "schedule=multistep"),
    (lambda c: c.schedule == "one_cycle", ("warmup_epochs",), "schedule=cosine, constant or multistep"),
)
"""(condition, fields that cannot change the run under it, what they need instead) of each rule.

A field stands in one rule.
"""
