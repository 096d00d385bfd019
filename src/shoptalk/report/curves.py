"""Loss curves, per epoch."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from shoptalk.files import replacing

#: Distinguishable for colour-blind people (Okabe and Ito).
TRAIN, VALIDATION = "#0072B2", "#D55E00"


def draw_losses(losses: Sequence[dict[str, Any]], path: Path) -> None:
    """Draw train and validation loss (nats per answer token) over epochs, as a PNG."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    figure = Figure(figsize=(6.4, 3.6), layout="constrained")
    axes = figure.subplots()
    epochs = [row["epoch"] for row in losses]
    axes.plot(epochs, [row["train"] for row in losses], color=TRAIN, marker="o", label="train")
    axes.plot(
        epochs, [row["validation"] for row in losses], color=VALIDATION, marker="s", linestyle="--", label="validation"
    )
    axes.set_xlabel("epoch")
    axes.set_ylabel("loss (nats per answer token)")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png", dpi=120)
