"""Batches of images: the same bytes whichever way they take to the device."""

import gc
import threading

import numpy as np
import pytest
import torch

from silhouette import Training, TrialConfig
from silhouette.data import feed
from silhouette.data.feed import Feed

CPU = torch.device("cpu")
WAYS = ("host", "resident", "streamed")


def images(count=50, side=6):
    return np.random.default_rng(0).integers(256, size=(count, 3, side, side), dtype=np.uint8)


def parts():
    return np.array_split(np.random.default_rng(1).permutation(50), 7)


@pytest.mark.parametrize("way", WAYS)
def test_every_way_gives_the_images_of_each_part(way):
    x = images()
    found = list(Feed(x, "a", CPU, way).batches(parts()))
    assert [len(batch) for batch in found] == [len(part) for part in parts()]
    for batch, part in zip(found, parts(), strict=True):
        assert batch.dtype == torch.uint8
        assert np.array_equal(batch.numpy(), x[part])


def test_a_memory_map_is_streamed_without_its_file_being_read_whole(tmp_path):
    np.save(tmp_path / "x.npy", images())
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    assert [b.tolist() for b in Feed(mapped, "a", CPU, "streamed").batches(parts())] == [
        images()[part].tolist() for part in parts()
    ]


def test_a_stream_that_is_left_ends_its_thread():
    before = threading.active_count()
    batches = Feed(images(), "a", CPU, "streamed").batches(parts())
    next(batches)
    assert threading.active_count() == before + 1
    batches.close()
    assert threading.active_count() == before


def test_a_fault_of_the_thread_is_raised():
    class Broken(np.ndarray):
        def take(self, *args, **kwargs):
            raise OSError("the file system is gone")

    with pytest.raises(OSError, match="the file system is gone"):
        list(Feed(images().view(Broken), "a", CPU, "streamed").batches(parts()))


def test_trials_of_a_process_share_their_images_and_the_last_one_frees_them():
    one, two, other = (Feed(images(), name, CPU, "resident") for name in ("same", "same", "other"))
    assert one._resident is two._resident
    assert one._resident is not other._resident
    assert ("same", "cpu") in feed._on_device
    del one, two
    gc.collect()
    assert ("same", "cpu") not in feed._on_device


def test_a_device_without_room_gets_streamed_batches(monkeypatch):
    def full(*_):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(feed, "_shared", full)
    found = Feed(images(), "a", CPU, "resident")
    assert found.way == "streamed"
    assert sum(len(batch) for batch in found.batches(parts())) == 50


@pytest.mark.parametrize(("free", "way"), [(1 << 30, "resident"), (5000, "streamed")])
def test_images_lie_on_a_gpu_where_a_quarter_of_its_free_memory_is_enough(monkeypatch, free, way):
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (free, 1 << 40))
    assert feed._way(images(), "new", torch.device("cuda:0")) == way
    assert feed._way(images(), "new", CPU) == "host"


def trained(way, **settings):
    training = Training(TrialConfig(epochs=2, width=4, lambda_sil=0.2, **settings), 0)
    training._feed = Feed(training._data.images, training._data.sha256, CPU, way)
    while not training.done:
        training.step()
    return training.weights(), training.result()["test_loss"]


@pytest.mark.parametrize("transform", ["none", "crop_flip"])
def test_a_trial_has_the_same_bits_whichever_way_its_images_take(transform):
    weights, loss = trained("host", transform=transform)
    for way in WAYS[1:]:
        other, other_loss = trained(way, transform=transform)
        assert other_loss == loss
        assert all(np.array_equal(weights[name], other[name]) for name in weights)
