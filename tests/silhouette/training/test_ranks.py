"""Two processes in one group against one process: weights after an epoch, for every kind of term."""

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp

from silhouette import Training, TrialConfig
from silhouette.config import ConfigError, make_config
from silhouette.registry import TERMS
from silhouette.training.ranks import Ranks
from tests.helpers.plugin import NAME, write_plugin

DRAWS = ("kcl", "tsc")  # they draw positives, from other generators than in one process
SETTINGS = {
    **{name: {"objective": name} for name in TERMS if name not in DRAWS},
    "silhouette": {"lambda_sil": 0.5},
    "silhouette alone beside a metric loss": {"objective": "triplet", "lambda_sil": 0.5},
    "memory": {"lambda_sil": 0.5, "class_memory": "momentum", "memory_least": 4, "reduction": "macro"},
    "queue": {"lambda_sil": 0.5, "class_memory": "queue", "distance": "cosine"},
    "frequencies": {"lambda_sil": 0.5, "class_prior": 1.0, "reduction": "balanced", "imbalance": "long_tail"},
    "drw": {"lambda_sil": 0.5, "reweight": "drw", "drw_epoch": 0, "grad_clip": 0.5},
    "mixture": {"objective": "ce + 0.5*supcon2 + bcl", "lambda_sil": 0.2},
    "bf16": {"amp": "bf16", "lambda_sil": 0.2},
}


def config(name, size):
    settings = {"imbalance_factor": 10} if SETTINGS[name].get("imbalance") else {}
    return TrialConfig(
        **settings,
        **{"transform": "crop_flip", "classifier": "cosine" if name == "ldam" else "linear", **SETTINGS[name]},
        encoder=f"{NAME}.nets:tiny",  # no batch normalisation
        optimizer="sgd",
        lr=0.02,
        epochs=1,
        train_fraction=0.3,
        world_size=size,
    )


def state(training):
    found = {**training.network.state_dict(), **training.objective.state_dict()}
    return {name: value.float().clone() for name, value in found.items()}


def work(rank, folder):
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/rendezvous", rank=rank, world_size=2)
    found = {}
    for name in SETTINGS:
        training = Training(config(name, 2), 0, device="cpu", threads=1, ranks=Ranks(rank, 2))
        training.step()
        found[name] = state(training)
    torch.save(found, f"{folder}/{rank}.pt")
    dist.barrier()
    dist.destroy_process_group()


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    """What both processes have after an epoch, by name of the settings."""
    folder = tmp_path_factory.mktemp("two")
    write_plugin(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        mp.spawn(work, args=(str(folder),), nprocs=2)
        yield [torch.load(folder / f"{rank}.pt", weights_only=True) for rank in range(2)]


@pytest.mark.parametrize("name", SETTINGS)
def test_two_processes_train_what_one_trains(two, name):
    training = Training(config(name, 1), 0, device="cpu", threads=1)
    before = state(training)
    training.step()
    after = state(training)
    assert any(not torch.equal(before[key], after[key]) for key in after)
    tolerance = {"rtol": 0.02, "atol": 2e-3} if name == "bf16" else {"rtol": 1e-4, "atol": 1e-5}
    for rank in range(2):
        torch.testing.assert_close(two[rank][name], after, **tolerance)


def test_both_processes_have_the_same_bits(two):
    for name in SETTINGS:
        for key, value in two[0][name].items():
            assert torch.equal(value, two[1][name][key]), (name, key)


def test_a_config_of_two_processes_does_not_train_in_one():
    training = Training(TrialConfig(world_size=2), 0, device="cpu")
    with pytest.raises(RuntimeError, match="trains in 2 processes, not in 1"):
        training.step()


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        ({"world_size": 3}, "world_size: must divide batch_size = 64, got 3"),
        ({"world_size": 8, "batch_size": 8}, "world_size: must leave each process two samples of a batch of 8, got 8"),
        ({"world_size": 0}, "world_size: "),
    ],
)
def test_a_batch_that_cannot_be_shared_is_one_line(settings, line):
    with pytest.raises(ConfigError) as caught:
        make_config(settings)
    assert str(caught.value).startswith(line)
    assert "\n" not in str(caught.value)
