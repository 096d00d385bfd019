"""Loss curves per epoch, for all training phases."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shoptalk.files import replacing
from shoptalk.report.figure import COLOURS, WIDE, as_svg
from shoptalk.report.names import metric_label

Rows = Sequence[dict[str, Any]]

#: The unit of a phase's loss, and the label of the phase.
ANSWERS, UNITS = "loss (nats per answer token)", {"options": "loss (nats per question)"}
PHASES = {
    "pretraining": "pretraining",
    "catalogue": "titles",
    "answers": "answers",
    "options": "multiple choice",
    "items": "next item",
}
#: The metric that selects the epoch if items are ranked.
VALIDATION_METRIC = "ndcg@10"


@dataclass(frozen=True, slots=True)
class LossRow:
    """An epoch: its losses, and NDCG@10 on the validation cases if it was computed."""

    epoch: int
    phase: str
    train: float | None
    validation: float | None
    ndcg: float | None


def draw_losses(losses: Rows, path: Path) -> None:
    """Draw train and validation loss over epochs as a PNG: a panel for each kind of loss."""
    with replacing(path) as temporary:
        _figure(losses, (), None, 6.4).savefig(temporary, format="png", dpi=120)


def draw_training(losses: Rows, refit: Rows, best_epoch: int | None, width: float = WIDE) -> str:
    """The loss curves as the data URI of an SVG, with the selected epoch and the losses of the final fit.

    Parameters
    ----------
    losses, refit
        Rows with ``epoch``, ``train``, ``validation`` (None if there was no validation), ``phase``.
    best_epoch
        The epoch whose weights were kept.
    """
    return as_svg(_figure(losses, refit, best_epoch, width))


def loss_rows(losses: Rows, refit: Rows) -> list[LossRow]:
    """Every epoch of every phase, for a table."""
    shown = [(row, PHASES.get(str(row.get("phase")), row.get("phase") or "")) for row in losses]
    shown += [(row, "refit on training and validation purchases") for row in refit]
    return [
        LossRow(row["epoch"], phase, row.get("train"), row.get("validation"), row.get(VALIDATION_METRIC))
        for row, phase in shown
    ]


def _figure(losses: Rows, refit: Rows, best_epoch: int | None, width: float) -> Any:
    """A panel per kind of loss, and one for the validation metric; all share the x axis."""
    from matplotlib.figure import Figure

    kinds = list(dict.fromkeys(_unit(row) for row in losses)) or [ANSWERS]
    validated = [row for row in losses if row.get(VALIDATION_METRIC) is not None]
    panels = len(kinds) + bool(validated)
    figure = Figure(figsize=(width, 2.7 * panels), layout="constrained")
    panel_axes = figure.subplots(panels, 1, sharex=True, squeeze=False)[:, 0].tolist()
    for axes, kind in zip(panel_axes, kinds, strict=False):
        rows = [row for row in losses if _unit(row) == kind]
        _line(axes, rows, "train", "model", marker="o", label="train")
        _line(axes, rows, "validation", "swapped", marker="s", linestyle="--", label="validation")
        refit_rows = [row for row in refit if _unit(row) == kind]
        _line(axes, refit_rows, "train", "third", marker="^", linestyle=":", label="train, refit")
        axes.set_ylabel(kind if width >= WIDE else kind.replace(" (", "\n("))
    if validated:
        _line(panel_axes[-1], validated, VALIDATION_METRIC, "swapped", marker="s", linestyle="--", label="validation")
        panel_axes[-1].set_ylabel(metric_label(VALIDATION_METRIC))
    _phases(panel_axes, losses)
    for axes in panel_axes:
        _finish(axes, [row["epoch"] for row in [*losses, *refit]], best_epoch)
    panel_axes[-1].set_xlabel("epoch")
    return figure


def _unit(row: dict[str, Any]) -> str:
    """The unit of the loss of an epoch."""
    return UNITS.get(str(row.get("phase")), ANSWERS)


def _line(axes: Any, rows: Rows, key: str, colour: str, **style: Any) -> None:
    """A line over epochs; nothing if no epoch has the value."""
    values = [float("nan") if row.get(key) is None else row[key] for row in rows]
    if any(value == value for value in values):  # noqa: PLR0124  (NaN)
        axes.plot([row["epoch"] for row in rows], values, color=COLOURS[colour], **style)


def _phases(panels: Sequence[Any], losses: Rows) -> None:
    """Mark the first epoch of each phase."""
    first_rows = [
        row for index, row in enumerate(losses) if not index or row.get("phase") != losses[index - 1].get("phase")
    ]
    if len(first_rows) < 2:
        return
    for row in first_rows:
        for axes in panels:
            axes.axvline(row["epoch"] - 0.5, color="#888888", linewidth=1, linestyle="-.")
        name = str(row.get("phase"))
        panels[0].annotate(
            f"{PHASES.get(name, name)} →",
            (row["epoch"] - 0.45, 1),
            (2, 2),
            fontsize=8,
            va="bottom",
            xycoords=("data", "axes fraction"),
            textcoords="offset points",
        )


def _finish(axes: Any, epochs: Sequence[int], best_epoch: int | None) -> None:
    """Mark the selected epoch, set the ticks and the legend."""
    from matplotlib.ticker import FixedLocator, MaxNLocator

    if best_epoch is not None and best_epoch in epochs:
        axes.axvline(best_epoch, color="#222222", linewidth=8, alpha=0.15, zorder=0, label="weights kept")
    ticks = sorted(set(epochs))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True) if len(ticks) > 12 else FixedLocator(ticks))
    if ticks:
        axes.set_xlim(ticks[0] - 0.5, ticks[-1] + 0.5)
    axes.spines[["top", "right"]].set_visible(False)
    if axes.get_legend_handles_labels()[0]:
        axes.legend(frameon=False)
