"""Figures of a comparison: differences with intervals (forest plot), metrics, and quality against cost.

All are narrow, so that labels are readable on a phone. Labels are above their line.
"""

from collections.abc import Sequence
from typing import Any

from shoptalk.constants import SIGNIFICANCE
from shoptalk.report.figure import COLOURS, as_svg
from shoptalk.report.names import Interval
from shoptalk.results import ComparedRecipe, Comparison

#: Distinguishable for colour-blind people (Okabe and Ito), and with a marker each.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = "osD^vPX"
_WIDTH, _ROW = 5.0, 0.52
#: Most characters of a label above a line.
_MAX_LABEL = 52
_INK = "#222222"


def draw_differences(rows: Sequence[Comparison], metric: str) -> str:
    """A line per pair: the difference with its 95 % interval, filled if significant; as the data URI of an SVG."""
    names = [f"{row.one} − {row.other}" for row in rows]
    if max(map(len, names)) > _MAX_LABEL:
        names = [f"{_shortened(row.one)}\n− {_shortened(row.other)}" for row in rows]
    figure, axes = _figure(len(rows), _ROW + (0.2 if "\n" in names[0] else 0))
    for index, (row, name) in enumerate(zip(rows, names, strict=True)):
        significant = row.p_holm < SIGNIFICANCE
        colour = (COLOURS["model"] if row.difference > 0 else COLOURS["swapped"]) if significant else "#666666"
        _interval(axes, -index, row, row.difference, colour, "o", filled=significant)
        _labels(axes, -index, name, f"{row.difference:+.4f}")
    axes.axvline(0, color=_INK, linewidth=1, linestyle="--", zorder=0)
    axes.margins(x=0.08)
    axes.set_xlabel(f"difference in {metric}, with 95 % interval")
    return as_svg(figure)


def draw_metrics(groups: Sequence[ComparedRecipe], metric: str, name: str) -> str:
    """A line per group: the metric with its 95 % interval over users, and a tick for each seed below it."""
    figure, axes = _figure(len(groups))
    for index, group in enumerate(groups):
        estimate = group.metrics[metric]
        _interval(axes, -index, estimate, estimate.value, *style(index), filled=True)
        if len(estimate.by_seed) > 1:
            axes.plot(estimate.by_seed, [-index - 0.22] * len(estimate.by_seed), "|", color=_INK, markersize=7)
        _labels(axes, -index, _shortened(group.name), f"{estimate.value:.4f}")
    axes.margins(x=0.08)
    axes.set_xlabel(f"{name}, with 95 % interval over users" + ("; | one seed" if _has_several_seeds(groups) else ""))
    return as_svg(figure)


def draw_cost(groups: Sequence[ComparedRecipe], metric: str, name: str) -> str:
    """The metric against training time, a point per group; empty if a time is unknown."""
    times = [group.cost.training_seconds for group in groups if group.cost.training_seconds is not None]
    if len(times) < len(groups) or len(groups) < 2:
        return ""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(_WIDTH, 3.2 + 0.22 * len(groups)), layout="constrained")
    axes = figure.subplots()
    for index, (group, seconds) in enumerate(zip(groups, times, strict=True)):
        quality, (colour, marker) = group.metrics[metric], style(index)
        span = [[quality.value - quality.low], [quality.high - quality.value]]
        axes.errorbar(
            seconds / 60,
            quality.value,
            yerr=span,
            fmt=marker,
            color=colour,
            markersize=8,
            capsize=3,
            label=_shortened(group.name),
        )
    axes.set_xlim(0, max(times) / 60 * 1.1)
    axes.margins(y=0.1)
    axes.set_xlabel("training time (minutes)")
    axes.set_ylabel(f"{name}, with 95 % interval")
    axes.spines[["top", "right"]].set_visible(False)
    for text in figure.legend(frameon=False, loc="outside lower left").get_texts():
        text.set_parse_math(False)  # a dollar sign in a name does not start a formula
    return as_svg(figure)


def style(index: int) -> tuple[str, str]:
    """Colour and shape of a group."""
    return PALETTE[index % len(PALETTE)], MARKERS[index % len(MARKERS)]


def _figure(rows: int, height: float = _ROW) -> tuple[Any, Any]:
    """A figure and its axes, with a line for each row."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(_WIDTH, height * rows + 0.75), layout="constrained")
    axes = figure.subplots()
    axes.set_ylim(-rows + 0.55, 0.62)
    axes.set_yticks([])
    axes.spines[["top", "right", "left"]].set_visible(False)
    return figure, axes


def _interval(axes: Any, y: float, interval: Interval, value: float, colour: str, marker: str, *, filled: bool) -> None:
    """A point with its interval."""
    axes.plot([interval.low, interval.high], [y, y], color=colour, linewidth=2, solid_capstyle="butt")
    face = colour if filled else "white"
    axes.plot([value], [y], marker, color=colour, markersize=8, markerfacecolor=face, markeredgewidth=1.8)


def _labels(axes: Any, y: float, left: str, right: str) -> None:
    """Labels above a line, at its left and right end."""
    transform = axes.get_yaxis_transform()  # x in axes fractions, y in data coordinates
    background = {"facecolor": "white", "edgecolor": "none", "pad": 1}  # covers the line of no difference
    axes.text(0, y + 0.25, left, transform=transform, va="bottom", color=_INK, bbox=background, parse_math=False)
    axes.text(1, y + 0.25, right, transform=transform, va="bottom", ha="right", color=_INK, bbox=background)


def _has_several_seeds(groups: Sequence[ComparedRecipe]) -> bool:
    """Whether a group has more than one run."""
    return any(len(group.runs) > 1 for group in groups)


def _shortened(name: str) -> str:
    """A name cut to the length of a label."""
    return name if len(name) <= _MAX_LABEL else name[: _MAX_LABEL - 1] + "…"
