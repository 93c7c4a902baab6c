"""Learning rates, optimisers, clipping, mixed precision, and exact resumption with all of them."""

import io

import pytest
import torch

from silhouette import Training, TrialConfig
from silhouette.training.machine import peak_memory, reset_peak_memory
from silhouette.training.objectives import Objective
from silhouette.training.optimizer import build_optimizer, learning_rate, peak_lr

SMALL = {"epochs": 3, "width": 4, "imbalance": "long_tail", "imbalance_factor": 20, "lambda_sil": 0.2}


def rates(per_epoch=10, **settings):
    config = TrialConfig(lr=1.0, epochs=4, **settings)
    return [learning_rate(config, step, per_epoch) for step in range(4 * per_epoch)]


def test_cosine_falls_to_zero():
    cosine = rates()
    assert cosine[0] == 1
    assert cosine[20] == pytest.approx(0.5)
    assert 0 < cosine[-1] < 0.01
    assert cosine == sorted(cosine, reverse=True)


def test_warmup_rises_in_a_line():
    warm = rates(warmup_epochs=0.5)
    assert warm[:6] == pytest.approx([1 / 6, 2 / 6, 3 / 6, 4 / 6, 5 / 6, 1])
    assert rates(warmup_epochs=0.5, schedule="constant")[5:] == [1] * 35


def test_one_cycle_equals_torch():
    want = torch.optim.lr_scheduler.OneCycleLR(
        torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0), 1.0, 40, final_div_factor=400
    )
    got = rates(schedule="one_cycle")
    assert got[0] == pytest.approx(want.get_last_lr()[0])
    assert max(got) == got[12] == 1
    assert got[-1] < 0.01


def published_rate(lr, epoch):
    """The rate of Cao et al. (2019) for CIFAR in an epoch from 1."""
    if epoch <= 5:
        return lr * epoch / 5
    return lr * (0.0001 if epoch > 180 else 0.01 if epoch > 160 else 1)


