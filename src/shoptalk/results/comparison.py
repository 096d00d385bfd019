"""What comparing runs returns."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from shoptalk.results.cost import Cost
from shoptalk.results.figures import Comparison


@dataclass(frozen=True, slots=True)
class SeededEstimate:
    """A metric of a recipe: each user's mean over the seeds.

    Attributes
    ----------
    value
        The mean over users.
    low, high
        Its 95 % interval over users.
    n
        How many users.
    spread
        The standard deviation from seed to seed; null with one seed.
    by_seed
        The metric of each run.
    """

    value: float
    low: float
    high: float
    n: int
    spread: float | None
    by_seed: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class ComparedRecipe:
    """The runs of one recipe, each with a seed of its own.

    Attributes
    ----------
    name
        What tells it from the others.
    runs
        The folders of its runs.
    seeds
        Their seeds.
    settings
        The settings in which the recipes differ, as ``section.key``.
    metrics
        By name.
    cost
        Of one run.
    """

    name: str
    runs: tuple[str, ...]
    seeds: tuple[int, ...]
    settings: Mapping[str, Any]
    metrics: Mapping[str, SeededEstimate]
    cost: Cost


@dataclass(frozen=True, slots=True)
class ComparisonResult:
    """What ``shoptalk compare --json`` prints.

    Attributes
    ----------
    fingerprint
        Of the dataset that all runs share.
    users
        Test users.
    seed
        Of the resamples and flips.
    metrics
        Those that all runs have; the first decides.
    groups
        The recipes.
    comparisons
        Every pair by every metric.
    warnings
        What the reader must know.
    verdict
        Which is best, and how surely, in a sentence.
    """

    fingerprint: str
    users: int
    seed: int
    metrics: tuple[str, ...]
    groups: tuple[ComparedRecipe, ...]
    comparisons: tuple[Comparison, ...]
    warnings: tuple[str, ...]
    verdict: str = ""
