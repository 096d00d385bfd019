"""Figures of multiple-choice results: accuracy, position bias, calibration."""

import math
from collections.abc import Sequence

from shoptalk.report.bars import Bar
from shoptalk.report.figure import COLOURS, WIDE, as_svg
from shoptalk.results import CalibrationBin, PositionShare

#: Metrics shown next to the accuracy, and those in the collapsed table.
SECONDARY = ("mrr", "ece")
MORE = ("precision", "recall", "f1", "exact_match")
_ORDER = {"model": 0, "swapped": 1, "baseline": 2}


def best_first(rows: Sequence[Bar]) -> list[Bar]:
    """The model, the model with permuted histories, then the baselines from best to worst."""
    return sorted(rows, key=lambda row: (_ORDER[row.kind], -row.figure.value))


def draw_positions(positions: Sequence[PositionShare], width: float = WIDE) -> str:
    """Share of correct and of chosen options, and accuracy, by position, as the data URI of an SVG."""
    from matplotlib.figure import Figure

    is_narrow = width < WIDE
    figure = Figure(figsize=(width, 4.6 if is_narrow else 2.5), layout="constrained")
    shares, accuracies = figure.subplots(2, 1) if is_narrow else figure.subplots(1, 2)
    option_positions = [row.position for row in positions]
    for offset, key, name, kind in ((-0.2, "answers", "correct", "baseline"), (0.2, "chosen", "chosen", "model")):
        values = [getattr(row, key) for row in positions]
        shares.bar([index + offset for index in option_positions], values, width=0.38, color=COLOURS[kind], label=name)
    shares.set_ylabel("share of questions")
    shares.set_ylim(0, 1.35 * max(max(row.answers, row.chosen) for row in positions))
    shares.legend(frameon=False, ncols=2, loc="upper left")
    accuracies.bar(
        option_positions,
        [0 if math.isnan(row.accuracy) else row.accuracy for row in positions],
        width=0.6,
        color=COLOURS["model"],
    )
    accuracies.set_ylabel("accuracy")
    accuracies.set_ylim(bottom=0)
    for axes in (shares, accuracies):
        axes.set_xticks(option_positions)
        axes.set_xlabel("option position")
        axes.spines[["top", "right"]].set_visible(False)
    return as_svg(figure)


def draw_calibration(bins: Sequence[CalibrationBin], width: float = WIDE) -> str:
    """A reliability diagram and a histogram of the confidence, as the data URI of an SVG.

    Empty bins are left out.
    """
    from matplotlib.figure import Figure

    is_narrow = width < WIDE
    filled_bins = [row for row in bins if row.cases]
    figure = Figure(figsize=(width, 5.2 if is_narrow else 3.3), layout="constrained")
    diagram, histogram = figure.subplots(2, 1, height_ratios=[3, 2]) if is_narrow else figure.subplots(1, 2)
    diagram.plot([0, 1], [0, 1], color="#666666", linestyle="--", linewidth=1, label="perfectly calibrated")
    confidences, accuracies = [row.confidence for row in filled_bins], [row.accuracy for row in filled_bins]
    diagram.plot(confidences, accuracies, "o-", color=COLOURS["model"], label="this model")
    diagram.set_ylabel("accuracy")
    diagram.set_ylim(0, 1.02)
    diagram.legend(frameon=False, loc="upper left")
    middles = [(row.low + row.high) / 2 for row in filled_bins]
    widths = [0.92 * (row.high - row.low) for row in filled_bins]
    histogram.bar(middles, [row.cases for row in filled_bins], width=widths, color=COLOURS["baseline"])
    histogram.set_ylabel("cases")
    for axes in (diagram, histogram):
        axes.set_xlim(0, 1)
        axes.set_xlabel("confidence")
        axes.spines[["top", "right"]].set_visible(False)
    return as_svg(figure)
