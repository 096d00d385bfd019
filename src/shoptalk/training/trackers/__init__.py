"""Trackers: what is told of a training's losses besides ``log.jsonl``.

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
    """Follows one training from its beginning, or from the step at which it is taken up again, to its end."""

    def start(self, run: Path, step: int) -> None:
        """Begin; what was told of a step after this one will be told again."""
        ...

    def log(self, event: str, step: int, values: Mapping[str, Any]) -> None:
        """Take one event as ``log.jsonl`` has it; what is raised here ends the training."""
        ...

    def end(self, *, finished: bool) -> None:
        """Stop; ``finished`` is False where an error or an interruption ended the training."""
        ...


def make_trackers(recipe: Recipe) -> list[Tracker]:
    """The trackers that a recipe names under ``training.trackers``.

    Raises
    ------
    MissingExtra
        When one needs a library that is not installed.
    """
    names = dict.fromkeys(recipe.training.trackers)
    return [importlib.import_module(_TRACKERS[name]).Tracker(recipe) for name in names]


def numbers(event: str, values: Mapping[str, Any]) -> dict[str, float]:
    """The numbers among an event's values, each as ``event/name``."""
    return {f"{event}/{name}": value for name, value in values.items() if isinstance(value, (int, float))}
