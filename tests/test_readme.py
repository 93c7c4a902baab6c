"""The README and the documentation keep their promises: code runs, links resolve, the file tree is complete."""

import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
PACKAGES = ("silhouette", "search_spaces", "ablations", "analysis")
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.S | re.M)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_python_blocks_run(page):
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
    from ablations.cli.parser import _parser

    lines = list(ablate_commands("\n".join(blocks(page.read_text(encoding="utf-8"), "bash"))))
    assert lines or page.name != "README.md"
    for line in lines:
        assert _parser().parse_args(shlex.split(line)).command


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


def test_file_tree_names_every_module_once():
    tree = next(block for block in blocks(README, "text") if "silhouette/" in block)
    listed = re.findall(r"^\s+([\w./-]+\.py)\s", tree, re.M)
    tracked = subprocess.run(
        ["git", "ls-files", *PACKAGES], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    modules = sorted(
        name.split("/", 1)[1] for name in tracked if name.endswith(".py") and not name.endswith("__init__.py")
    )
    assert sorted(listed) == modules


def test_no_machine_paths_or_hosts_in_tracked_files():
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    hosts = ("py" + "pi.org", "registry." + "npmjs", "files.python" + "hosted")
    for name in tracked:
        text = (ROOT / name).read_bytes().decode("utf-8", errors="ignore")
        assert not any(host in text for host in hosts), name
