"""How long work reports how far it is: one signature for a stage, one for a loop inside it."""

from collections.abc import Callable

#: A stage of an experiment: its name, how much is done, of how much, and a few words.
Progress = Callable[[str, float, float, str], None]
#: A loop: how many rows are done, and how many there are.
Notify = Callable[[int, int], None]


def silent(stage: str, done: float, total: float, words: str) -> None:
    """Report to nobody."""


def quiet(done: int, total: int) -> None:
    """Report to nobody."""
