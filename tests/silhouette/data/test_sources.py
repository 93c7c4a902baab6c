"""Datasets on disk: IDX files, folders of images, the cache, and what is said when data cannot be had."""

import gzip
import json
import multiprocessing
import struct

import numpy as np
import pytest
from PIL import Image

from silhouette.config import ConfigError, TrialConfig, make_config
from silhouette.data import cache, sources, splits, torchvision_sources
from silhouette.errors import InputError
from silhouette.registry import DATASETS, check_dataset
from silhouette.training.run import Training

pytestmark = pytest.mark.usefixtures("data_folder")


def idx_bytes(array):
    return struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.tobytes()


def write_mnist(folder, train=60, test=20, compress=True):
    """Tiny IDX files whose images show their label as a grey level."""
    folder.mkdir(parents=True)
    for part, count in (("train", train), ("t10k", test)):
        labels = (np.arange(count) % 10).astype(np.uint8)
        images = np.broadcast_to(labels[:, None, None] * 25, (count, 28, 28)).astype(np.uint8)
        for name, array in ((f"{part}-images-idx3-ubyte", images), (f"{part}-labels-idx1-ubyte", labels)):
            data = idx_bytes(array)
            (folder / (name + ".gz" * compress)).write_bytes(gzip.compress(data) if compress else data)


@pytest.mark.parametrize("compress", [True, False])
def test_idx_files_keep_the_official_split(data_folder, compress):
    write_mnist(data_folder / "raw/mnist", compress=compress)
    arrays = splits.load(TrialConfig(dataset="mnist"))
    assert arrays.images.shape == (80, 1, 28, 28)
    assert (arrays.images[:, 0, 5, 5] == arrays.labels * 25).all()
    assert arrays.train == 60
    split = splits.make_split(TrialConfig(dataset="mnist"), arrays, 0)
    assert (split.test == np.arange(60, 80)).all()
    assert max(split.train.max(), split.val.max()) < 60
    assert len(split.val) == 10


def test_mnist_trains_from_idx_files(data_folder):
    write_mnist(data_folder / "raw/mnist")
    training = Training(TrialConfig(dataset="mnist", epochs=1, width=2, batch_size=16), 0)
    training.step()
    assert sum(training.result()["class_total"]) == 20


def test_other_sizes_are_other_entries(data_folder):
    write_mnist(data_folder / "raw/mnist")
    assert splits.load(TrialConfig(dataset="mnist", image_size=8)).images.shape == (80, 1, 8, 8)
    assert splits.load(TrialConfig(dataset="mnist")).images.shape == (80, 1, 28, 28)
    assert {p.name for p in (data_folder / "arrays").iterdir() if p.is_dir()} == {"mnist-8", "mnist-28"}


# Names by hand: the bytes of a gzip file hold the time, so that each worker would name the test otherwise.
@pytest.mark.parametrize(
    "data",
    [b"", b"abc", gzip.compress(b"x" * 40, mtime=0), idx_bytes(np.zeros(9, np.uint8))[:-1]],
    ids=["empty", "text", "gzip", "cut"],
)
def test_a_damaged_idx_file_is_one_line(tmp_path, data):
    for name in ("file", "file.gz"):
        path = tmp_path / name
        path.write_bytes(data)
        with pytest.raises(InputError, match=rf"dataset: .*{name} is damaged \("):
            sources.read_idx(path)


def test_the_cache_is_built_once_and_memory_mapped(data_folder, monkeypatch):
    config = TrialConfig(dataset="synthetic", synthetic_classes=3, synthetic_per_class=5)
    first = splits.load(config)
    assert isinstance(first.images, np.memmap)
    assert not first.images.flags.writeable
    splits._load.cache_clear()
    monkeypatch.setattr(sources, "synthetic", None)  # a call would fail
    second = splits.load(config)
    assert second.sha256 == first.sha256
    assert (second.images == first.images).all()


