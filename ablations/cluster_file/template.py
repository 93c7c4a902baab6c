"""Where a cluster file differs from the shipped one; the values that the user may change do not count."""

from __future__ import annotations

import re
from collections.abc import Iterator
from difflib import SequenceMatcher

from ablations.cluster_file.document import PLACEHOLDER, Document, Fault, Got, dotted, show
from ablations.templates import FILES

TEMPLATES = {"aws": "cluster.yaml", "gcp": "deploy/gcp.yaml", "local": "deploy/local.yaml"}
TEMPLATES |= {"RayJob": "deploy/kuberay.yaml"}
FIXED = "Nothing below needs a change"  # all values above this line are the user's
FREE = re.compile(r"  # yours\b")  # the value of such a line is the user's, wherever it stands
VALUE = re.compile(r"(\s*(?:- )?[\w./~-]+:(?: &\w+)?)(?: (?=[^\s>|&*])|$)")
"""A key, with the anchor of its value."""

Line = tuple[int, str]


def template_faults(documents: list[Document], kind: str) -> Iterator[Fault]:
    """One fault for each place where a file differs from the shipped one, at the line of the file."""
    shipped = (FILES / TEMPLATES[kind]).read_text(encoding="utf-8").splitlines()
    free = _free(shipped)
    wanted, given = list(_lines(shipped, free)), list(_lines(documents[0].source, free))
    matcher = SequenceMatcher(None, [text for _, text in wanted], [text for _, text in given], autojunk=False)
    for operation, start, end, own_start, own_end in matcher.get_opcodes():
        if operation != "equal":
            yield _fault(documents, wanted[start:end], given[own_start:own_end], (given + given[-1:])[own_start])


def _fault(documents: list[Document], wanted: list[Line], given: list[Line], place: Line) -> Fault:
    rule = f"differs from line {wanted[0][0]} of the shipped template" if wanted else "is not in the shipped template"
    todo = f"write {show(Got(wanted[0][1].strip()), 160)}" if wanted else "take it out"
    document = [one for one in documents if one.lines[()] <= place[0] or one is documents[0]][-1]
    got = show(Got(given[0][1].strip()) if given else None)
    return Fault(place[0], dotted(document.path(place[0])), rule, got, f"{todo}, or add --own if you mean it")


def _free(lines: list[str]) -> set[str]:
    """The keys, indented and with their anchors, whose values are the user's."""
    fixed = next((number for number, line in enumerate(lines) if FIXED in line), 0)
    ours = [line for i, line in enumerate(lines) if i < fixed or FREE.search(line) or PLACEHOLDER.search(line)]
    return {found[1] for line in ours if (found := VALUE.match(line)) and _text(line) != found[1]}


def _text(line: str) -> str:
    """A line without its comment."""
    return "" if line.lstrip().startswith("#") else re.split(r"\s+# ", line)[0].rstrip()


def _lines(lines: list[str], free: set[str]) -> Iterator[Line]:
    """Number and text of the lines that say something, without the user's values and the lines that continue them."""
    inside = None
    for number, line in enumerate(lines, 1):
        text, found = _text(line), VALUE.match(_text(line))
        if not text or (inside is not None and re.match(rf"\s{{{inside + 1}}}|\s{{{inside}}}- ", text)):
            continue
        mine = found is not None and found[1] in free
        inside = len(text) - len(text.lstrip()) if mine else None
        yield number, found[1] if found and mine else text