def test_multistep_is_the_published_schedule_of_cifar_lt():
    config = TrialConfig(lr=0.1, epochs=200, schedule="multistep", warmup_epochs=5)
    got = [learning_rate(config, step, 3) for step in range(600)]
    assert got == pytest.approx([published_rate(0.1, step // 3 + 1) for step in range(600)], rel=1e-12)
    plain = config.model_copy(update={"warmup_epochs": 0.0, "lr_factor": 0.5, "milestones": (1, 2)})
    assert [learning_rate(plain, step, 1) for step in range(4)] == [0.1, 0.05, 0.025, 0.025]


def test_plain_momentum_and_decay_of_every_weight_by_hand():
    """v = 0.9 v + g + decay w; w = w - lr v, for a bias as for a matrix, with the gradient 1."""
    settings = {"optimizer": "sgd", "lr": 0.1, "weight_decay": 0.5, "nesterov": False, "decay_all": True}
    network = torch.nn.Linear(1, 1).double()
    torch.nn.init.ones_(network.weight)
    torch.nn.init.ones_(network.bias)
    config = TrialConfig(**settings)
    optimizer = build_optimizer(config, network, Objective(config, 2))
    for _ in range(2):
        optimizer.zero_grad()
        network(torch.ones(1, 1).double()).sum().backward()
        optimizer.step()
    # first step: v = 1.5, w = 0.85; second: v = 1.35 + 1 + 0.425 = 2.775, w = 0.5725
    assert [float(p.detach()) for p in network.parameters()] == pytest.approx([0.5725, 0.5725], rel=1e-12)


def test_proxies_are_never_decayed():
    config = TrialConfig(objective="ce + center + arcface", decay_all=True, weight_decay=0.1)
    objective = Objective(config, 2)
    optimizer = build_optimizer(config, torch.nn.Linear(2, 2), objective)
    decays = {id(p): g["weight_decay"] for g in optimizer.param_groups for p in g["params"]}
    assert [decays[id(p)] for p in objective.parameters()] == [0, 0]


def test_layers_of_a_term_are_trained_as_those_of_the_network():
    config = TrialConfig(objective="bcl", transform="crop_flip", weight_decay=0.1, loss_lr_scale=10)
    objective = Objective(config, 2, features=4)
    optimizer = build_optimizer(config, torch.nn.Linear(2, 2), objective)
    found = {id(p): (g["weight_decay"], g["lr_scale"]) for g in optimizer.param_groups for p in g["params"]}
    want = [(0.1 if p.dim() > 1 else 0, 1) for p in objective.parameters()]
    assert [found[id(p)] for p in objective.parameters()] == want


@pytest.mark.parametrize(("scaling", "want"), [("none", 0.1), ("linear", 0.025), ("sqrt", 0.05)])
def test_lr_scaling_is_off_unless_chosen(scaling, want):
    assert peak_lr(TrialConfig(lr=0.1, batch_size=64, lr_scaling=scaling)) == pytest.approx(want)


@pytest.mark.parametrize("settings", [{}, {"optimizer": "sgd"}, {"optimizer": "sgd", "momentum": 0}])
def test_only_matrices_are_decayed(settings):
    network = torch.nn.Sequential(torch.nn.Linear(3, 3), torch.nn.BatchNorm1d(3))
    config = TrialConfig(weight_decay=0.1, objective="ce + center", **settings)
    optimizer = build_optimizer(config, network, Objective(config, 2))
    decays = {id(p): g["weight_decay"] for g in optimizer.param_groups for p in g["params"]}
    assert [decays[id(p)] for p in network.parameters()] == [0.1, 0, 0, 0]
    assert sorted(decays.values()) == [0, 0, 0, 0, 0.1]  # the centres are not decayed either


def finish(training):
    while not training.done:
        training.step()
    return training


def weights(training):
    return b"".join(value.numpy().tobytes() for value in training.network.state_dict().values())


@pytest.mark.parametrize(
    "settings",
    [
        {"optimizer": "sgd", "lr": 0.05, "schedule": "one_cycle", "grad_clip": 0.5},
        {"amp": "bf16", "transform": "crop_flip"},
        {"amp": "fp16"},
        {"objective": "ce + 0.1*center + proxy_nca", "sampler": "balanced", "warmup_epochs": 1},
        {"objective": "supcon2", "transform": "randaugment", "sampler": "pk", "batch_size": 32},
        {
            "optimizer": "sgd",
            "nesterov": False,
            "decay_all": True,
            "lr": 0.05,
            "schedule": "multistep",
            "milestones": (1, 2),
            "val_fraction": 0,
            "subset": "fixed",
        },
        {"encoder": "mobilenet_v3_small", "epochs": 2, "channels_last": True},  # it has dropout
    ],
    ids=lambda s: " ".join(f"{k}={v}" for k, v in s.items()),
)
def test_every_option_resumes_with_the_same_bits(settings):
    config = TrialConfig(**{**SMALL, **settings})
    whole, half = finish(Training(config, 0)), Training(config, 0)
    half.step()
    file = io.BytesIO()
    torch.save(half.state_dict(), file)
    file.seek(0)
    resumed = Training(config, 0)
    resumed.load_state_dict(torch.load(file, weights_only=True))
    assert weights(finish(resumed)) == weights(whole)
    assert resumed.result()["test_loss"] == whole.result()["test_loss"]
    assert whole.status == "complete"


def test_clipping_bounds_the_step():
    free, clipped = (
        Training(TrialConfig(**{**SMALL, "optimizer": "sgd", "momentum": 0, "lr": 1e-6, "grad_clip": clip}), 0)
        for clip in (None, 1e-3)
    )
    for training in (free, clipped):
        training.step()
        norms = [p.grad.norm() for p in training._parameters if p.grad is not None]
        training.norm = float(torch.stack(norms).norm())
    assert clipped.norm == pytest.approx(1e-3, rel=1e-3)
    assert free.norm > 1e-2


@pytest.mark.parametrize("scale", [1.0, 2.0**-11])
def test_an_fp16_overflow_is_a_divergence_only_at_the_smallest_scale(scale):
    training = Training(TrialConfig(**SMALL, amp="fp16"), 0)
    training.scaler.load_state_dict({**training.scaler.state_dict(), "scale": scale})
    training.network.head[0].weight.register_hook(lambda g: g * float("inf"))
    before = training.weights()["classifier.weight"]
    training.step()
    if scale < 2.0**-10:
        assert training.error == "epoch 1: gradient norm is nan"
    else:  # left to the scaler, which leaves out each step
        assert training.status == "running"
    assert (training.weights()["classifier.weight"] == before).all()


def test_a_gradient_that_is_not_finite_is_a_divergence():
    training = Training(TrialConfig(**{**SMALL, "lr": 1e-3}), 0)
    training.network.head[0].weight.register_hook(lambda g: g * float("nan"))
    training.step()
    assert training.status == "diverged"
    assert training.error == "epoch 1: gradient norm is nan"


def test_a_rate_that_is_too_high_diverges_without_an_exception():
    training = Training(TrialConfig(**{**SMALL, "optimizer": "sgd", "lr": 100.0, "epochs": 30}), 0)
    finish(training)
    result = training.result()
    assert result["status"] in ("diverged", "complete")
    numbers = [v for row in result["curve"] for v in row.values() if isinstance(v, float)]
    assert all(abs(v) < float("inf") for v in numbers)


def test_validation_can_be_rarer_and_includes_the_last_epoch():
    training = finish(Training(TrialConfig(**SMALL, eval_every=2), 0))
    assert [row["val_top1"] is None for row in training.curve] == [True, False, False]
    assert training.result()["val_top1"] is not None


def test_corruptions_are_measured_on_request():
    result = finish(Training(TrialConfig(**{**SMALL, "epochs": 1, "corruptions": True}), 0)).result()
    rows = result["test_corruptions"]
    assert len(rows) == 25
    assert result["test_corruption_top1"] == pytest.approx(sum(r["top1"] for r in rows) / 25)
    assert finish(Training(TrialConfig(**{**SMALL, "epochs": 1}), 0)).result()["test_corruptions"] is None


def test_label_noise_changes_neither_counts_nor_test_data():
    clean, noisy = (Training(TrialConfig(**SMALL, label_noise=noise), 0) for noise in (0.0, 0.5))
    assert clean.result()["class_train"] == noisy.result()["class_train"]
    assert (clean._split.train_labels != noisy._split.train_labels).mean() == pytest.approx(0.5, abs=0.01)


def test_peak_memory_is_reset():
    cpu = torch.device("cpu")
    block = torch.ones(50_000_000)
    high = peak_memory(cpu)
    del block
    reset_peak_memory(cpu)
    assert peak_memory(cpu) <= high - 150_000_000
