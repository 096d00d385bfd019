"""Progress callbacks: the signature for a stage of an experiment, and that for a loop inside a stage."""

from collections.abc import Callable

#: Called with the name of a stage, the amount done, the amount in all, and a short text.
Progress = Callable[[str, float, float, str], None]
#: Called by a loop with the number of rows done and the number of all rows.
Notify = Callable[[int, int], None]


def silent(stage: str, done: float, total: float, text: str) -> None:
    """A `Progress` that does nothing."""


def quiet(done: int, total: int) -> None:
    """A `Notify` that does nothing."""
