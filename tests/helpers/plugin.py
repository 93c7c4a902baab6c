"""A throw-away package of a person's own encoder, loss, metric and data set, written outside the tree."""

import importlib
import sys

from silhouette.registry import loading, options, plugins

NAME = "throwaway"
SOURCES = {
    "__init__.py": "",
    "nets.py": """
from torch import nn


def tiny(in_shape, *, depth: int = 2, activation: str = "relu", drop: float = 0.0):
    channels, height, width = in_shape
    layers, inputs = [nn.Flatten()], channels * height * width
    for _ in range(depth):
        layers += [nn.Linear(inputs, 12), nn.GELU() if activation == "gelu" else nn.ReLU(), nn.Dropout(drop)]
        inputs = 12
    return nn.Sequential(*layers), 12
""",
    "losses.py": """
import torch
from torch import nn


class Arc(nn.Module):
    def __init__(self, num_classes, embedding_dim, margin, counts):
        super().__init__()
        self.proxies = nn.Parameter(torch.randn(num_classes, embedding_dim))
        self.margin, self.counts = margin, counts

    def forward(self, embeddings, labels):
        cosines = embeddings @ nn.functional.normalize(self.proxies).T
        own = nn.functional.one_hot(labels, len(self.proxies))
        return nn.functional.cross_entropy(8 * (cosines - self.margin * own), labels)


def arc(num_classes, embedding_dim, *, margin: float = 0.25, class_counts=None):
    assert class_counts is None or len(class_counts) == num_classes
    return Arc(num_classes, embedding_dim, margin, class_counts)
""",
    "metrics.py": """
import numpy as np


def spread(features, labels, *, power: float = 1.0):
    means = np.stack([features[labels == c].mean(axis=0) for c in np.unique(labels)])
    return float((np.linalg.norm(means, axis=1) ** power).mean())
""",
    "data.py": """
import numpy as np

from silhouette.data.cache import Source


def stripes(image_size, *, per_class: int = 24, seed: int = 0):
    side, rng = image_size or 8, np.random.default_rng(seed)
    labels = np.arange(3).repeat(per_class)
    images = [np.zeros((1, side, side), np.uint8) for _ in labels]
    for image, label in zip(images, labels):
        image[0, label::3] = 200
        image += rng.integers(0, 40, image.shape, dtype=np.uint8)
    return Source((len(labels), 1, side, side), images, labels, ("a", "b", "c"), None)
""",
}


def write_plugin(folder, **files):
    """Write the package below a folder; further files, by name without .py, replace or join its own."""
    package = folder / NAME
    package.mkdir(parents=True, exist_ok=True)
    for name, text in {**SOURCES, **{f"{key}.py": text for key, text in files.items()}}.items():
        (package / name).write_text(text)
    forget_plugin()
    return package


def forget_plugin():
    """Let this process read the package anew, as another process would."""
    for name in [name for name in sys.modules if name.partition(".")[0] == NAME]:
        del sys.modules[name]
    importlib.invalidate_caches()
    options._own.cache_clear()
    plugins._plugin.cache_clear()
    loading.registered.cache_clear()
