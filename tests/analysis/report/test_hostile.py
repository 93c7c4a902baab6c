"""Names and errors that contain markup stay text in every output."""

import json
import re
import shutil
import subprocess
from html.parser import HTMLParser

import pytest

from analysis.report.page import make_page
from analysis.report.write import write_report
from analysis.report.writers import html, latex, markdown
from tests.helpers.studies import arm, family, write
from tests.helpers.synthetic import analysed, demo_plan, write_study

EVIL = "<script>alert(1)</script> 50% _a_ & $x^2$ \\input{/etc/passwd} {#} \"q\" 'z' `rm` | ~ [l](http://evil.example)"
PREAMBLE = r"\usepackage[T1]{fontenc}\usepackage{textcomp}\usepackage{booktabs}\usepackage{siunitx}"
ERROR = "RuntimeError: <img src=x onerror=alert(1)> %n _under_ & \\write18{ls}\nTraceback: line two"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A study all of whose names are hostile, with a failed trial."""
    base = tmp_path_factory.mktemp("hostile")
    block = f"block {EVIL}"
    arms = [arm(f"base {EVIL}", {"m": "a"}, block, True), arm(f"ours {EVIL}", {"m": "b"}, block)]
    plan = demo_plan(
        study="hostile", question=EVIL, arms=arms, families=[family(block, arms[0]["arm"], [arms[1]["arm"]])],
        factors=[{"field": "m", "label": EVIL, "values": ["a", "b"]}], seeds=5, plan_hash=EVIL,
        provenance={EVIL: EVIL, "command": EVIL},
    )  # fmt: skip

    def extra(a, seed, rng):
        lost = seed == 4 and a is arms[1]
        return {"status": "failed", "error": ERROR, "test_top1": None} if lost else {}

    write(base, plan, lambda a, s, r: 0.5 + r.normal(0, 0.01), extra)
    write_report(str(base), "hostile")
    return base / "hostile" / "report"


class Tags(HTMLParser):
    def __init__(self):
        super().__init__()
        self.tags, self.attributes, self.text = [], [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [name for name, _ in attrs]

    def handle_data(self, data):
        self.text.append(data)


def test_html_holds_no_foreign_markup_and_shows_the_text(folder):
    page = (folder / "index.html").read_text()
    parsed = Tags()
    parsed.feed(page)
    assert parsed.tags.count("script") == 1
    assert "img" not in parsed.tags
    assert not [a for a in parsed.attributes if a.startswith("on")]
    assert any("<script>alert(1)</script>" in t for t in parsed.text)
    assert 'href="http://evil' not in page


def test_svg_files_hold_no_script(folder):
    for path in folder.glob("figures/*.svg"):
        assert "<script" not in path.read_text()


def test_markdown_escapes_tags_tables_and_links(folder):
    text = (folder / "report.md").read_text()
    assert not re.search(r"(?<!\\)<script", text)
    assert not re.search(r"(?<!\\)<img", text)
    assert not re.search(r"(?<!\\)\]\(http", text)
    tables = [line for line in text.splitlines() if line.startswith("| ")]
    header = next(line for line in tables if line.startswith("| family"))
    row = tables[tables.index(header) + 2]
    cells = re.split(r"(?<!\\)\|", row)
    assert len(cells) == len(re.split(r"(?<!\\)\|", header))


def test_report_json_keeps_names_and_errors_unchanged(folder):
    report = json.loads((folder / "report.json").read_text())
    assert report["question"] == EVIL
    assert report["ledger"]["faults"][0]["error"] == ERROR


def test_latex_has_no_foreign_command_and_balanced_braces(folder):
    for path in folder.glob("tables/*.tex"):
        text = path.read_text()
        assert "\\input" not in text
        assert "\\write18" not in text
        bare = re.sub(r"\\[{}]", "", text)
        assert bare.count("{") == bare.count("}")
        check_rows(text)


def check_rows(text):
    """Every row of a tabular has as many cells as the tabular has columns."""
    spec = re.search(r"\\begin\{tabular\}\{(.*)\}\n", text).group(1)
    columns = len(re.sub(r"S\[[^\]]*\]", "S", spec).replace(" ", ""))
    body = text[text.index("\\toprule") : text.index("\\bottomrule")]
    for line in body.splitlines():
        if line.endswith("\\\\"):
            assert len(re.split(r"(?<!\\)&", line)) == columns, line


@pytest.mark.skipif(not shutil.which("pdflatex"), reason="pdflatex is not installed: only the syntax was checked")
@pytest.mark.slow
def test_latex_compiles(folder, tmp_path):
    tables = "\n".join(path.read_text() + "\\clearpage" for path in sorted(folder.glob("tables/*.tex")))
    source = f"\\documentclass{{article}}{PREAMBLE}\\begin{{document}}\n{tables}\n\\end{{document}}\n"
    (tmp_path / "t.tex").write_text(source)
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "t.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:]
    assert (tmp_path / "t.pdf").is_file()


def test_report_json_is_what_the_page_is_made_from(folder):
    data = json.loads((folder / "report.json").read_text())
    tables = {t.name: t for section in make_page(data).sections for t in section.tables}
    for name, table in tables.items():
        assert (folder / "tables" / f"{name}.tex").read_text() == latex.render(table, make_page(data).marks)


def test_records_without_an_id_are_reported():
    plan = demo_plan(seeds=3)
    page = make_page(analysed(write_study(None, plan, change=lambda arm, seed: {"trial_id": None})))
    assert html.render(page)
    assert markdown.render(page)
