"""What a config may name: data sets, encoders and supervised terms, with the facts that are known without importing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True)
class Dataset:
    """Facts about a dataset.

    Attributes:
        where: `module:function` that is called as `function(image_size, **arguments) -> Source`; of a form its
            `silhouette.data.reader.Reader`.
        classes: Number of classes; None if only the data or the config decide it.
        size: Side of the square images in pixels: their own, or the usual one if images differ in size; None if only
            the data decide it.
        channels: 1 or 3; None if only the data decide it.
        official_test: True if the authors define the test split; otherwise `split_seed` cuts it once.
        paper: True for the seven datasets of Todescato and Carbonera (2026).
        arguments: Further arguments of the function.
        settings: Arguments of the function that are fields of the config, and these fields.
        cached: False for data that are read faster than a cache is.
    """

    where: str
    classes: int | None
    size: int | None
    channels: int | None
    official_test: bool
    paper: bool = False
    arguments: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, str] = field(default_factory=dict)
    cached: bool = True


_SOURCES, _TORCHVISION = "silhouette.data.sources", "silhouette.data.torchvision_sources"
_SYNTHETIC = {name: f"synthetic_{name}" for name in ("classes", "per_class", "spread")}


def _idx(name: str) -> Dataset:
    return Dataset(f"{_SOURCES}:idx", 10, 28, 1, official_test=True, arguments={"name": name})


def _photos(name: str, classes: int, size: int, *, official_test: bool = True, paper: bool = True) -> Dataset:
    where = f"{_TORCHVISION}:torchvision"
    return Dataset(where, classes, size, 3, official_test, paper, arguments={"name": name})


DATASETS = {
    "digits": Dataset(f"{_SOURCES}:digits", 10, 8, 1, official_test=False, cached=False),
    "synthetic": Dataset(f"{_SOURCES}:synthetic", None, 8, 1, official_test=False, settings=_SYNTHETIC),
    **{name: _idx(name) for name in ("mnist", "fashion_mnist", "kmnist")},
    "svhn": _photos("svhn", 10, 32, paper=False),
    "cifar10": _photos("cifar10", 10, 32),
    "cifar100": _photos("cifar100", 100, 32),
    "stanford_cars": _photos("stanford_cars", 196, 224),
    "caltech101": _photos("caltech101", 101, 224, official_test=False),
    "caltech256": _photos("caltech256", 257, 224, official_test=False),
    "fgvc_aircraft": _photos("fgvc_aircraft", 100, 224),
    "flowers102": _photos("flowers102", 102, 224),
}

FORMS = {
    "image_folder": Dataset("silhouette.data.folders:READER", None, 224, None, official_test=False),
    "image_list": Dataset("silhouette.data.image_lists:READER", None, 224, None, official_test=False),
    "npz": Dataset("silhouette.data.npz:READER", None, None, None, official_test=False),
}
"""Forms of a person's own data, `FORM:/absolute/path`, and what is known of them before the files are read."""

OWN_DATASET = Dataset("", None, None, None, official_test=False)
"""What is known of a data set that a person's own function returns, before it is called."""


@dataclass(frozen=True)
class Term:
    """Facts about a supervised term of an objective.

    Attributes:
        input: What it looks at, of `logits`, `embeddings` and `class weights` (the rows of the classifier). Terms of
            the logits train the classifier.
        options: Fields of the config that only this term, or few others, use.
        parameters: `proxies` (vectors of its own, with the learning rate `loss_lr_scale`·lr), `layers` (trained as
            those of the network) or none.
        counts: True if it needs the training samples of each class.
        views: Augmented views of each image that it compares.
        per_sample: True if it is a mean of one value per sample, which `reweight` can weight.
    """

    input: tuple[str, ...]
    options: tuple[str, ...] = ()
    parameters: Literal["none", "proxies", "layers"] = "none"
    counts: bool = False
    views: int = 1
    per_sample: bool = True


OWN_TERM = Term(("embeddings",), parameters="proxies", per_sample=False)
"""What is taken as true of a person's own term, which is called with embeddings and labels."""

