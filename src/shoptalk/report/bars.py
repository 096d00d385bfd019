"""Bar charts of several methods with their intervals."""

import math
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from shoptalk.report.figure import COLOURS, WIDE, as_svg, wrap_label
from shoptalk.schema import Estimate


@dataclass(frozen=True, slots=True)
class Bar:
    """A bar: ``kind`` is a key of `COLOURS`; ``reference`` is drawn as a diamond (NaN: none)."""

    name: str
    kind: str
    figure: Estimate
    reference: float = math.nan


def draw_bars(
    rows: Sequence[Bar],
    label: str = "accuracy",
    digits: int = 3,
    *,
    unit: str = "share of users",
    width: float = WIDE,
) -> str:
    """A bar per row with its 95 % interval, as the data URI of an SVG.

    Parameters
    ----------
    label, unit
        The name of the metric, and what it is a share of (may be empty).
    width
        In inches.
    """
    from matplotlib.figure import Figure

    shown = [replace(row, name=wrap_label(row.name, width)) for row in rows]
    lines = max((1 + row.name.count("\n") for row in shown), default=1)
    figure = Figure(figsize=(width, max(0.37, 0.18 * lines + 0.06) * len(rows) + 0.8), layout="constrained")
    fill_axes(figure.subplots(), shown, label, digits, unit=unit, narrow=width < WIDE)
    return as_svg(figure)


def fill_axes(
    axes: Any,
    rows: Sequence[Bar],
    label: str = "accuracy",
    digits: int = 3,
    *,
    unit: str = "share of users",
    narrow: bool = False,
) -> None:
    """Draw the bars on given axes."""
    indices = list(range(len(rows)))[::-1]
    values = [row.figure.value for row in rows]
    lows = [row.figure.low if row.figure.has_interval else row.figure.value for row in rows]
    highs = [row.figure.high if row.figure.has_interval else row.figure.value for row in rows]
    spans = [
        [max(0.0, value - low) for value, low in zip(values, lows, strict=True)],
        [max(0.0, high - value) for value, high in zip(values, highs, strict=True)],
    ]
    axes.barh(indices, values, xerr=spans, color=[COLOURS[row.kind] for row in rows], height=0.7, ecolor="#222222")
    axes.set_yticks(indices, [row.name for row in rows])
    ends = list(highs)
    for number, (index, row) in enumerate(zip(indices, rows, strict=True)):
        if not math.isnan(row.reference):
            axes.plot(row.reference, index, "D", color="white", markeredgecolor="#222222", markersize=6)
            ends[number] = max(ends[number], row.reference)
        axes.annotate(
            f"{row.figure.value:.{digits}f}", (ends[number], index), (5, 0), textcoords="offset points", va="center"
        )
    margin = 1.35 if narrow else 1.15
    axes.set_xlim(0, min(1.3 if narrow else 1.12, max([*ends, 1e-9]) * margin))
    note = f"{unit}, with 95 % interval" if unit else "with 95 % interval"
    text = f"{label} ({note})"
    axes.set_xlabel(textwrap.fill(text, 24) if narrow else text)
    if narrow:
        axes.locator_params(axis="x", nbins=4)
    axes.spines[["top", "right"]].set_visible(False)