@pytest.mark.parametrize("damage", ["flip", "cut", "meta", "missing"])
def test_a_damaged_entry_is_found_and_rebuilt(data_folder, damage):
    config = TrialConfig(dataset="synthetic", synthetic_classes=3, synthetic_per_class=5)
    want = np.array(splits.load(config).images)
    (entry,) = [p for p in (data_folder / "arrays").iterdir() if p.is_dir()]
    images = entry / "images.npy"
    if damage == "flip":
        data = bytearray(images.read_bytes())
        data[-3] ^= 0xFF
        images.write_bytes(data)
    elif damage == "cut":
        images.write_bytes(images.read_bytes()[:-10])
    elif damage == "meta":
        (entry / "meta.json").write_text("{")
    else:
        (entry / "labels.npy").unlink()
    splits._load.cache_clear()
    cache._checked.cache_clear()  # as in a new process
    assert (splits.load(config).images == want).all()
    assert [p.name for p in (data_folder / "arrays").iterdir() if p.name.endswith(".tmp")] == []


def build_slowly(number, counter):
    def source():
        with counter.get_lock():
            counter.value += 1
        images = np.full((4, 1, 2, 2), 7, np.uint8)
        return cache.Source(images.shape, images, np.zeros(4, np.int64), ("a", "b"), None)

    assert (cache.open_entry("shared", source).images == 7).all()


def test_processes_wait_for_the_one_that_builds():
    context = multiprocessing.get_context("fork")
    counter = context.Value("i", 0)
    workers = [context.Process(target=build_slowly, args=(i, counter)) for i in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0] * 4
    assert counter.value == 1


def test_a_failed_build_leaves_nothing(data_folder):
    def broken():
        def images():
            yield np.zeros((1, 2, 2), np.uint8)
            raise OSError("disk full")

        return cache.Source((2, 1, 2, 2), images(), np.zeros(2, np.int64), ("a",), None)

    with pytest.raises(OSError, match="disk full"):
        cache.open_entry("broken", broken)
    assert [p.name for p in (data_folder / "arrays").iterdir()] == ["broken.lock"]


def test_progress_is_reported(data_folder):
    told = []
    splits.load(TrialConfig(dataset="synthetic"), lambda done, of: told.append((done, of)))
    assert (data_folder / "arrays").is_dir()
    assert told[-1] == (1000, 1000)
    assert len(told) == 4


def write_images(root, grey=False):
    for label, colour in (("cats", 200), ("dogs", 40)):
        (root / label).mkdir(parents=True)
        for number, size in enumerate([(20, 12), (12, 20), (9, 9), (30, 30)]):
            image = Image.new("L" if grey else "RGB", size, colour if grey else (colour, 0, 0))
            image.save(root / label / f"{number}.png")
    (root / "cats/notes.txt").write_text("no image")


@pytest.mark.parametrize("grey", [True, False])
def test_image_folder(tmp_path, grey):
    write_images(tmp_path / "pets", grey)
    arrays = splits.load(TrialConfig(dataset=f"image_folder:{tmp_path}/pets", image_size=8))
    assert arrays.images.shape == (8, 1 if grey else 3, 8, 8)
    assert arrays.classes == ("cats", "dogs")
    assert arrays.labels.tolist() == [0] * 4 + [1] * 4
    assert arrays.images[0, 0, 0, 0] == 200
    assert arrays.train is None


def test_image_folder_with_an_official_split(tmp_path):
    write_images(tmp_path / "pets/train")
    write_images(tmp_path / "pets/test")
    arrays = splits.load(TrialConfig(dataset=f"image_folder:{tmp_path}/pets", image_size=8))
    assert (arrays.train, len(arrays.labels)) == (8, 16)


def test_a_changed_folder_is_decoded_anew(tmp_path):
    write_images(tmp_path / "pets")
    config = TrialConfig(dataset=f"image_folder:{tmp_path}/pets", image_size=8)
    first = splits.load(config)
    Image.new("RGB", (9, 9)).save(tmp_path / "pets/dogs/new.png")
    splits._load.cache_clear()
    assert len(splits.load(config).labels) == len(first.labels) + 1


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda p: None, "must hold subfolders with images"),
        (lambda p: write_images(p / "one"), "must hold subfolders with images"),
        (lambda p: (p / "a").mkdir() or Image.new("L", (3, 3)).save(p / "a/x.png"), "each of two or more classes"),
        (
            lambda p: [(p / c).mkdir() or (p / c / "x.png").write_text("no") for c in "ab"],
            r"x.png is not an image that can be read",
        ),
    ],
)
def test_a_wrong_folder_is_one_line(tmp_path, make, message):
    root = tmp_path / "f"
    root.mkdir()
    make(root)
    with pytest.raises(InputError, match=message):
        splits.load(TrialConfig(dataset=f"image_folder:{root}", image_size=8))


