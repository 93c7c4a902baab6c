"""What a record says of the code and packages that made it."""

import subprocess

import pytest

from ablations.state import provenance


@pytest.fixture
def uncached():
    for function in (provenance.versions, provenance.git_state):
        function.cache_clear()
    yield
    for function in (provenance.versions, provenance.git_state):
        function.cache_clear()


@pytest.fixture
def checkout(tmp_path):
    def git(*arguments):
        own = ("-c", "user.name=a", "-c", "user.email=a@b.example")
        subprocess.run(["git", "-C", tmp_path, *own, *arguments], check=True, capture_output=True)

    (tmp_path / "file").write_text("one")
    for arguments in (["init"], ["add", "file"], ["commit", "-m", "one"]):
        git(*arguments)
    return tmp_path


def test_a_commit_and_its_changed_files_are_read(checkout):
    commit = provenance._git(checkout, "rev-parse", "HEAD")
    assert len(commit) == 40
    assert not provenance._git(checkout, "status", "--porcelain")
    (checkout / "file").write_text("two")
    assert provenance._git(checkout, "status", "--porcelain")


def test_a_folder_inside_a_checkout_is_not_the_checkout(checkout):
    (checkout / "below").mkdir()
    assert provenance._git(checkout / "below", "rev-parse", "HEAD") is None


def test_without_git_there_is_no_commit(checkout, monkeypatch):
    monkeypatch.setenv("PATH", str(checkout))
    assert provenance._git(checkout, "rev-parse", "HEAD") is None


@pytest.mark.usefixtures("uncached")
def test_outside_a_checkout_commit_and_changes_are_unknown(monkeypatch):
    monkeypatch.setattr(provenance, "_git", lambda *_: None)
    assert provenance.git_state() == {"git_commit": None, "git_dirty": None}


@pytest.mark.usefixtures("uncached")
def test_a_package_that_is_not_installed_has_no_version(monkeypatch):
    monkeypatch.setattr(provenance, "PACKAGES", ("numpy", "no-such-package"))
    assert provenance.versions().keys() == {"python", "numpy"}
