"""What generating a shop returns."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SampleResult:
    """What ``shoptalk sample --json`` prints.

    Attributes
    ----------
    users, items, reviews
        How many the generated shop has.
    files
        The paths of its files, by name.
    """

    users: int
    items: int
    reviews: int
    files: Mapping[str, str]
