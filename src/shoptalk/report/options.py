"""What the page says of choosing among options: accuracy, the places of the options, calibration."""

import math
from collections.abc import Sequence

from shoptalk.report.bars import Bar
from shoptalk.report.figure import COLOURS, WIDE, as_svg
from shoptalk.results import CalibrationBin, PositionShare

#: The metrics beside the accuracy, and those for a second look.
BESIDE = ("mrr", "ece")
MORE = ("precision", "recall", "f1", "exact_match")
_ORDER = {"model": 0, "swapped": 1, "baseline": 2}


def best_first(rows: Sequence[Bar]) -> list[Bar]:
    """The model, then itself with other histories, then the simple methods by their figure."""
    return sorted(rows, key=lambda row: (_ORDER[row.kind], -row.figure.value))


def draw_positions(positions: Sequence[PositionShare], width: float = WIDE) -> str:
    """How often each place is right and is chosen, and how accurate the model is there, as the address of an SVG."""
    from matplotlib.figure import Figure

    phone = width < WIDE
    figure = Figure(figsize=(width, 4.6 if phone else 2.5), layout="constrained")
    fractions, accuracies = figure.subplots(2, 1) if phone else figure.subplots(1, 2)
    indices = [row.position for row in positions]
    for side, key, name, kind in ((-0.2, "answers", "is right", "baseline"), (0.2, "chosen", "is chosen", "model")):
        values = [getattr(row, key) for row in positions]
        fractions.bar([index + side for index in indices], values, width=0.38, color=COLOURS[kind], label=name)
    fractions.set_ylabel("share of questions")
    fractions.set_ylim(0, 1.35 * max(max(row.answers, row.chosen) for row in positions))
    fractions.legend(frameon=False, ncols=2, loc="upper left")
    accuracies.bar(
        indices,
        [0 if math.isnan(row.accuracy) else row.accuracy for row in positions],
        width=0.6,
        color=COLOURS["model"],
    )
    accuracies.set_ylabel("accuracy there")
    accuracies.set_ylim(bottom=0)
    for axes in (fractions, accuracies):
        axes.set_xticks(indices)
        axes.set_xlabel("place of the option")
        axes.spines[["top", "right"]].set_visible(False)
    return as_svg(figure)


def draw_calibration(bins: Sequence[CalibrationBin], width: float = WIDE) -> str:
    """A reliability diagram beside a histogram of the cases, as the data address of an SVG.

    Empty bins are left out.
    """
    from matplotlib.figure import Figure

    phone = width < WIDE
    shown = [row for row in bins if row.cases]
    figure = Figure(figsize=(width, 5.2 if phone else 3.3), layout="constrained")
    sure, cases = figure.subplots(2, 1, height_ratios=[3, 2]) if phone else figure.subplots(1, 2)
    sure.plot([0, 1], [0, 1], color="#666666", linestyle="--", linewidth=1, label="as sure as it is right")
    sure.plot([row.confidence for row in shown], [row.accuracy for row in shown], "o-", color=COLOURS["model"],
              label="this model")  # fmt: skip
    sure.set_ylabel("how often it is right")
    sure.set_ylim(0, 1.02)
    sure.legend(frameon=False, loc="upper left")
    middles = [(row.low + row.high) / 2 for row in shown]
    cases.bar(middles, [row.cases for row in shown], width=[0.92 * (row.high - row.low) for row in shown],
              color=COLOURS["baseline"])  # fmt: skip
    cases.set_ylabel("cases")
    for axes in (sure, cases):
        axes.set_xlim(0, 1)
        axes.set_xlabel("how sure it is")
        axes.spines[["top", "right"]].set_visible(False)
    return as_svg(figure)
