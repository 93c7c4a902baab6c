"""npz files in the layout of MedMNIST: their pixels, their parts, and what is said about wrong ones."""

import pickle
import zipfile

import numpy as np
import pytest

from silhouette.config import TrialConfig
from silhouette.data import splits
from silhouette.errors import InputError
from silhouette.training.run import Training
from tests.helpers.own_data import arrays_of, opened, save

pytestmark = pytest.mark.usefixtures("data_folder")

NO_VAL = {"val_images": None, "val_labels": None}
NO_TEST = {"test_images": None, "test_labels": None}


@pytest.mark.parametrize("shape", [(12, 12), (12, 12, 1), (12, 12, 3)], ids=str)
def test_npz_gives_the_pixels_of_its_parts_in_their_own_size(tmp_path, shape):
    given = arrays_of(shape=shape)
    data = opened(save(tmp_path / "x.npz", given))
    pixels = np.concatenate([given[f"{part}_images"] for part in ("train", "val", "test")]).reshape(110, 12, 12, -1)
    assert (data.images == pixels.transpose(0, 3, 1, 2)).all()
    labels = np.concatenate([given[f"{part}_labels"] for part in ("train", "val", "test")])[:, 0]
    assert (data.labels == labels).all()
    assert (data.train, data.classes, data.images.shape[1]) == (80, tuple("01234"), pixels.shape[3])


def test_npz_in_the_order_of_fortran_gives_the_same_pixels(tmp_path):
    given = arrays_of()
    want = opened(save(tmp_path / "x.npz", given)).sha256
    turned = {name: np.asfortranarray(array) for name, array in given.items()}
    assert opened(save(tmp_path / "y.npz", turned)).sha256 == want


def test_npz_takes_another_size_and_cuts_the_middle_square_out(tmp_path):
    name = save(tmp_path / "x.npz", arrays_of(shape=(8, 14)))
    assert opened(name, image_size=6).images.shape == (110, 1, 6, 6)
    assert (opened(name).images[:, 0] == np.concatenate([*_parts(arrays_of(shape=(8, 14)))])[:, :, 3:11]).all()


def _parts(arrays):
    return (arrays[f"{part}_images"] for part in ("train", "val", "test") if f"{part}_images" in arrays)


def test_validation_arrays_join_the_training_data_and_tests_stay_apart(tmp_path):
    data = opened(save(tmp_path / "x.npz", arrays_of()))
    for fields, train, val in (({"val_fraction": 0.25}, 60, 20), ({"val_fraction": 0}, 80, 0)):
        split = splits.make_split(TrialConfig(**fields), data, 3)
        assert (len(split.train), len(split.val)) == (train, val)
        assert sorted([*split.train, *split.val]) == list(range(80))
        assert (split.test == np.arange(80, 110)).all()


def test_validation_of_the_training_profile_has_its_tail(tmp_path):
    data = opened(save(tmp_path / "x.npz", arrays_of(train=200, val=50, test=10)))
    tail = {"imbalance": "long_tail", "imbalance_factor": 10, "class_order": "fixed"}
    whole = splits.make_split(TrialConfig(**tail, val_fraction=0), data, 0)
    assert np.bincount(data.labels[whole.train]).tolist() == [50, 28, 15, 8, 5]
    split = splits.make_split(TrialConfig(**tail, val_fraction=0.2, val_profile="train"), data, 0)
    assert np.bincount(data.labels[split.val]).tolist() == [10, 6, 3, 2, 1]
    assert sorted([*split.train, *split.val]) == whole.train.tolist()


def test_without_test_arrays_the_test_samples_are_cut_once(tmp_path):
    data = opened(save(tmp_path / "x.npz", arrays_of(**NO_TEST, **NO_VAL)))
    assert data.train is None
    pools = {splits.make_split(TrialConfig(), data, seed).test_pool_sha256 for seed in range(3)}
    assert len(pools) == 1


def test_a_trial_on_npz_records_the_hash_of_the_content(tmp_path):
    name = save(tmp_path / "x.npz", arrays_of())
    training = Training(TrialConfig(dataset=name, epochs=1, width=2, batch_size=16), 0)
    training.step()
    result = training.result()
    assert result["data_sha256"] == opened(name).sha256
    assert result["class_train"] == [14] * 5  # 16 of each class, less 15 %
    assert sum(result["class_total"]) == 30


def test_changed_content_is_another_entry_with_another_hash(tmp_path, data_folder):
    given = arrays_of()
    first = opened(save(tmp_path / "x.npz", given))
    given["train_images"][0, 0, 0] ^= 1
    second = opened(save(tmp_path / "x.npz", given))
    assert first.sha256 != second.sha256
    assert len([p for p in (data_folder / "arrays").iterdir() if p.is_dir()]) == 2


