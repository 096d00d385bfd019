"""What a sweep returns."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from shoptalk.results.figures import Metrics


@dataclass(frozen=True, slots=True)
class TrialResult:
    """One trial of a sweep.

    Attributes
    ----------
    number
        From 0.
    state
        ``complete``, ``pruned``, ``failed``, ``running`` or ``interrupted`` (another trial is in its place).
    value
        By the sweep's metric; null where it did not end.
    settings
        As ``section.key``.
    seconds
        Of training and judging; null where it did not end.
    says
        Why it failed; empty otherwise.
    run
        Its folder; null where it was interrupted.
    """

    number: int
    state: str
    value: float | None
    settings: Mapping[str, Any]
    seconds: float | None = None
    says: str = ""
    run: str | None = None


@dataclass(frozen=True, slots=True)
class SweepWinner:
    """The trial that validation chose, judged on the test.

    Attributes
    ----------
    number
        Of the trial.
    value
        By the sweep's metric, on validation cases.
    settings
        As ``section.key``.
    run
        The folder of the run that was judged.
    recipe
        The file of its recipe.
    metrics, baselines
        On the test: see EvaluationResult.
    """

    number: int
    value: float
    settings: Mapping[str, Any]
    run: str
    recipe: str
    metrics: Metrics
    baselines: Mapping[str, Metrics]


@dataclass(frozen=True, slots=True)
class SweepResult:
    """What a sweep found: ``sweep.json``, and what ``shoptalk sweep --json`` prints.

    Attributes
    ----------
    metric
        By which the winner was chosen.
    trials
        In the order in which they began.
    winner
        The best of them.
    importance
        The share of each setting in the variance of the values; empty where there is too little to tell.
    fingerprint
        Of the dataset.
    seconds
        Of trying, of fixing the winner, and of judging it.
    """

    metric: str
    trials: tuple[TrialResult, ...]
    winner: SweepWinner
    importance: Mapping[str, float]
    fingerprint: str
    seconds: Mapping[str, float] = field(default_factory=dict)
