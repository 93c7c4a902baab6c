"""`ablate data` on a person's own data: what it found, or one line."""

import numpy as np
import pytest

from ablations.cli.parser import main
from tests.helpers.own_data import arrays_of, save, write_list


@pytest.fixture(autouse=True)
def data_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("SILHOUETTE_DATA", str(tmp_path / "data"))


def test_the_command_says_what_it_found(tmp_path, capsys):
    assert main(["data", save(tmp_path / "x.npz", arrays_of())]) == 0
    assert "x.npz: ready, 110 images, 5 classes, 30 of them for the official test (cache: " in capsys.readouterr().out
    assert main(["data", f"image_list:{write_list(tmp_path)}"]) == 0
    assert "ready, 12 images, 3 classes, test images are cut by split_seed" in capsys.readouterr().out


def test_the_command_refuses_in_one_line(tmp_path, capsys):
    name = save(tmp_path / "x.npz", arrays_of(train_labels=np.zeros(60)))
    assert main(["data", name]) == 2
    err = capsys.readouterr().err
    assert err.endswith(f"dataset: {tmp_path}/x.npz: train_labels must be whole numbers, got float64\n")
    assert err.count("\n") == 1
