"""One style for all figures: sizes, inks, and one colour per method."""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import matplotlib as mpl
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import LinearSegmentedColormap, to_hex
from matplotlib.figure import Figure

WIDTH = 5.0  # inches; a phone shows it at 0.95, a desktop at 1.3 to 1.7 times its size
INK, MUTED, LINE, PAPER, BAND = "#1b1e23", "#6a7078", "#d9dce1", "#fdfdfe", "#e9ebef"
BASELINE = "#7b828c"
# Okabe & Ito 2008 without yellow and black: distinct with every common colour blindness, on white and on black
PALETTE = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
_THEME = {INK: "--ink", MUTED: "--muted", LINE: "--line", PAPER: "--paper", BAND: "--band"}
_THEME |= {colour: f"--c{i}" for i, colour in enumerate((*PALETTE, BASELINE))}
# dark at both ends: text on a cell is white there and black in the middle, on light and dark pages alike
DIVERGING = LinearSegmentedColormap.from_list("gain", ["#8c3d00", "#e8a06a", "#f1efec", "#7fb3d9", "#0b4f83"])
MANY_POINTS = 4000  # above this, points are drawn as an image inside the SVG

_OF_A_SCREEN = ("backend", "interactive", "toolbar", "timezone", "webagg.", "savefig.directory", "tk.", "figure.raise")
_RC: Any = {
    # a person's own matplotlibrc must not change a figure
    **{name: value for name, value in mpl.rcParamsDefault.items() if not name.startswith(_OF_A_SCREEN)},
    "font.family": ["DejaVu Sans"],
    "font.size": 8.0,
    "axes.titlesize": 9.0,
    "axes.titlelocation": "left",
    "axes.labelsize": 8.0,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.facecolor": "none",
    "figure.facecolor": "none",
    "savefig.facecolor": "none",
    "text.color": INK,
    "text.parse_math": False,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.labelsize": 7.5,
    "ytick.labelsize": 8.0,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "grid.color": LINE,
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "legend.fontsize": 7.5,
    "svg.fonttype": "none",
    "pdf.fonttype": 42,
    "axes.unicode_minus": True,
}


@contextmanager
def look() -> Iterator[None]:
    """The project's matplotlib settings, while one figure is drawn."""
    with mpl.rc_context(_RC):
        yield


def colours(methods: Iterable[str], baselines: Iterable[str]) -> dict[str, str]:
    """One colour per method: grey for baselines, the palette for the others, a colour map when it is too short."""
    base = set(baselines)
    others = [m for m in dict.fromkeys(methods) if m not in base]
    if len(others) <= len(PALETTE):
        chosen = list(PALETTE[: len(others)])
    else:
        ramp = colormaps["viridis"]
        chosen = [to_hex(ramp(0.12 + 0.7 * i / (len(others) - 1))) for i in range(len(others))]
    return dict.fromkeys(base, BASELINE) | dict(zip(others, chosen, strict=True))


def new_figure(height: float, rows: int = 1, columns: int = 1, **kwargs: Any) -> tuple[Figure, list[Axes]]:
    """An empty figure of the common width, with its axes in reading order."""
    figure = Figure(figsize=(WIDTH, height))
    FigureCanvasAgg(figure)
    axes = figure.subplots(rows, columns, squeeze=False, **kwargs)
    return figure, list(axes.ravel())


def shorten(text: str, limit: int = 26) -> str:
    """A label that fits next to an axis."""
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def margins(figure: Figure, labels: Iterable[str], top: float = 0.3, bottom: float = 0.45) -> None:
    """Margins in inches, the left one as wide as the longest label needs."""
    longest = max((len(label) for label in labels), default=4)
    left = min(0.25 + 0.066 * longest, 0.45 * WIDTH)
    height = figure.get_figheight()
    figure.subplots_adjust(left=left / WIDTH, right=1 - 0.12 / WIDTH, top=1 - top / height, bottom=bottom / height)


def export_svg(figure: Figure, name: str) -> str:
    """The figure as SVG text, the same for the same drawing and name."""
    sink = io.StringIO()
    with look(), mpl.rc_context({"svg.hashsalt": name}):
        figure.savefig(sink, format="svg", dpi=200, metadata={"Date": None, "Creator": None})
    return sink.getvalue()


def export_pdf(figure: Figure) -> bytes:
    """The figure as PDF with embedded TrueType fonts, the same bytes for the same drawing."""
    sink = io.BytesIO()
    with look():
        figure.savefig(sink, format="pdf", dpi=200, metadata={"CreationDate": None, "Creator": None, "Producer": None})
    return sink.getvalue()


def themed(svg: str, name: str) -> str:
    """SVG for inlining: no prologue, no fixed size, unique ids, inks that follow the page's theme."""
    body = svg[svg.index("<svg") :]
    body = re.sub(r'(\bid="|url\(#|href="#)', rf"\g<1>{name}-", body)
    body = re.sub(r"<metadata>.*?</metadata>", "", body, flags=re.DOTALL)
    body = re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", body, count=1)
    body = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", body, count=1)
    for colour, variable in _THEME.items():
        body = body.replace(colour, f"var({variable})")
    return body.replace("'DejaVu Sans'", "system-ui, 'DejaVu Sans', sans-serif")
