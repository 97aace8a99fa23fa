"""Turns a matplotlib figure into inline SVG that takes its colours and fonts from the page, light or dark."""

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MultipleLocator, NullFormatter

# Colours that stand for the page's variables; each is one that no plot uses for anything else.
INK, MUTED, GRID = "#010101", "#020202", "#030303"
LEGACY, CANDIDATE = "#040404", "#050505"
BAD = "#060606"
SIGNALS = {"errors": "#080808", "slow": "#090909", "first_token": "#0b0b0b", "differs": "#0a0a0a"}
_VARIABLES = {
    INK: "ink", MUTED: "muted", GRID: "grid", LEGACY: "legacy", CANDIDATE: "candidate", BAD: "bad",
    SIGNALS["errors"]: "errors", SIGNALS["slow"]: "slow", SIGNALS["first_token"]: "first-token",
    SIGNALS["differs"]: "differs",
}  # fmt: skip
WIDTH_INCHES = 6.4
_STYLE: Any = {
    "svg.fonttype": "none",  # text stays text: selectable, and in the page's font
    "font.size": 9, "axes.labelsize": 9, "xtick.labelsize": 8, "ytick.labelsize": 8, "legend.fontsize": 8,
    "text.color": INK, "axes.labelcolor": MUTED, "xtick.color": MUTED, "ytick.color": MUTED,
    "axes.edgecolor": GRID, "grid.color": GRID, "grid.linewidth": 0.6, "axes.grid": True,
    "axes.axisbelow": True,
    "axes.spines.top": False, "axes.spines.right": False, "legend.frameon": False,
    "xtick.major.size": 0, "ytick.major.size": 0, "xtick.minor.size": 0, "ytick.minor.size": 0,
    "figure.facecolor": "none", "axes.facecolor": "none", "savefig.facecolor": "none",
}  # fmt: skip


@contextmanager
def canvas(
    name: str, height_inches: float, ratios: tuple[int, ...] = (1,), *, shared: bool = True
) -> Iterator[tuple[list[Axes], list[str]]]:
    """Open a figure of panels over one another; the SVG is appended to the list when the block ends.

    Args:
        name: Unique on the page; keeps the identifiers inside two plots apart.
        height_inches: Height of the figure; the width is the same for all.
        ratios: Heights of the panels beside one another; as many panels as there are.
        shared: Whether they share their horizontal axis.
    """
    drawn: list[str] = []
    with mpl.rc_context(_STYLE | {"svg.hashsalt": name}):
        figure = Figure(figsize=(WIDTH_INCHES, height_inches), layout="constrained")
        axes = figure.subplots(len(ratios), 1, sharex=shared, squeeze=False, height_ratios=ratios)[:, 0]
        yield list(axes), drawn
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    drawn.append(themed(buffer.getvalue()))


def themed(svg: str) -> str:
    """Strip what only a file of its own needs, and let the page's variables give colours and font."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'(<svg[^>]*?) (?:width|height)="[^"]*"', r"\1", svg)
    svg = re.sub(r'(<svg[^>]*?) (?:width|height)="[^"]*"', r"\1", svg, count=1)
    svg = re.sub(r"font: (?:(\d+|bold) )?([\d.]+)px [^;\"]*", r"font-size: \2px", svg)
    svg = re.sub(
        r' id="(?:figure|axes|patch|line2d|text|matplotlib|xtick|ytick|legend|[a-z]*collection)[^"]*"',
        "",
        svg,
        flags=re.IGNORECASE,
    )
    for colour, variable in _VARIABLES.items():
        svg = svg.replace(colour, f"var(--{variable})")
    return svg.replace("<svg", '<svg role="img"', 1)


def clock_axis(axis: Axes, length_seconds: float) -> None:
    """Label a horizontal axis of seconds since the start in minutes, or in hours when it is long."""
    step = next((s for s in _TICKS_SECONDS if length_seconds / s <= _MOST_TICKS), 86_400.0)
    axis.xaxis.set_major_locator(MultipleLocator(step))
    axis.xaxis.set_major_formatter(FuncFormatter(lambda seconds, _: clock(seconds, length_seconds)))
    axis.set_xlim(0, max(1.0, length_seconds))
    axis.set_xlabel("since the attempt began, " + ("h:mm" if length_seconds > _HOURS else "min:s"))


def log_axis(axis: Axes) -> None:
    """Make the vertical axis logarithmic, with plain numbers at 1, 2 and 5 of each decade."""
    axis.set_yscale("log")
    axis.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axis.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.yaxis.set_minor_formatter(NullFormatter())


def legend(axis: Axes) -> None:
    """Put the legend above the panel, where it covers no data."""
    axis.legend(loc="lower left", bbox_to_anchor=(-0.01, 1.0), ncols=4, borderpad=0.2, handlelength=1.6)


_TICKS_SECONDS = (1, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14_400, 28_800)
_MOST_TICKS = 8
_HOURS = 2 * 3600


def clock(seconds: float, length_seconds: float = 0.0) -> str:
    """A duration as min:s, or as h:mm on a long axis."""
    whole = round(seconds)
    if length_seconds > _HOURS:
        return f"{whole // 3600}:{whole % 3600 // 60:02d}"
    return f"{whole // 60}:{whole % 60:02d}"
