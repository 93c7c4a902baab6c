"""Names of a person's own data, and what plans know of them."""

import pytest

from silhouette.config import ConfigError, make_config
from silhouette.data import own
from silhouette.data.reader import Reader
from silhouette.registry import FORMS, check_dataset, load
from tests.helpers.own_data import arrays_of, save, write_list


def test_every_form_has_a_reader_and_its_names_one_spelling():
    readers = {form: load(entry.where) for form, entry in FORMS.items()}
    assert all(isinstance(reader, Reader) for reader in readers.values())
    assert check_dataset("npz:/a/./b//x.npz") == "npz:/a/b/x.npz"
    assert all((readers[form].side is None) == bool(entry.size) for form, entry in FORMS.items())


@pytest.mark.parametrize("name", ["npz:x.npz", "npz:", "image_list:~/train.txt", "npz:/a\0b", "npy:/x.npy", "npz"])
def test_names_are_checked(name):
    with pytest.raises(ConfigError, match=r"^dataset: must be one of digits, |^dataset: \w+:PATH must be an absolute"):
        make_config({"dataset": name})


def test_plans_know_the_number_of_classes(tmp_path):
    assert own.count_own_classes(save(tmp_path / "x.npz", arrays_of())) == 5
    assert own.count_own_classes(f"image_list:{write_list(tmp_path)}") == 3
    assert own.count_own_classes("npz:/absent/on/this/machine.npz") is None
