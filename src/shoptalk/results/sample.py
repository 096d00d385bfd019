"""The result of generating a sample dataset."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SampleResult:
    """The output of ``shoptalk sample --json``.

    Attributes
    ----------
    users, items, reviews
        Number of users, items and reviews of the generated dataset.
    files
        The paths of the files, by name.
    """

    users: int
    items: int
    reviews: int
    files: Mapping[str, str]