_LOGITS, _EMBEDDINGS = ("logits",), ("embeddings",)
_SOFTTRIPLE = ("softtriple_centers", "softtriple_scale", "softtriple_gamma", "softtriple_margin")
_KCL = ("temperature", "contrast_positives")

TERMS = {
    "ce": Term(_LOGITS),
    "logit_adjusted": Term(_LOGITS, ("logit_tau",), counts=True),
    "balanced_softmax": Term(_LOGITS, counts=True),
    "ldam": Term(_LOGITS, ("ldam_margin",), counts=True),
    "class_balanced": Term(_LOGITS, ("cb_beta",), counts=True),
    "focal": Term(_LOGITS, ("focal_gamma",)),
    "vs": Term(_LOGITS, ("logit_tau", "vs_gamma"), counts=True),
    "supcon": Term(_EMBEDDINGS, ("temperature",)),
    "supcon2": Term(_EMBEDDINGS, ("temperature",), views=2),
    "bcl": Term(("embeddings", "class weights"), ("temperature",), "layers", views=2),
    "kcl": Term(_EMBEDDINGS, _KCL, views=2),
    "tsc": Term(_EMBEDDINGS, (*_KCL, "tsc_weight"), views=2),
    "paco": Term(("logits", "embeddings"), ("temperature", "paco_alpha"), counts=True, views=2),
    "proxy_nca": Term(_EMBEDDINGS, ("proxy_scale",), "proxies"),
    "proxy_anchor": Term(_EMBEDDINGS, ("proxy_scale",), "proxies", per_sample=False),
    "center": Term(_EMBEDDINGS, parameters="proxies"),
    "triplet": Term(_EMBEDDINGS, ("margin",)),
    "arcface": Term(_EMBEDDINGS, ("margin_scale", "arcface_margin"), "proxies"),
    "cosface": Term(_EMBEDDINGS, ("margin_scale", "cosface_margin"), "proxies"),
    "subcenter_arcface": Term(_EMBEDDINGS, ("margin_scale", "arcface_margin", "sub_centers"), "proxies"),
    "softtriple": Term(_EMBEDDINGS, _SOFTTRIPLE, "proxies"),
    "normalized_softmax": Term(_EMBEDDINGS, ("softmax_temperature",), "proxies"),
    "circle": Term(_EMBEDDINGS, ("circle_margin", "circle_scale")),
}
"""Supervised terms of an objective, in the order in which they are written.

Each is built by the function of its name in `TERM_BUILDERS`.
"""
TERM_BUILDERS = "silhouette.training.terms.build"

LEARNED_TERMS = tuple(name for name, term in TERMS.items() if term.parameters == "proxies")
"""Terms with vectors of their own (proxies, centres)."""

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


@dataclass(frozen=True)
class Encoder:
    """Facts about an encoder.

    Attributes:
        where: `module:function` that is called as `function(in_shape, **arguments) -> (nn.Module, features)`.
        settings: Arguments of the function that are fields of the config, and these fields.
        arguments: Further arguments of the function.
    """

    where: str
    settings: Mapping[str, str] = field(default_factory=dict)
    arguments: Mapping[str, str] = field(default_factory=dict)


_NETWORKS = "silhouette.training.encoders"
_MODELS, _PRETRAINED = "silhouette.training.torchvision_encoders:torchvision", {"pretrained": "pretrained"}

ENCODERS = {
    "small_cnn": Encoder(f"{_NETWORKS}:small_cnn", {"width": "width"}),
    "mlp": Encoder(f"{_NETWORKS}:mlp", {"width": "width"}),
    "resnet32": Encoder(f"{_NETWORKS}:resnet32"),
    **{name: Encoder(_MODELS, _PRETRAINED, {"name": name}) for name in TORCHVISION_ENCODERS},
}


MEASURED = ("geometry",)
"""What a trial can measure after its last epoch besides a person's own functions."""


def option_users() -> dict[str, tuple[str, ...]]:
    """Return, for each field of the config that is an option of terms, the terms that use it.

    >>> option_users()["proxy_scale"]
    ('proxy_nca', 'proxy_anchor')
    """
    fields = dict.fromkeys(field for term in TERMS.values() for field in term.options)
    return {field: tuple(name for name, term in TERMS.items() if field in term.options) for field in fields}
