"""Trackers: services that receive the losses of a training, besides ``log.jsonl``.

A new tracker is one file with a class ``Tracker``, one line in ``_TRACKERS`` and in the recipe's list of names, and one
mirrored test.
"""

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from shoptalk.recipe import Recipe

_TRACKERS = {
    "tensorboard": "shoptalk.training.trackers.tensorboard",
    "mlflow": "shoptalk.training.trackers.mlflow",
}


class Tracker(Protocol):
    """Receives the events of one training."""

    def start(self, run: Path, step: int) -> None:
        """Begin, or continue a resumed training after ``step``: later events that were logged before come again."""
        ...

    def log(self, event: str, step: int, values: Mapping[str, Any]) -> None:
        """Record one event with the content that it has in ``log.jsonl``; an exception here ends the training."""
        ...

    def end(self, *, finished: bool) -> None:
        """End; ``finished`` is False after an error or an interruption."""
        ...


def make_trackers(recipe: Recipe) -> list[Tracker]:
    """The trackers that a recipe names under ``training.trackers``.

    Raises
    ------
    MissingExtra
        When a tracker needs a library that is not installed.
    """
    names = dict.fromkeys(recipe.training.trackers)
    return [importlib.import_module(_TRACKERS[name]).Tracker(recipe) for name in names]


def numbers(event: str, values: Mapping[str, Any]) -> dict[str, float]:
    """The numbers among an event's values, by ``event/name``."""
    return {f"{event}/{name}": value for name, value in values.items() if isinstance(value, (int, float))}
