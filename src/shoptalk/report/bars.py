"""Figures of several methods side by side, with their intervals."""

import base64
import io
from collections.abc import Sequence
from typing import Any

#: Distinguishable for colour-blind people (Okabe and Ito).
COLOURS = {"model": "#0072B2", "swapped": "#D55E00", "baseline": "#999999"}


def draw_bars(rows: Sequence[dict[str, Any]], what: str = "accuracy", digits: int = 3) -> str:
    """A bar per row with its 95 % interval, as the data address of an SVG; rows have name, kind, value, low, high."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.2, 0.42 * len(rows) + 0.8), layout="constrained")
    fill_axes(figure.subplots(), rows, what, digits)
    return as_svg(figure)


def as_svg(figure: Any) -> str:
    """A figure as a data address, the same bytes for the same figure."""
    from matplotlib import rc_context

    buffer = io.BytesIO()
    with rc_context({"svg.hashsalt": "shoptalk"}):
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    return "data:image/svg+xml;base64," + base64.b64encode(buffer.getvalue()).decode()


def fill_axes(axes: Any, rows: Sequence[dict[str, Any]], what: str = "accuracy", digits: int = 3) -> None:
    """Draw the bars on given axes."""
    places = list(range(len(rows)))[::-1]
    values = [row["value"] for row in rows]
    spans = [[row["value"] - row["low"] for row in rows], [row["high"] - row["value"] for row in rows]]
    axes.barh(places, values, xerr=spans, color=[COLOURS[row["kind"]] for row in rows], height=0.7, ecolor="#222222")
    axes.set_yticks(places, [row["name"] for row in rows])
    for place, row in zip(places, rows, strict=True):
        axes.annotate(
            f"{row['value']:.{digits}f}", (row["high"], place), (5, 0), textcoords="offset points", va="center"
        )
    axes.set_xlim(0, min(1.12, max(row["high"] for row in rows) * 1.15))
    axes.set_xlabel(f"{what} (share of users, with 95 % interval)")
    axes.spines[["top", "right"]].set_visible(False)
