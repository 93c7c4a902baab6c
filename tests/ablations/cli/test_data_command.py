"""`ablate data` on a person's own data: what it found, or one line."""

import numpy as np
import pytest

from ablations import RunOptions, Study, run_study
from ablations.cli.parser import main
from silhouette.errors import InputError
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


def test_a_plan_refuses_a_gap_in_the_labels_but_not_data_of_another_machine(tmp_path, capsys):
    path = write_list(tmp_path)
    path.write_text(path.read_text().replace(" 1\n", " 3\n"))
    given = ["plan", "demo", "--results", str(tmp_path / "results"), "--dataset"]
    assert main([*given, f"image_list:{path}"]) == 2
    err = capsys.readouterr().err
    assert "train.txt: label 1 has no sample, but labels go up to 3" in err
    assert err.count("\n") == 1
    assert main([*given, "npz:/absent/on/this/machine.npz"]) == 0


@pytest.mark.parametrize(
    ("absent", "line"), [("an image 4.png", "line 5: .*image 4.png cannot be read"), ("../train.txt", "cannot be read")]
)
def test_a_run_on_this_machine_refuses_absent_files_before_any_trial(tmp_path, absent, line):
    path = write_list(tmp_path)
    (tmp_path / "train" / absent).unlink()
    study = Study(
        question="Does it help?",
        factors={"lambda_sil": (0.0, 0.2)},
        fixed={"dataset": f"image_list:{path}"},
        baseline={"lambda_sil": 0.0},
    )
    with pytest.raises(InputError, match=rf"^dataset: {path}: {line}"):
        run_study(study, RunOptions(results=str(tmp_path / "results")))
    assert not (tmp_path / "results").exists()