@pytest.mark.parametrize(
    "name", ["../etc", "image_folder:relative/path", "image_folder:", "mnist/../..", "image_folder:/a\0b", ""]
)
def test_names_are_checked_against_path_tricks(name):
    with pytest.raises(ConfigError, match="dataset: "):
        make_config({"dataset": name})


def test_a_folder_has_one_spelling():
    assert check_dataset("image_folder:/a/./b//c/..") == "image_folder:/a/b"


@pytest.mark.parametrize("name", sorted(torchvision_sources.WANTED))
def test_a_failed_download_names_the_files_to_put_by_hand(name, monkeypatch, data_folder):
    def refuse(*_, **__):
        raise RuntimeError("no network\nlong story")

    monkeypatch.setitem(torchvision_sources._PARTS, name, refuse)
    with pytest.raises(InputError) as caught:
        splits.load(TrialConfig(dataset=name))
    assert str(caught.value).startswith(f"dataset: {name} cannot be downloaded (no network); put {data_folder}/raw/")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["mnist", "fashion_mnist", "kmnist"])
def test_idx_files_that_no_mirror_has_are_named(name, monkeypatch, data_folder):
    import torchvision.datasets as tv

    kind = {"mnist": tv.MNIST, "fashion_mnist": tv.FashionMNIST, "kmnist": tv.KMNIST}[name]
    monkeypatch.setattr(kind, "mirrors", ["http://127.0.0.1:9/"])
    with pytest.raises(InputError) as caught:
        splits.load(TrialConfig(dataset=name))
    assert f"put {data_folder}/raw/{name}/ with train-images-idx3-ubyte.gz, " in str(caught.value)


def test_stanford_cars_names_its_files(data_folder):
    with pytest.raises(InputError, match=r"stanford_cars cannot be downloaded .*cars_test_annos_withlabels.mat"):
        splits.load(TrialConfig(dataset="stanford_cars"))


def test_every_named_dataset_has_a_source():
    made = {"digits", "synthetic", "mnist", "fashion_mnist", "kmnist"}
    assert made | set(torchvision_sources._PARTS) == set(DATASETS)
    assert set(torchvision_sources.WANTED) == set(torchvision_sources._PARTS)
    assert sum(entry.paper for entry in DATASETS.values()) == 7


def test_torchvision_parts_become_arrays(monkeypatch):
    """CIFAR-like arrays and image files through the same path as the real splits."""
    train = torchvision_sources._arrays(np.full((3, 32, 32, 3), 9, np.uint8), [0, 1, 2])
    test = torchvision_sources._items([(Image.new("RGB", (40, 50), (1, 2, 3)), None)] * 2, [1, 2])
    monkeypatch.setitem(torchvision_sources._PARTS, "cifar10", lambda root: [train, test])
    arrays = splits.load(TrialConfig(dataset="cifar10"))
    assert (arrays.images.shape, arrays.train) == ((5, 3, 32, 32), 3)
    assert arrays.labels.tolist() == [0, 1, 2, 1, 2]
    assert arrays.images[4, :, 0, 0].tolist() == [1, 2, 3]


def test_an_unwritable_folder_is_one_line(monkeypatch, data_folder):
    def refuse(*_, **__):
        raise PermissionError("read-only")

    monkeypatch.setattr("pathlib.Path.mkdir", refuse)
    with pytest.raises(InputError, match="SILHOUETTE_DATA: must be a folder that can be written"):
        splits.load(TrialConfig(dataset="synthetic"))


def test_synthetic_classes_are_apart_and_fixed():
    source = sources.synthetic(8, classes=5, per_class=8, spread=0.2)
    images = np.stack(list(source.images)).reshape(5, 8, -1).astype(float)
    within = images.std(1).mean()
    between = images.mean(1).std(0).mean()
    assert between > 3 * within
    assert (
        np.stack(list(sources.synthetic(8, classes=5, per_class=8, spread=0.2).images)).reshape(5, 8, -1) == images
    ).all()


def test_meta_holds_the_sha256(data_folder):
    splits.load(TrialConfig(dataset="synthetic"))
    (entry,) = [p for p in (data_folder / "arrays").iterdir() if p.is_dir()]
    meta = json.loads((entry / "meta.json").read_text())
    assert meta["sha256"] == cache.sha256_of(entry / "images.npy", entry / "labels.npy")
