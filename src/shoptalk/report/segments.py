"""Bar charts of recall by segment, of the model and of the best baseline."""

from collections.abc import Sequence
from typing import Any

from shoptalk.report.figure import COLOURS, WIDE, as_svg
from shoptalk.report.names import metric_label
from shoptalk.report.rankings import MAIN, SegmentPanel

_BAR_WIDTH = 0.38
#: Most segments of a panel of half width.
_MAX_NARROW = 3


def draw_segments(panels: Sequence[SegmentPanel], best: str, width: float = WIDE) -> str:
    """Pairs of bars with their 95 % intervals, as the data URI of an SVG.

    Parameters
    ----------
    panels
        The segmentations.
    best
        The name of the best baseline, for the legend; empty if there is none.
    width
        In inches; a narrow figure has one panel per row.
    """
    from matplotlib.figure import Figure

    is_narrow = width < WIDE
    wide = [panel for panel in panels if is_narrow or len(panel.rows) > _MAX_NARROW]
    narrow = [panel for panel in panels if panel not in wide]  # two per row
    lines = len(wide) + (len(narrow) + 1) // 2
    figure = Figure(figsize=(width, 2.5 * lines), layout="constrained")
    grid = figure.add_gridspec(lines, 2, hspace=0.1)
    cells = [grid[index, :] for index in range(len(wide))]
    cells += [grid[len(wide) + index // 2, index % 2] for index in range(len(narrow))]
    for panel, cell in zip([*wide, *narrow], cells, strict=True):
        _fill(figure.add_subplot(cell), panel, best, 6.5 if is_narrow and len(panel.rows) > 6 else 9)
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, frameon=False, ncols=1 if is_narrow else 2, loc="outside upper left")
    return as_svg(figure)


def _fill(axes: Any, panel: SegmentPanel, best: str, size: float) -> None:
    """Draw a segmentation, with tick labels of this size."""
    rows = panel.rows
    for offset, key, name, kind in ((-0.5, "model", "this model", "model"), (0.5, "best", best, "baseline")):
        estimates = [(index, getattr(row, key)) for index, row in enumerate(rows)]
        shown = [(index, estimate) for index, estimate in estimates if estimate is not None]
        if not shown or not name:
            continue
        values = [estimate.value for _, estimate in shown]
        # A segment of one user has no interval.
        spans = [
            [estimate.value - estimate.low if estimate.has_interval else 0.0 for _, estimate in shown],
            [estimate.high - estimate.value if estimate.has_interval else 0.0 for _, estimate in shown],
        ]
        indices = [index + offset * _BAR_WIDTH for index, _ in shown]
        axes.bar(
            indices,
            values,
            yerr=spans,
            width=_BAR_WIDTH,
            color=COLOURS[kind],
            ecolor="#222222",
            label=name,
            error_kw={"elinewidth": 1},
        )
    axes.set_xticks(range(len(rows)), [f"{row.name}\n{row.n:,}" for row in rows])
    axes.tick_params(axis="x", length=0, labelsize=size)
    axes.set_ylim(bottom=0)
    axes.set_ylabel(metric_label(MAIN))
    axes.set_title(panel.title, loc="left", fontsize=9, fontweight="bold", wrap=True)
    axes.spines[["top", "right"]].set_visible(False)
