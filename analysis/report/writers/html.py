"""The report as one HTML file: no network, figures inline, tables sortable, light and dark."""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from analysis.report.elements import Figure, Page
from analysis.report.style import themed

TEMPLATES = Path(__file__).with_name("templates")


def render(page: Page) -> str:
    """HTML text of the whole page; every name from outside is escaped."""
    return _environment().get_template("report.html.j2").render(page=page)


_LOOSE = re.compile(r"\b(p|n|m|α|F|CD) ([=<]) |(\d) (%|points?\b|seeds?\b)|(CI) (?=[+−\d])")


def tie(text: str) -> str:
    """Text whose numbers stay on one line with their symbol and unit (no-break spaces).

    >>> tie("p = 0.5, 95 % CI").replace(chr(160), "~")
    'p~=~0.5, 95~% CI'
    """
    return _LOOSE.sub(lambda m: m.group(0).replace(" ", "\u00a0"), text)


@lru_cache(maxsize=1)
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["inline"] = _inline
    environment.filters["tie"] = tie
    environment.globals["style"] = Markup((TEMPLATES / "report.css").read_text(encoding="utf-8"))
    environment.globals["script"] = Markup((TEMPLATES / "report.js").read_text(encoding="utf-8"))
    return environment


def _inline(figure: Figure) -> Markup:
    """The figure's SVG; matplotlib escapes the labels in it."""
    return Markup(themed(figure.svg, figure.name))
