"""The page in headless Chromium: no messages, no requests, sorting, light and dark, narrow screens."""

import shutil

import pytest

from analysis.report.page import make_page
from analysis.report.writers import html
from tests.helpers.studies import add_tuning, tail_extra, write
from tests.helpers.synthetic import analysed, demo_plan

sync_api = pytest.importorskip("playwright.sync_api", reason="the playwright package is not installed")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine (Debian: apt install chromium)")


@pytest.fixture(scope="module")
def page_path(tmp_path_factory):
    base = tmp_path_factory.mktemp("browser")
    plan = demo_plan(seeds=5, question="<script>document.title='broken'</script>")
    store = write(None, plan, lambda a, s, r: 0.9, tail_extra)
    add_tuning(store, plan, configs=4)
    path = base / "index.html"
    path.write_text(html.render(make_page(analysed(store))))
    return str(path)


@pytest.fixture(scope="module")
def browser():
    with sync_api.sync_playwright() as play:
        found = play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield found
        found.close()


@pytest.fixture
def visit(browser, page_path):
    """Open the page in a fresh context; gives the page with its messages, errors and requests."""
    contexts = []

    def go(**options):
        context = browser.new_context(**options)
        contexts.append(context)
        page, said = context.new_page(), {"console": [], "requests": [], "errors": []}
        page.on("console", lambda m: said["console"].append(m.text))
        page.on("pageerror", lambda e: said["errors"].append(str(e)))
        page.on("request", lambda r: said["requests"].append(r.url))
        page.goto(f"file://{page_path}")
        page.wait_for_load_state("networkidle")
        return page, said

    yield go
    for context in contexts:
        context.close()


def test_the_page_logs_nothing_and_requests_nothing(visit, page_path):
    page, said = visit()
    assert said["console"] == said["errors"] == []
    assert [u for u in said["requests"] if not u.startswith(("file://" + page_path, "data:"))] == []
    assert page.title() == "demo – report"


def test_tables_sort_both_ways_and_by_number(visit):
    page, _ = visit()
    column = page.locator("#table-arms thead button").nth(2)
    cells = page.locator("#table-arms tbody td:nth-child(3)")
    column.click()
    up = [float(t) for t in cells.all_inner_texts()]
    assert up == sorted(up)
    assert page.locator("#table-arms th").nth(2).get_attribute("aria-sort") == "ascending"
    column.click()
    assert [float(t) for t in cells.all_inner_texts()] == sorted(up, reverse=True)


def test_small_p_values_sort_by_their_value_not_their_text(visit):
    page, _ = visit()
    page.locator("#table-comparisons thead button").nth(6).click()
    values = page.locator("#table-comparisons tbody td:nth-child(7)").evaluate_all(
        "cells => cells.map(c => Number(c.dataset.sort))"
    )
    assert values == sorted(values)
    assert len(values) == 6


def test_light_and_dark_have_their_own_colours_and_enough_contrast(visit):
    paper = {}
    for scheme in ("light", "dark"):
        page, _ = visit(color_scheme=scheme)
        paper[scheme] = page.evaluate("getComputedStyle(document.body).backgroundColor")
        ink = page.evaluate("getComputedStyle(document.querySelector('figure svg text')).fill")
        assert contrast(paper[scheme], ink) > 4.5
        for name in (".summary", ".caption", ".verdict.worse"):
            colour = page.locator(name).first.evaluate("e => getComputedStyle(e).color")
            assert contrast(paper[scheme], colour) > 4.5, (scheme, name)
    assert paper["light"] != paper["dark"]


def contrast(one, two):
    """WCAG contrast of two `rgb(r, g, b)` colours."""

    def luminance(colour):
        parts = [int(float(v)) / 255 for v in colour[colour.index("(") + 1 : -1].split(",")[:3]]
        linear = [v / 12.92 if v <= 0.03928 else ((v + 0.055) / 1.055) ** 2.4 for v in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    high, low = sorted((luminance(one), luminance(two)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("width", [320, 390])
def test_a_phone_needs_no_sideways_scrolling(visit, width):
    page, _ = visit(viewport={"width": width, "height": 800})
    page.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true })")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    widest = page.evaluate(
        "Math.max(...[...document.querySelectorAll('figure svg')].map(s => s.getBoundingClientRect().width))"
    )
    assert widest <= width


def test_every_figure_has_an_alternative_text_and_ids_are_unique(visit):
    page, _ = visit()
    figures = page.locator("figure")
    assert figures.count() >= 8
    for i in range(figures.count()):
        assert len(figures.nth(i).get_attribute("aria-label")) > 20
    ids = page.evaluate("[...document.querySelectorAll('[id]')].map(e => e.id)")
    assert len(ids) == len(set(ids))


def test_the_page_can_be_printed(visit):
    page, _ = visit()
    page.emulate_media(media="print")
    assert page.evaluate("getComputedStyle(document.querySelector('nav')).display") == "none"
    assert page.pdf()[:4] == b"%PDF"
