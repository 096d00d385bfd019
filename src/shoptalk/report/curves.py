"""Loss curves, per epoch."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from shoptalk.files import replacing

#: Distinguishable for colour-blind people (Okabe and Ito).
TRAIN, VALIDATION = "#0072B2", "#D55E00"


#: What a phase's loss is measured in.
UNITS = {"options": "loss (nats per question)"}


def draw_losses(losses: Sequence[dict[str, Any]], path: Path) -> None:
    """Draw train and validation loss over epochs as a PNG: a panel for each kind of loss."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import FixedLocator, MaxNLocator

    kinds = list(dict.fromkeys(UNITS.get(str(row.get("phase")), "loss (nats per answer token)") for row in losses))
    figure = Figure(figsize=(6.4, 3.2 * max(1, len(kinds))), layout="constrained")
    for place, kind in enumerate(kinds):
        rows = [row for row in losses if UNITS.get(str(row.get("phase")), "loss (nats per answer token)") == kind]
        axes = figure.add_subplot(len(kinds), 1, place + 1)
        epochs = [row["epoch"] for row in rows]
        axes.plot(epochs, [row["train"] for row in rows], color=TRAIN, marker="o", label="train")
        watched = [row["validation"] for row in rows]
        axes.plot(epochs, watched, color=VALIDATION, marker="s", linestyle="--", label="validation")
        axes.set_xlabel("epoch")
        axes.set_ylabel(kind)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True) if len(epochs) > 12 else FixedLocator(epochs))
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False)
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png", dpi=120)
