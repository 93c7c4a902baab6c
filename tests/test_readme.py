"""The README and the documentation keep their promises: code runs, links resolve, the file tree is complete."""

import re
import shlex
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.helpers import file_tree

ROOT = Path(__file__).parents[1]
AT_THE_TOP = ("README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md")
PAGES = [*(ROOT / name for name in AT_THE_TOP), *sorted((ROOT / "docs").glob("*.md"))]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.S | re.M)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_python_blocks_run(page, tmp_path, monkeypatch):
    monkeypatch.setenv("SILHOUETTE_DATA", str(tmp_path))
    for code in blocks(page.read_text(encoding="utf-8"), "python"):
        exec(compile(code, str(page), "exec"), {"__name__": "readme"})


def test_readme_shows_the_loss_in_eight_lines():
    assert any(
        "SoftSilhouetteLoss" in code and len(code.strip().splitlines()) <= 8 for code in blocks(README, "python")
    )


def test_make_targets_of_the_readme_exist():
    makefile = (ROOT / "Makefile").read_text()
    named = set(re.findall(r"^make ([\w-]+)", "\n".join(blocks(README, "bash")), re.M))
    assert {"demo", "test"} <= named
    assert all(re.search(rf"^{target}:", makefile, re.M) for target in named)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_ablate_commands_parse(page):
    from ablations.cli.parser import _parse

    lines = list(ablate_commands("\n".join(blocks(page.read_text(encoding="utf-8"), "bash"))))
    assert lines or page.name != "README.md"
    for line in lines:
        assert _parse(shlex.split(line)).command


def ablate_commands(text: str) -> Iterator[str]:
    """What follows `ablate`, at the start of a line, after ` -- `, or inside the quotes of a `ray exec`."""
    for whole, quoted in re.findall(r"^(?:.*? -- )?ablate ([^#\n]+)|'ablate ([^'\n]+)'", text, re.M):
        first, *more = re.split(r" && |; ", whole or quoted)
        yield first
        yield from (part.removeprefix("ablate ") for part in more if part.startswith("ablate "))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_resolve(page):
    text = page.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", text):
        if not target.startswith("http"):
            assert (page.parent / target).exists(), target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_paths_of_the_repository_exist(page):
    folders = "ablations|analysis|benchmarks|deploy|docs|search_spaces|silhouette|tests"
    text = page.read_text(encoding="utf-8")
    named = set(re.findall(rf"`((?:{folders})/[\w./*-]*)`", text))
    assert {path for path in named if not any(ROOT.glob(path.rstrip("/")))} == set()


def test_readme_has_at_most_150_lines():
    assert len(README.splitlines()) <= 150


def test_architecture_lists_every_module():
    assert file_tree.tree() in file_tree.PAGE.read_text(encoding="utf-8"), "run python -m tests.helpers.file_tree"


def test_picture_of_the_rooms_names_every_room():
    picture = (ROOT / "docs/architecture.svg").read_text(encoding="utf-8")
    rooms = {name.split("/")[1] for name in file_tree.tracked() if name.count("/") == 2}
    assert {room for room in rooms if f">{room}</text>" not in picture} == set()


def test_no_folder_of_the_packages_holds_more_than_20_modules():
    folders = Counter(name.rpartition("/")[0] for name in file_tree.tracked())
    assert {folder: count for folder, count in folders.items() if count > 20} == {}


def test_no_machine_paths_or_hosts_in_tracked_files():
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    hosts = ("py" + "pi.org", "registry." + "npmjs", "files.python" + "hosted")
    for name in tracked:
        text = (ROOT / name).read_bytes().decode("utf-8", errors="ignore")
        assert not any(host in text for host in hosts), name
