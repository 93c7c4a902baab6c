"""What a job asks for: the site's defaults, the options over them, and one line for each fault."""

import pytest

from ablations.errors import StudyError
from ablations.slurm.settings import find_site, limit_seconds, make_settings, read_site, warning_seconds
from ablations.templates import FILES


def test_options_win_over_the_defaults_of_the_site(tmp_path):
    site = tmp_path / "slurm.yaml"
    site.write_text("partition: gpu\ntime: '01:00:00'\nnodes: 4\nsetup:\n  - module load cuda\n")
    settings = make_settings(read_site(site), {"nodes": 2, "partition": None, "account": "me"})
    assert (settings.nodes, settings.partition, settings.account) == (2, "gpu", "me")
    assert (settings.seconds(), settings.setup) == (3600.0, ("module load cuda",))


def test_the_shipped_file_is_valid_and_is_found_beside_the_person(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert find_site(None) is None
    (tmp_path / "slurm.yaml").write_text((FILES / "slurm.yaml").read_text())
    settings = make_settings(read_site(find_site(None)), {})
    assert (settings.cpus_per_node, settings.seconds()) == (4, 4 * 3600.0)


def test_the_warning_leaves_time_for_two_checkpoints():
    assert (warning_seconds(30), warning_seconds(300)) == (120, 600)


@pytest.mark.parametrize("text", ["soon", "1:2:3:4", "-5", "", "1-"])
def test_a_time_limit_that_slurm_would_not_take(text):
    with pytest.raises(StudyError, match=r"^--time: must be minutes, MM:SS.*got"):
        limit_seconds(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("partition: [", "must be valid YAML"),
        ("- gpu", "must hold `name: value` lines, got list"),
        ("partion: gpu", "slurm.yaml: partion: there is no such setting; did you mean partition?"),
        (
            "time: 4:00:00",
            "slurm.yaml: time: input should be a valid string (write times and numbers of text in quotes)",
        ),
        ("setup:\n  - 3", "slurm.yaml: setup: input should be a valid string"),
        ("sbatch:\n  - mail-type=END", "sbatch: must be options such as '--mail-type=END', got 'mail-type=END'"),
        ("partition: 'gpu; rm -r x'", "--partition: must be one word without quotes, got 'gpu; rm -r x'"),
        ("python: !!python/name:os.system", "must be valid YAML"),
        ("nodes: 0", "--nodes: must be at least 1, got 0"),
        ("array: 2\nnodes: 2", "--array: each task has one node of its own"),
    ],
)
def test_a_fault_of_the_site_is_one_line(tmp_path, text, expected):
    site = tmp_path / "slurm.yaml"
    site.write_text(text)
    with pytest.raises(StudyError) as caught:
        make_settings(read_site(site), {}, "slurm.yaml")
    assert expected in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_site_that_was_named_must_exist(tmp_path):
    with pytest.raises(StudyError, match=r"^--site: must be a file; `ablate init slurm` writes one, got"):
        find_site(str(tmp_path / "absent.yaml"))
