"""The result of comparing runs."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from shoptalk.results.cost import Cost
from shoptalk.results.figures import Comparison


@dataclass(frozen=True, slots=True)
class SeededEstimate:
    """A metric of a recipe, as the mean over the seeds of each user.

    Attributes
    ----------
    value
        The mean over users.
    low, high
        Its 95 % interval over users.
    n
        Number of users.
    spread
        The standard deviation over the seeds; null with one seed.
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
    """The runs of one recipe with different seeds.

    Attributes
    ----------
    name
        A name that distinguishes it from the other recipes.
    runs
        The folders of its runs.
    seeds
        The seeds of the runs.
    settings
        The settings in which the recipes differ, as ``section.key``.
    metrics
        The metrics by name.
    cost
        The mean cost of a run.
    """

    name: str
    runs: tuple[str, ...]
    seeds: tuple[int, ...]
    settings: Mapping[str, Any]
    metrics: Mapping[str, SeededEstimate]
    cost: Cost


@dataclass(frozen=True, slots=True)
class ComparisonResult:
    """The output of ``shoptalk compare --json``.

    Attributes
    ----------
    fingerprint
        Fingerprint of the dataset of all runs.
    users
        Number of test users.
    seed
        Seed of the resamples and random flips.
    metrics
        The metrics that all runs have, the main one first.
    groups
        The recipes.
    comparisons
        The comparisons of every pair by every metric.
    warnings
        Warnings about the comparison.
    verdict
        A sentence about the best recipe and its significance.
    """

    fingerprint: str
    users: int
    seed: int
    metrics: tuple[str, ...]
    groups: tuple[ComparedRecipe, ...]
    comparisons: tuple[Comparison, ...]
    warnings: tuple[str, ...]
    verdict: str = ""
