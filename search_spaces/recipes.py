"""Recipes: settings that the papers of a field share, under one name; a study may override each of them."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from silhouette.formatting import show_level


@dataclass(frozen=True)
class Recipe:
    """Settings of `TrialConfig` by field.

    Attributes:
        source: Where they come from.
        settings: All that differ from the defaults, and the defaults that the protocol rests on, typed as `TrialConfig`
            holds them.
    """

    source: str
    settings: Mapping[str, Any]


_CIFAR_LT: Mapping[str, Any] = {
    "image_size": None,
    "imbalance": "long_tail",
    "imbalance_factor": 100.0,
    "class_order": "fixed",
    "subset": "fixed",
    "val_fraction": 0.0,
    "train_fraction": 1.0,
    "label_noise": 0.0,
    "transform": "crop_flip",
    "sampler": "uniform",
    "encoder": "resnet32",
    "pretrained": False,
    "classifier": "linear",
    "epochs": 200,
    "batch_size": 128,
    "lr": 0.1,
    "lr_scaling": "none",
    "optimizer": "sgd",
    "momentum": 0.9,
    "nesterov": False,
    "weight_decay": 2e-4,
    "decay_all": True,
    "schedule": "multistep",
    "milestones": (160, 180),
    "lr_factor": 0.01,
    "warmup_epochs": 5.0,
    "grad_clip": None,
    "amp": "none",
    "shot_many": 100,
    "shot_few": 20,
}
"""What all papers on CIFAR-LT do since Cao et al.; a setting at its default is named too, since it is part of it."""
_SOURCE = "Cao et al. 2019, Cui et al. 2019"

RECIPES: Mapping[str, Recipe] = MappingProxyType(
    {f"{name}_lt": Recipe(_SOURCE, {"dataset": name, **_CIFAR_LT}) for name in ("cifar10", "cifar100")}
)
"""Every recipe by its name."""


def recipe_listing() -> Iterator[str]:
    """Yield the lines of `ablate list --spaces` on recipes: name and source, then the settings."""
    for name, recipe in RECIPES.items():
        yield f"{'recipe=' + name:18s} {recipe.source}"
        yield from wrapped(settings_in_words(recipe.settings), " " * 19)


def wrapped(words: str, indent: str) -> list[str]:
    """Return words as lines of at most 120 characters, each after an indent.

    >>> wrapped("lr=0.1 momentum=0.9", "  ")
    ['  lr=0.1 momentum=0.9']
    """
    return textwrap.wrap(words, 120, initial_indent=indent, subsequent_indent=indent, break_on_hyphens=False)


def settings_in_words(settings: Mapping[str, Any]) -> str:
    """Return settings as the command line takes them.

    >>> settings_in_words({"lr": 0.1, "milestones": (160, 180)})
    'lr=0.1 milestones=160,180'
    """
    return " ".join(f"{field}={value_in_words(value)}" for field, value in settings.items())


def value_in_words(value: Any) -> str:
    """Return the value of a setting as the command line takes it.

    >>> value_in_words((160, 180)), value_in_words(100.0)
    ('160,180', '100')
    """
    if isinstance(value, tuple | list):
        return ",".join(map(value_in_words, value))
    return show_level(value)
