"""Terms of an objective in float64, on batches that a test can compute by hand."""

import torch
import torch.nn.functional as F

from silhouette import TrialConfig
from silhouette.registry import TERMS, parse_objective
from silhouette.training.encoders import Output
from silhouette.training.objectives import Objective


def needed(objective):
    """Settings without which a config refuses the objective."""
    names = parse_objective(objective)
    views = max(TERMS[name].views for name in names)
    found = {"transform": "crop_flip"} if views == 2 else {}
    return found | ({"classifier": "cosine"} if "ldam" in names else {})


def config_of(objective, **settings):
    return TrialConfig(objective=objective, **{**needed(objective), **settings})


def loss_of(objective, output, labels, counts=None, class_weights=None, epoch=0, **settings):
    """The value of an objective on a batch, as a number; its module is in float64."""
    config = config_of(objective, embedding_dim=output.embedding.shape[1], **settings)
    module = Objective(config, output.logits.shape[1], counts, output.features.shape[1]).double()
    module.start_epoch(epoch)
    return module(output, labels, class_weights).total.item()


def logits_only(rows):
    """An output with these logits; features and embeddings are zero."""
    logits = torch.tensor(rows, dtype=torch.float64)
    return Output(torch.zeros(len(rows), 3).double(), torch.zeros(len(rows), 2).double(), logits)


def random_output(samples=12, dim=5, classes=3):
    draw = lambda *shape: torch.randn(*shape, dtype=torch.float64)  # noqa: E731
    return Output(draw(samples, 7), F.normalize(draw(samples, dim)), draw(samples, classes))
