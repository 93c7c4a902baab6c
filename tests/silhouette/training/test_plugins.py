"""A person's own encoder, data set and loss: they train, resume with the same bits, and are checked before that."""

import numpy as np
import pytest

from silhouette.config import make_config
from silhouette.data import splits
from silhouette.errors import InputError
from silhouette.training.plugin_checks import check_plugins
from silhouette.training.run import Training
from tests.helpers.own_data import arrays_of, save
from tests.helpers.plugin import NAME, SOURCES, write_plugin

OWN = {"encoder": f"{NAME}.nets:tiny", "dataset": f"{NAME}.data:stripes", "objective": f"ce + 0.5*{NAME}.losses:arc"}
OPTIONS = {"encoder.depth": 3, "arc.margin": 0.1, "dataset.per_class": 30}


@pytest.fixture
def plugin(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("SILHOUETTE_DATA", str(tmp_path / "cache"))
    splits._load.cache_clear()
    yield write_plugin(tmp_path)
    splits._load.cache_clear()


def config_of(**more):
    return make_config({**OWN, **OPTIONS, "epochs": 4, "batch_size": 16, "embedding_dim": 8, **more})


def training(**more):
    return Training(config_of(**more), 0, device="cpu", threads=1)


def comparable(run):
    left_out = ("seconds", "images_per_second")
    return [{k: v for k, v in row.items() if k not in left_out} for row in run.curve], run.result()["test_top1"]


def test_they_train_and_resume_with_the_same_bits(plugin):
    whole, first, second = training(), training(), training()
    while not whole.done:
        whole.step()
    first.step()
    first.step()
    second.load_state_dict(first.state_dict())
    while not second.done:
        second.step()
    assert comparable(second) == comparable(whole)
    assert whole.curve[-1]["train_loss"] < whole.curve[0]["train_loss"]
    assert [row["term"] for row in whole.result()["terms"]] == ["ce", f"{NAME}.losses:arc"]


def test_options_and_counts_arrive_and_proxies_have_their_own_rate(plugin):
    run = training(loss_lr_scale=5.0)
    term = run.objective.terms["arc"].loss
    assert term.margin == 0.1
    assert list(term.counts) == np.bincount(run._split.train_labels).tolist()
    group = next(g for g in run.optimizer.param_groups if any(p is term.proxies for p in g["params"]))
    assert (group["lr_scale"], group["weight_decay"]) == (5.0, 0.0)
    assert sum(layer.__class__.__name__ == "Linear" for layer in run.network.encoder) == 3
    assert len(run._data.labels) == 3 * 30


def test_another_source_or_option_is_another_entry_of_the_cache(plugin):
    first = splits.load(config_of()).sha256
    assert splits.load(config_of(**{"dataset.seed": 1})).sha256 != first
    write_plugin(plugin.parent, data=SOURCES["data.py"].replace("200", "90"))
    splits._load.cache_clear()
    assert splits.load(config_of()).sha256 != first


def test_what_is_right_passes_and_leaves_the_generator_alone(plugin):
    import torch

    before = torch.get_rng_state()
    check_plugins(config_of(), here=True)
    assert torch.equal(torch.get_rng_state(), before)


ENCODERS = {
    "return nn.Flatten()": "must return (nn.Module, features), got Flatten",
    "return nn.Flatten(), 64.0": "must return (nn.Module, features) with a whole number of features, got 64.0",
    "return 3, 64": "must return (nn.Module, features), got int as the first",
    "return nn.Flatten(), 12": "says that it has 12 features, so it must map images (2, 1, 8, 8) to (2, 12)",
    "raise KeyError('weights')": "fails (KeyError: 'weights')",
    "return nn.Linear(3, 2), 2": "fails (RuntimeError: ",
    "return Cast(torch.float16), 64": "says that it has 64 features, so it must map images (2, 1, 8, 8) to (2, 64) "
    "float32, got (2, 64) torch.float16",
    "return Cast(torch.int64), 64": "says that it has 64 features, so it must map images (2, 1, 8, 8) to ",
    "raise SystemExit('bad')": "fails (SystemExit: bad)",
}
LOSSES = {
    "return lambda e, y: e.sum()": "must return an nn.Module, got function",
    "return L(lambda e, y: e)": "must return a scalar loss of embeddings and labels, got a tensor (8, 8) torch.float32",
    "return L(lambda e, y: 1.0)": "must return a scalar loss of embeddings and labels, got float",
    "return L(lambda e, y: e.sum() * float('nan'))": "must return a finite loss of a random batch, got nan",
    "return L(lambda e, y: e.detach().sum())": "must return a loss with a gradient, got one that was detached",
    "return L(lambda e, y: e @ y)": "fails (RuntimeError: ",
    "return L(lambda e, y: exit('bad'))": "fails (SystemExit: bad)",
}
DATA = {
    "return [1, 2]": "must return a silhouette.data.cache.Source, got list",
    "return source(shape=(6, 8, 8))": "must return shape (N, C, H, W) with C = 1 or 3 and H = W, got (6, 8, 8)",
    "return source(shape=(6, 2, 8, 8))": "must return shape (N, C, H, W) with C = 1 or 3",
    "return source(labels=np.zeros(5, int))": "must return labels (6,) of whole numbers, got (5,) int64",
    "return source(labels=np.zeros(6))": "must return labels (6,) of whole numbers, got (6,) float64",
    "return source(labels=np.arange(6))": "must return labels from 0 to 2, got 0 to 5",
    "return source(labels=np.zeros(6, int))": "must return training samples of every class, got none of class 1",
    "return source(train=6)": "must return train as None or from 1 to 5, got 6",
    "return source(images=[np.zeros((1, 8, 8))] * 6)": "must return images (1, 8, 8) uint8, got (1, 8, 8) float64",
    "raise FileNotFoundError('no birds.npz')": "fails (FileNotFoundError: no birds.npz)",
}
NET = """
import torch
from torch import nn


class Cast(nn.Flatten):
    def __init__(self, dtype):
        super().__init__()
        self.dtype = dtype

    def forward(self, images):
        return super().forward(images).to(self.dtype)


def tiny(in_shape, *, depth=2):
    """
LOSS = """
from torch import nn


class L(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, embeddings, labels):
        return self.function(embeddings, labels)


def arc(num_classes, embedding_dim, *, margin=0.25):
    """
DATASET = """
import numpy as np
from silhouette.data.cache import Source


def source(**changed):
    fields = {"shape": (6, 1, 8, 8), "images": [np.zeros((1, 8, 8), np.uint8)] * 6, "labels": np.arange(6) % 3,
              "classes": ("a", "b", "c"), "train": None}
    return Source(**{**fields, **changed})


def stripes(image_size, *, per_class=24):
    """
FAULTS = [
    *(("nets", NET + code, line) for code, line in ENCODERS.items()),
    *(("losses", LOSS + code, line) for code, line in LOSSES.items()),
    *(("data", DATASET + code, line) for code, line in DATA.items()),
]


@pytest.mark.parametrize(("module", "source", "line"), FAULTS)
def test_a_fault_is_one_line_before_anything_trains(plugin, module, source, line):
    write_plugin(plugin.parent, **{module: source})
    field, name = {
        "nets": ("encoder", "nets:tiny"),
        "losses": ("objective", "losses:arc"),
        "data": ("dataset", "data:stripes"),
    }[module]
    with pytest.raises(InputError) as caught:
        check_plugins(config_of(), here=True)
    assert str(caught.value).startswith(f"{field}: {NAME}.{name} {line}")
    assert "\n" not in str(caught.value)


def test_images_of_another_number_than_the_labels_are_refused_when_they_are_decoded(plugin):
    write_plugin(plugin.parent, data=DATASET + "return source(images=[np.zeros((1, 8, 8), np.uint8)] * 5)")
    check_plugins(config_of(), here=True)
    with pytest.raises(InputError, match="must return 6 images, one for each label, got 5"):
        splits.load(config_of())


@pytest.mark.parametrize(("shape", "found"), [((14, 14), (1, 14, 14)), ((12, 12, 3), (3, 12, 12))])
def test_an_encoder_is_checked_with_images_as_the_file_has_them(plugin, tmp_path, shape, found):
    name = save(tmp_path / "own.npz", arrays_of(shape=shape))
    write_plugin(plugin.parent, nets=SOURCES["nets.py"].replace("channels,", f"assert in_shape == {found}; channels,"))
    check_plugins(make_config({"encoder": OWN["encoder"], "dataset": name}), here=True)
    write_plugin(plugin.parent, nets="from torch import nn\ndef tiny(in_shape): return nn.Conv2d(5, 2, 1), 2")
    with pytest.raises(InputError, match=r"^encoder: .* fails \(RuntimeError: .*channels"):
        check_plugins(make_config({"encoder": OWN["encoder"], "dataset": name}), here=True)
    absent = make_config({"encoder": OWN["encoder"], "dataset": "npz:/nowhere/own.npz"})
    write_plugin(plugin.parent)
    check_plugins(absent, here=False)  # the file is on the nodes


def test_data_that_are_on_the_nodes_only_do_not_stop_the_driver(plugin):
    write_plugin(plugin.parent, data=DATASET + "raise FileNotFoundError('no birds.npz')")
    check_plugins(config_of(), here=False)
