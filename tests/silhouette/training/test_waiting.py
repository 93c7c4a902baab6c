"""A step reads nothing from the device: what is read does not grow with the steps of an epoch."""

import linecache
import sys

import pytest
import torch
import torch.nn.functional as F
from torch.utils._python_dispatch import TorchDispatchMode

from silhouette import Training, TrialConfig
from silhouette.registry import TERMS
from silhouette.training import evaluation, step_log

READING = ("_local_scalar_dense", "nonzero", "_unique2", "unique_dim", "bincount", "masked_select", "equal")
"""Operations of torch that wait for a GPU: they return a number, or a shape that depends on values."""
METHODS = ("tolist", "cpu", "numpy", "__bool__", "__float__", "__int__", "__index__", "__array__")
LIBRARY = {
    "supcon", "supcon2", "proxy_nca", "proxy_anchor", "triplet", "arcface", "cosface", "subcenter_arcface", "circle",
    "softtriple", "normalized_softmax",
}  # fmt: skip
"""Terms of pytorch-metric-learning; some of them read."""


def only_on_a_cpu():
    """Whether the line of the loss that runs now asks `is_cuda` first: it looks at a value on a CPU alone."""
    frame = sys._getframe()
    while frame and "/silhouette/loss/" not in frame.f_code.co_filename:
        frame = frame.f_back
    return frame is not None and "is_cuda" in linecache.getline(frame.f_code.co_filename, frame.f_lineno)


class Reads(TorchDispatchMode):
    """Counts what waits for a device, in the forward and the backward pass."""

    def __init__(self, monkeypatch):
        super().__init__()
        self.count = 0
        for name in METHODS:
            monkeypatch.setattr(torch.Tensor, name, self.counted(getattr(torch.Tensor, name)))
        # on a CPU, but not on a GPU, torch's own looks for the largest label
        monkeypatch.setattr(F, "one_hot", lambda y, classes: (y[:, None] == torch.arange(classes)).long())

    def counted(self, method):
        def call(*args, **kwargs):
            self.count += 1
            return method(*args, **kwargs)

        return call

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        masked = function.overloadpacket._qualified_op_name in ("aten::index", "aten::index_put_") and any(
            index is not None and index.dtype in (torch.bool, torch.uint8) for index in args[1]
        )
        reading = function.overloadpacket.__name__ in READING and not only_on_a_cpu()
        self.count += masked or reading
        return function(*args, **(kwargs or {}))


def reads(monkeypatch, samples, **settings):
    """Return the number of reads in one epoch on so many samples of each class, in batches of 20."""
    config = {"epochs": 2, "width": 4, "batch_size": 20, "dataset": "synthetic", "synthetic_classes": 5, **settings}
    training = Training(TrialConfig(**{**config, "synthetic_per_class": samples}), 0)
    training.step()
    monkeypatch.setattr(evaluation, "BATCH", 8)  # several forward passes over the validation data
    with monkeypatch.context() as patch, Reads(patch) as found:
        training.step()
    assert training.status == "complete"
    return found.count


SETTINGS = {
    "none": {},
    "no silhouette": {"lambda_sil": 0.0},
    "sqeuclidean": {"distance": "sqeuclidean", "softmin": "mean", "reduction": "macro"},
    "cosine": {"distance": "cosine", "reduction": "balanced", "class_prior": 0.5},
    "momentum": {"class_memory": "momentum"},
    "queue": {"class_memory": "queue"},
    "drw": {"reweight": "drw", "drw_epoch": 0, "reduction": "macro"},
    "sgd": {"optimizer": "sgd", "grad_clip": 0.1},
    "bf16": {"amp": "bf16"},
    "fp16": {"amp": "fp16", "grad_clip": 0.1},
    "crop_flip": {"transform": "crop_flip", "channels_last": True},
    "autoaugment": {"transform": "autoaugment"},
    "randaugment": {"transform": "randaugment"},
}


@pytest.mark.parametrize("name", SETTINGS)
def test_what_an_epoch_reads_does_not_grow_with_its_steps(monkeypatch, name):
    few, many = (reads(monkeypatch, n, **{"lambda_sil": 0.2, "eval_every": 1, **SETTINGS[name]}) for n in (20, 60))
    assert 0 < few == many


@pytest.mark.parametrize("term", sorted({*TERMS} - LIBRARY))
def test_no_term_of_ours_reads(monkeypatch, term):
    settings = {"objective": term, "transform": "crop_flip", "val_fraction": 0}
    settings |= {"classifier": "cosine"} if term == "ldam" else {}
    few, many = (reads(monkeypatch, n, **settings) for n in (20, 60))
    assert 0 < few == many


def test_the_count_sees_what_a_term_reads(monkeypatch):
    few, many = (reads(monkeypatch, n, objective="triplet", val_fraction=0) for n in (20, 60))
    assert few < many


def spoiled(training, step, how):
    """Make the logits of a step and all later ones not finite, or the step raise; return a list of the steps done."""
    done = []

    def hook(module, args, out):
        done.append(None)
        if len(done) == step + 1 and how == "raises":
            raise ValueError("a term of a person's own does not take this")
        return out * float("nan") if len(done) > step else out

    training.network.classifier.register_forward_hook(hook)
    return done


def training_of(**settings):
    given = {"epochs": 2, "width": 4, "batch_size": 20, "lambda_sil": 0.2, **settings}
    return Training(TrialConfig(dataset="synthetic", synthetic_classes=5, **given), 0)


def test_a_divergence_names_its_epoch_and_ends_a_long_one_early(monkeypatch):
    monkeypatch.setattr(step_log, "READ_EVERY", 3)
    training = training_of()
    training.step()
    done = spoiled(training, 1, "nan")
    row = training.step()
    assert (training.status, training.error, row["train_loss"]) == ("diverged", "epoch 2: loss is nan", None)
    assert len(done) == 3  # of 15 steps
    assert training.epoch == 1


def test_a_step_that_raises_after_one_that_was_not_finite_is_a_divergence():
    training = training_of()
    training.network.head[0].weight.register_hook(lambda g: g * float("nan"))
    spoiled(training, 2, "raises")
    training.step()
    assert training.error == "epoch 1: gradient norm is nan"


def test_a_step_that_raises_alone_raises():
    training = training_of()
    spoiled(training, 2, "raises")
    with pytest.raises(ValueError, match="a term of a person's own"):
        training.step()


def test_sums_over_an_epoch_do_not_depend_on_how_often_they_are_read(monkeypatch):
    rows = []
    for every in (1, 4, 256):
        monkeypatch.setattr(step_log, "READ_EVERY", every)
        row = training_of(lambda_sil=0.3, tau_s=0.2).step()
        rows.append({name: value for name, value in row.items() if name not in ("seconds", "images_per_second")})
    assert rows[0] == rows[1] == rows[2]
