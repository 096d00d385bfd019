"""Recall by segment: the model beside the best simple method."""

from collections.abc import Sequence
from typing import Any

from shoptalk.report.figure import COLOURS, WIDE, as_svg
from shoptalk.report.names import metric_label
from shoptalk.report.rankings import MAIN, SegmentPanel

_HALF = 0.38
#: Segments of a panel that takes half a line.
_FEW = 3


def draw_segments(panels: Sequence[SegmentPanel], best: str, width: float = WIDE) -> str:
    """Pairs of bars with their 95 % intervals, as the data address of an SVG.

    Parameters
    ----------
    panels
        Ways of cutting the test.
    best
        The name of the simple method, for the legend; empty where there is none.
    width
        In inches; on a narrow figure every panel has a line of its own.
    """
    from matplotlib.figure import Figure

    phone = width < WIDE
    wide = [panel for panel in panels if phone or len(panel.rows) > _FEW]
    narrow = [panel for panel in panels if panel not in wide]  # two of them share a line
    lines = len(wide) + (len(narrow) + 1) // 2
    figure = Figure(figsize=(width, 2.5 * lines), layout="constrained")
    grid = figure.add_gridspec(lines, 2, hspace=0.1)
    cells = [grid[index, :] for index in range(len(wide))]
    cells += [grid[len(wide) + index // 2, index % 2] for index in range(len(narrow))]
    for panel, cell in zip([*wide, *narrow], cells, strict=True):
        _fill(figure.add_subplot(cell), panel, best, 6.5 if phone and len(panel.rows) > 6 else 9)
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, frameon=False, ncols=1 if phone else 2, loc="outside upper left")
    return as_svg(figure)


def _fill(axes: Any, panel: SegmentPanel, best: str, size: float) -> None:
    rows = panel.rows
    for side, key, name, kind in ((-0.5, "model", "this model", "model"), (0.5, "best", best, "baseline")):
        labelled = [(index, getattr(row, key)) for index, row in enumerate(rows)]
        shown = [(index, own) for index, own in labelled if own is not None]
        if not shown or not name:
            continue
        values = [own.value for _, own in shown]
        # A segment of one user has no interval.
        spans = [
            [own.value - own.low if own.has_interval else 0.0 for _, own in shown],
            [own.high - own.value if own.has_interval else 0.0 for _, own in shown],
        ]
        indices = [index + side * _HALF for index, _ in shown]
        axes.bar(indices, values, yerr=spans, width=_HALF, color=COLOURS[kind], ecolor="#222222", label=name,
                 error_kw={"elinewidth": 1})  # fmt: skip
    axes.set_xticks(range(len(rows)), [f"{row.name}\n{row.n:,}" for row in rows])
    axes.tick_params(axis="x", length=0, labelsize=size)
    axes.set_ylim(bottom=0)
    axes.set_ylabel(metric_label(MAIN))
    axes.set_title(panel.title, loc="left", fontsize=9, fontweight="bold", wrap=True)
    axes.spines[["top", "right"]].set_visible(False)