LAYOUT = {  # changed arrays: the line that must answer
    "no labels": ({"train_labels": None}, "must have the array train_labels, got test_images, "),
    "no training images": ({"train_images": None}, "must have the array train_images, got "),
    "half of validation": ({"val_labels": None}, "must have the array val_labels"),
    "images are floats": ({"train_images": np.zeros((60, 12, 12, 3))}, "train_images must be uint8, .* got float64"),
    "images are objects": ({"test_images": np.full(30, None)}, "test_images must be uint8, from 0 to 255, got object"),
    "four channels": (
        {"train_images": np.zeros((60, 9, 9, 4), np.uint8)},
        r"or \(N, H, W, 3\), .* got \(60, 9, 9, 4\)",
    ),
    "volumes": ({"train_images": np.zeros((6, 9, 9, 9, 1), np.uint8)}, r"train_images must be \(N, H, W\) or "),
    "flat images": ({"train_images": np.zeros((60, 9), np.uint8)}, r"train_images must be \(N, H, W\) or "),
    "no images": ({"test_images": np.zeros((0, 12, 12, 3), np.uint8)}, r"none of them 0, got \(0, 12, 12, 3\)"),
    "tests of another shape": (
        {"test_images": np.zeros((30, 12, 9, 3), np.uint8)},
        r"test_images must be like train_images, \(12, 12, 3\) each, got \(12, 9, 3\)",
    ),
    "labels are floats": ({"train_labels": np.zeros(60)}, "train_labels must be whole numbers, got float64"),
    "labels are objects": ({"train_labels": np.full(60, None)}, "train_labels must be whole numbers, got object"),
    "labels are words": ({"train_labels": np.full(60, "cat")}, "train_labels must be whole numbers, got <U3"),
    "many labels for an image": (
        {"train_labels": np.zeros((60, 14), int)},
        r"train_labels must be \(60,\) or \(60, 1\), one label for each image, got \(60, 14\)",
    ),
    "too few labels": ({"train_labels": np.zeros(59, int)}, r"train_labels must be \(60,\) or .* got \(59,\)"),
    "negative label": ({"train_labels": np.arange(60) % 5 - 1}, "labels: labels must be 0 or more, got -1"),
    "one class": (
        {"train_labels": np.zeros(60, int), "val_labels": np.zeros(20, int)},
        "train_labels and val_labels: must have samples of two or more classes, got 1",
    ),
    "gap": (
        {"train_labels": np.arange(60) % 2 * 2, "val_labels": np.zeros(20, int)},
        "label 1 has no sample, but labels go up to 2; number the classes 0, 1, 2, … without a gap",
    ),
    "class of tests alone": (
        {"test_labels": np.arange(30) % 6},
        "test_labels: label 5 has no training sample; take it out, or add",
    ),
}


@pytest.mark.parametrize("case", LAYOUT)
def test_a_wrong_layout_is_one_line(case, tmp_path, data_folder):
    changed, line = LAYOUT[case]
    name = save(tmp_path / "x.npz", arrays_of(**changed))
    with pytest.raises(InputError, match=rf"^dataset: {tmp_path}/x.npz: .*{line}") as caught:
        opened(name)
    assert "\n" not in str(caught.value)
    assert not [p for p in data_folder.glob("arrays/*") if p.is_dir()]


def cut(path):
    path.write_bytes(path.read_bytes()[:-400])


def flip(path):
    """Change a pixel of a file without compression, whose checksum then is wrong."""
    data = bytearray(path.read_bytes())
    data[data.find(b"train_images.npy") + 400] ^= 1
    path.write_bytes(data)


def longer(path):
    """Say in the header that there are fewer images than there are."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    members["val_images.npy"] = members["val_images.npy"].replace(b"(20, 12", b"(10, 12")
    members["val_labels.npy"] = members["val_labels.npy"].replace(b"(20, 1)", b"(10, 1)")
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)


def rewritten(name, old, new):
    """Damage that replaces bytes of one array's file."""

    def damage(path):
        with zipfile.ZipFile(path) as archive:
            members = {one: archive.read(one) for one in archive.namelist()}
        assert old in members[name]
        members[name] = members[name].replace(old, new)
        with zipfile.ZipFile(path, "w") as archive:
            for one, data in members.items():
                archive.writestr(one, data)

    return damage


class Trap:
    """A pickle of it makes a file when it is loaded."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


@pytest.mark.parametrize(
    ("damage", "line"),
    [
        (lambda p: p.unlink(), "there is no such file on this machine"),
        (lambda p: (p.unlink(), p.mkdir()), "cannot be read as npz"),
        (lambda p: p.write_bytes(b""), "cannot be read as npz"),
        (lambda p: p.write_bytes(pickle.dumps(Trap(p.parent / "trap"))), r"cannot be read as npz \(File is not a zip"),
        (lambda p: np.save(p.open("wb"), np.zeros(3)), "cannot be read as npz"),
        (lambda p: zipfile.ZipFile(p, "w").close(), "must have the array train_images, got none"),
        (cut, "cannot be read as npz"),
        (flip, "cannot be read as npz"),
        (rewritten("val_images.npy", b"3), }", b"3 , }"), "cannot be read as npz"),
        (longer, "val_images is longer than its header says"),
    ],
    ids=["absent", "folder", "empty", "pickle", "npy", "no arrays", "cut", "flipped", "no bracket", "longer"],
)
def test_a_damaged_npz_is_one_line_and_no_pickle_is_loaded(damage, line, tmp_path):
    path = tmp_path / "x.npz"
    np.savez(path, **arrays_of())
    damage(path)
    with pytest.raises(InputError, match=rf"^dataset: {path}: .*{line}") as caught:
        opened(f"npz:{path}")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "trap").exists()


def test_arrays_of_objects_are_not_unpickled(tmp_path):
    labels = np.array([Trap(tmp_path / "trap")] * 60, object)
    with pytest.raises(InputError, match="train_labels must be whole numbers, got object"):
        opened(save(tmp_path / "x.npz", arrays_of(train_labels=labels)))
    assert not (tmp_path / "trap").exists()
