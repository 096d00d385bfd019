"""How a stage tells what it is doing."""

from collections.abc import Callable

#: Told how far a stage is: its name, how much is done, of how much, and a few words.
Progress = Callable[[str, float, float, str], None]


def silent(stage: str, done: float, of: float, words: str) -> None:
    """Tell nobody."""
