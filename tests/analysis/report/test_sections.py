"""Sections are found by their files."""

import pkgutil
from importlib import import_module

import pytest

from analysis.report import page, sections
from tests.helpers.synthetic import analysed, demo_plan, write_study

TEXT = """
from analysis.report.elements import Section

PLACE = 35


def section(data):
    return Section("own", "Own section", (f"Seeds: {len(data['seeds'])}.",))
"""


def test_places_are_given_once():
    found = pkgutil.walk_packages(sections.__path__, f"{sections.__name__}.")
    places = [module.PLACE for one in found if hasattr(module := import_module(one.name), "PLACE")]
    assert len(set(places)) == len(places) == len(page.SECTIONS)


@pytest.mark.usefixtures("own_section")
def test_a_new_file_is_a_section_at_its_place():
    keys = [section.key for section in page.make_page(analysed(write_study(None, demo_plan(seeds=3)))).sections]
    assert keys[keys.index("own") - 1 : keys.index("own") + 2] == ["ledger", "own", "results"]


@pytest.fixture
def own_section(tmp_path, monkeypatch):
    (tmp_path / "section_of_a_test.py").write_text(TEXT)
    monkeypatch.setattr(sections, "__path__", [*sections.__path__, str(tmp_path)])
    monkeypatch.setattr(page, "SECTIONS", page.discovered())
