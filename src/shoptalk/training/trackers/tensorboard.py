"""TensorBoard: event files in the folder ``tensorboard`` of the run."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch.utils.tensorboard import SummaryWriter

from shoptalk.recipe import Recipe
from shoptalk.training.trackers import numbers


class Tracker:
    """Writes every number as a scalar; the methods are those of the protocol `Tracker`."""

    def __init__(self, recipe: Recipe) -> None:
        pass

    def start(self, run: Path, step: int) -> None:
        """Open the files; TensorBoard hides later steps that an earlier writer logged."""
        self._board = SummaryWriter(str(run / "tensorboard"), purge_step=step + 1 if step else None)

    def log(self, event: str, step: int, values: Mapping[str, Any]) -> None:
        """Add the event's numbers."""
        for name, value in numbers(event, values).items():
            self._board.add_scalar(name, value, step)

    def end(self, *, finished: bool) -> None:  # noqa: ARG002
        """Close the files."""
        self._board.close()
