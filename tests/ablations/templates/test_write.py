"""`ablate init` writes the files of the package, and never over others."""

from pathlib import Path

import pytest

from ablations.cli.parser import main
from ablations.design.loading import load_study
from ablations.templates import FILES
from ablations.templates.write import KINDS, cloud

ROOT = Path(__file__).parents[3]


def init(capsys, *arguments):
    code = main(["init", *map(str, arguments)])
    printed = capsys.readouterr()
    return code, printed.out.splitlines(), printed.err.splitlines()


@pytest.mark.parametrize("kind", KINDS)
def test_the_files_of_a_kind_are_written_and_named(kind, tmp_path, capsys):
    code, lines, _ = init(capsys, kind, "--to", tmp_path / "new")
    written = sorted(str(path) for path in (tmp_path / "new").rglob("*") if path.is_file())
    assert code == 0
    assert sorted(lines[:-1]) == written
    folder = tmp_path / "new"
    run = f"ablate run {folder}/my_{kind}.py && ablate report {folder}/my_{kind}.py"
    own = kind in ("study", "experiment")
    assert lines[-1] == f"next: {run if own else f'cd {folder}; {KINDS[kind].then}'}"
    for name in KINDS[kind].files:
        assert (tmp_path / "new" / name).read_bytes() == (FILES / name).read_bytes()


def test_all_kinds_fit_in_one_folder_and_a_second_time_changes_nothing(tmp_path, capsys):
    for kind in [*KINDS, *KINDS]:
        assert init(capsys, kind, "--to", tmp_path)[0] == 0


def test_every_file_of_the_package_belongs_to_a_kind():
    shipped = {str(path.relative_to(FILES)) for path in FILES.rglob("*") if path.is_file() and path.suffix != ".pyc"}
    assert shipped == {name for kind in KINDS.values() for name in kind.files}


def test_the_files_of_deploy_are_those_of_the_package():
    """One owner each: links to deploy/ for what nobody edits, equal copies of the cluster files (test_check.py)."""
    for name in ("constraints.txt", *(str(path.relative_to(ROOT)) for path in (ROOT / "deploy").rglob("*.*"))):
        if "__pycache__" not in name:
            assert (FILES / name).read_bytes() == (ROOT / name).read_bytes(), name


def test_nothing_is_overwritten_and_nothing_is_half_written(tmp_path, capsys):
    mine = tmp_path / "deploy/aws/head.json"
    mine.parent.mkdir(parents=True)
    mine.write_text("{}")
    code, out, err = init(capsys, "aws", "--to", tmp_path)
    assert (code, out) == (2, [])
    assert err == [
        f"ablate: --to: files are never overwritten; move {mine} or give another folder, got {str(tmp_path)!r}"
    ]
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [mine]


@pytest.mark.parametrize("kind", ["pbs", "experiments", "AWS"])
def test_an_unknown_kind_is_one_line_with_the_kinds(kind, capsys):
    assert init(capsys, kind) == (
        2,
        [],
        [f"ablate: KIND: must be study, experiment, aws, gcp, kuberay, local, slurm, got {kind!r}"],
    )


def test_a_file_in_the_way_is_one_line(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    code, _, err = init(capsys, "aws", "--to", tmp_path / "file")
    assert (code, len(err)) == (2, 1)


def test_without_a_kind_the_kinds_are_listed(capsys):
    code, lines, _ = init(capsys)
    assert (code, [line.split()[0] for line in lines]) == (0, list(KINDS))


def test_the_study_has_the_name_that_is_asked_for_and_can_be_read(tmp_path, capsys):
    path = tmp_path / "rotation.py"
    assert init(capsys, "study", "--to", path)[1][0] == str(path)
    study = load_study(str(path))
    assert (study.name, len(study.arms), len(study.seeds)) == ("rotation", 2, 5)


def test_a_cluster_file_brings_the_files_that_it_names(tmp_path):
    file = tmp_path / "azure.yaml"
    file.write_text("# A Ray cluster on Azure: `ray up deploy/azure.yaml`\nsetup_commands: [bash deploy/install.sh]\n")
    found = cloud(file)
    assert found.what == "a Ray cluster on Azure"
    assert found.files == ("deploy/azure.yaml", "constraints.txt", "deploy/install.sh", "deploy/satisfied.py")
    assert found.then.endswith("fill in deploy/azure.yaml; ablate cluster check deploy/azure.yaml")
