"""How a figure is drawn. Models differ by colour, line and marker, so that no one of these has to be seen."""

import io
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cells.compare.curves import Curves
from cells.folders import slug

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
"""Seven of the eight colours of Okabe & Ito 2008, chosen to be told apart by the colour-blind; yellow is too pale."""
LINES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (1, 3)), (0, (8, 3)))
MARKERS = "os^DvPX"

STYLE: dict[str, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "cells",  # the same records give the same file
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": True,
    "grid.color": "#e4e4e4",
    "legend.frameon": False,
}
WIDTH, HEIGHT = 6.4, 3.6
WIDE_RANGE = 20
"""A ratio of largest to smallest value from which on a logarithmic axis shows more."""


@dataclass(frozen=True)
class Drawing:
    """A figure: a name for its file, a caption that says what is seen, the SVG, and the comparison it belongs to."""

    name: str
    comparison: str | None
    caption: str
    svg: str


Styles = dict[str, int]
"""A model's name → its place among colours, lines and markers: the same in every figure."""


def plot_curves(axes: Axes, found: dict[str, Curves], styles: Styles, markers: bool = False) -> None:
    """A line and a band for each model."""
    handles = []
    for name, curve in found.items():
        colour, line, marker = style_of(name, styles)
        axes.fill_between(curve.x, *curve.band, color=colour, alpha=0.15, linewidth=0)
        handles += axes.plot(
            curve.x, curve.middle, color=colour, linestyle=line, linewidth=1.7, markersize=4,
            marker=marker if markers or len(curve.x) < 2 else None,
        )  # fmt: skip
    axes.legend(handles, [short(name) for name in found], loc="best", fontsize=8)


def style_of(name: str, styles: Styles) -> tuple[str, Any, str]:
    """A model's colour, line and marker."""
    place = styles[name]
    # The steps are coprime with the lists' length plus the round: no two of 49 models look alike.
    round_, index = divmod(place, len(COLOURS))
    return COLOURS[index], LINES[(index + round_) % len(LINES)], MARKERS[(index + round_) % len(MARKERS)]


def one_panel(
    height: float = HEIGHT, left: float = 0.65, top: float = 0.15, right: float = 0.15
) -> tuple[Figure, Axes]:
    """A figure with one panel; margins in inches, for a layout engine would draw everything twice."""
    figure = Figure(figsize=(WIDTH, height))
    figure.subplots_adjust(left / WIDTH, 0.5 / height, 1 - right / WIDTH, 1 - top / height)
    return figure, figure.add_subplot()


def log_if_wide(set_scale: Callable[[str], None], values: Sequence[float]) -> None:
    """A logarithmic axis where the values are all positive and far apart."""
    if values and min(values) > 0 and max(values) / min(values) > WIDE_RANGE:
        set_scale("log")


def short(name: str, most: int = 40) -> str:
    """A name on one line. It may be anything, so its dollars are no formula."""
    text = " ".join(name.split())
    return (text if len(text) <= most else text[: most - 1] + "…").replace("$", r"\$")


def drawn(figure: Figure, kind: str, comparison: str | None, caption: str) -> Drawing:
    """The figure as SVG, named after its kind and the comparison that it is of."""
    buffer = io.StringIO()
    with warnings.catch_warnings():
        # The text stays text: whoever shows the file may have the glyphs that the font at hand lacks.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    name = slug([kind, comparison]) if comparison else kind
    return Drawing(name, comparison, f"{comparison}: {caption}" if comparison else caption, buffer.getvalue())
