"""Names that a config can use: datasets, encoders, supervised terms. Needs the standard library alone."""

from __future__ import annotations

import os.path
from dataclasses import dataclass
from difflib import get_close_matches

FOLDER = "image_folder:"
"""Prefix of a dataset that is a folder of images, as in `image_folder:/data/birds`."""


@dataclass(frozen=True)
class Dataset:
    """Facts about a dataset.

    Attributes:
        classes: Number of classes; None if only the data or the config decide it.
        size: Side of the square images in pixels: their own, or the usual one if images differ in size.
        channels: 1 or 3; None if only the data decide it.
        official_test: True if the authors define the test split; otherwise `split_seed` cuts it once.
        paper: True for the seven datasets of Todescato and Carbonera (2026).
    """

    classes: int | None
    size: int
    channels: int | None
    official_test: bool
    paper: bool = False


DATASETS = {
    "digits": Dataset(10, 8, 1, official_test=False),
    "synthetic": Dataset(None, 8, 1, official_test=False),
    "mnist": Dataset(10, 28, 1, official_test=True),
    "fashion_mnist": Dataset(10, 28, 1, official_test=True),
    "kmnist": Dataset(10, 28, 1, official_test=True),
    "svhn": Dataset(10, 32, 3, official_test=True),
    "cifar10": Dataset(10, 32, 3, official_test=True, paper=True),
    "cifar100": Dataset(100, 32, 3, official_test=True, paper=True),
    "stanford_cars": Dataset(196, 224, 3, official_test=True, paper=True),
    "caltech101": Dataset(101, 224, 3, official_test=False, paper=True),
    "caltech256": Dataset(257, 224, 3, official_test=False, paper=True),
    "fgvc_aircraft": Dataset(100, 224, 3, official_test=True, paper=True),
    "flowers102": Dataset(102, 224, 3, official_test=True, paper=True),
}

TERMS = ("ce", "supcon", "supcon2", "proxy_nca", "proxy_anchor", "center", "triplet")
"""Supervised terms of an objective, in the order in which they are written."""

LEARNED_TERMS = ("proxy_nca", "proxy_anchor", "center")
"""Terms with parameters of their own (proxies, centres)."""

TORCHVISION_ENCODERS = tuple(
    """
    alexnet convnext_tiny convnext_small convnext_base convnext_large densenet121 densenet161 densenet169
    densenet201 efficientnet_b0 efficientnet_b1 efficientnet_b2 efficientnet_b3 efficientnet_b4 efficientnet_b5
    efficientnet_b6 efficientnet_b7 efficientnet_v2_s efficientnet_v2_m efficientnet_v2_l googlenet inception_v3
    maxvit_t mnasnet0_5 mnasnet0_75 mnasnet1_0 mnasnet1_3 mobilenet_v2 mobilenet_v3_small mobilenet_v3_large
    regnet_x_400mf regnet_x_800mf regnet_x_1_6gf regnet_x_3_2gf regnet_x_8gf regnet_x_16gf regnet_x_32gf
    regnet_y_400mf regnet_y_800mf regnet_y_1_6gf regnet_y_3_2gf regnet_y_8gf regnet_y_16gf regnet_y_32gf
    regnet_y_128gf resnet18 resnet34 resnet50 resnet101 resnet152 resnext50_32x4d resnext101_32x8d
    resnext101_64x4d shufflenet_v2_x0_5 shufflenet_v2_x1_0 shufflenet_v2_x1_5 shufflenet_v2_x2_0 squeezenet1_0
    squeezenet1_1 swin_t swin_s swin_b swin_v2_t swin_v2_s swin_v2_b vgg11 vgg11_bn vgg13 vgg13_bn vgg16
    vgg16_bn vgg19 vgg19_bn vit_b_16 vit_b_32 vit_l_16 vit_l_32 vit_h_14 wide_resnet50_2 wide_resnet101_2
    """.split()  # noqa: SIM905 - easier to read than eighty quoted names
)

ENCODERS = ("small_cnn", "mlp", *TORCHVISION_ENCODERS)


def dataset_entry(name: str) -> Dataset:
    """Return the facts about a dataset whose name has been checked.

    >>> dataset_entry("mnist").size
    28
    """
    return Dataset(None, 224, None, official_test=False) if name.startswith(FOLDER) else DATASETS[name]


def check_dataset(name: str) -> str:
    """Return the name of a dataset in its normal form.

    A folder must be an absolute path, since a trial may run in another directory or on another machine.

    Raises:
        ValueError: If it is neither a known name nor an absolute folder.

    >>> check_dataset("image_folder:/data/../data/birds/")
    'image_folder:/data/birds'
    """
    if name in DATASETS:
        return name
    if not name.startswith(FOLDER):
        similar = "".join(f"; did you mean {close}?" for close in get_close_matches(name, DATASETS, 1))
        raise ValueError(f"dataset: must be one of {', '.join(DATASETS)} or {FOLDER}PATH{similar}, got {name!r}")
    path = name.removeprefix(FOLDER)
    if not path.startswith("/") or not path.isprintable():
        raise ValueError(f"dataset: {FOLDER}PATH must be an absolute path, got {name!r}")
    return FOLDER + os.path.normpath(path)


def check_encoder(name: str) -> str:
    """Return the name of a known encoder.

    Raises:
        ValueError: If it is unknown.

    >>> check_encoder("resnet18")
    'resnet18'
    """
    if name in ENCODERS:
        return name
    rule = "must be small_cnn, mlp or a torchvision classification model (resnet18, …)"
    raise ValueError(f"encoder: {rule}, got {name!r}")


def parse_objective(text: str) -> dict[str, float]:
    """Return the weights of the terms of an objective, in the order of `TERMS`.

    Raises:
        ValueError: If a term is unknown or given twice, or a weight is not a number above 0.

    >>> parse_objective("0.5*supcon2 + ce")
    {'ce': 1.0, 'supcon2': 0.5}
    """
    weights: dict[str, float] = {}
    for part in text.split("+"):
        weight, star, name = part.strip().rpartition("*")
        name = name.strip()
        if name not in TERMS or name in weights:
            raise ValueError(f"objective: must be terms of {', '.join(TERMS)}, each once, joined by +, got {text!r}")
        weights[name] = _weight(weight, text) if star else 1.0
    return {name: weights[name] for name in TERMS if name in weights}


def _weight(number: str, text: str) -> float:
    try:
        weight = float(number)
    except ValueError:
        weight = 0.0
    if not 0 < weight < float("inf"):
        raise ValueError(f"objective: a weight must be a number above 0 before *, got {text!r}")
    return weight


def check_objective(text: str) -> str:
    """Return an objective in its normal form, so that equal objectives are equal trials.

    >>> check_objective("supcon2*ce")
    Traceback (most recent call last):
    ValueError: objective: a weight must be a number above 0 before *, got 'supcon2*ce'
    >>> check_objective("0.50 * supcon2+ce")
    'ce + 0.5*supcon2'
    """
    weights = parse_objective(text)
    return " + ".join(name if w == 1 else f"{w!r}*{name}" for name, w in weights.items())
