"""The file tree of docs/architecture.md, made from the first line of each module's docstring.

`python -m tests.helpers.file_tree` writes the tree into the page; a test compares the two.
"""

import ast
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs/architecture.md"
PACKAGES = ("search_spaces", "ablations", "silhouette", "analysis")
WIDTH = 120


def tree() -> str:
    """One line per folder and per module, with the first line of its docstring."""
    return "".join(f"{line}\n" for package in PACKAGES for line in _lines(ROOT / package, 0))


def _lines(folder: Path, depth: int) -> list[str]:
    rooms = sorted(path.parent for path in folder.glob("*/__init__.py"))
    modules = [path for path in sorted(folder.glob("*.py")) if path.name != "__init__.py"]
    lines = [_line(f"{folder.name}/", folder / "__init__.py", depth)]
    lines += [line for room in rooms for line in _lines(room, depth + 1)]
    return lines + [_line(path.name, path, depth + 1) for path in modules]


def _line(name: str, module: Path, depth: int) -> str:
    text = ast.get_docstring(ast.parse(module.read_text(encoding="utf-8"))) or ""
    line = f"{'  ' * depth + name:<32}{text.partition(chr(10))[0].rstrip('.')}"
    return line if len(line) <= WIDTH else line[: WIDTH - 2].rsplit(" ", 1)[0] + " …"


def tracked() -> list[str]:
    """All tracked modules of the packages."""
    listed = subprocess.run(["git", "ls-files", *PACKAGES], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return sorted(name for name in listed.split() if name.endswith(".py"))


def main() -> None:
    """Write the tree into the page."""
    before, _, rest = PAGE.read_text(encoding="utf-8").partition("```text\n")
    PAGE.write_text(f"{before}```text\n{tree()}```{rest.partition('```')[2]}", encoding="utf-8")


if __name__ == "__main__":
    main()
