"""The result of a sweep."""

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
        The number of the trial, from 0.
    state
        ``complete``, ``pruned``, ``failed``, ``running`` or ``interrupted`` (replaced by another trial).
    value
        Value of the sweep's metric; null if the trial did not finish.
    settings
        The settings of the trial, by ``section.key``.
    seconds
        Duration of training and evaluation; null if the trial did not finish.
    says
        The reason of a failure; else empty.
    run
        The folder of the run; null if it was interrupted.
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
    """The best trial on validation cases, evaluated on the test.

    Attributes
    ----------
    number
        The number of the trial.
    value
        Value of the sweep's metric on validation cases.
    settings
        The settings of the trial, by ``section.key``.
    run
        The folder of the evaluated run.
    recipe
        The file of the recipe.
    metrics, baselines
        Metrics on the test, see EvaluationResult.
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
    """The result of a sweep: ``sweep.json``, and the output of ``shoptalk sweep --json``.

    Attributes
    ----------
    metric
        The metric by which the best trial is chosen.
    trials
        The trials in the order of their start.
    winner
        The best trial.
    importance
        The share of each setting in the variance of the values; empty with too few trials.
    fingerprint
        Fingerprint of the dataset.
    seconds
        Duration of the trials, of the final training, and of its evaluation.
    """

    metric: str
    trials: tuple[TrialResult, ...]
    winner: SweepWinner
    importance: Mapping[str, float]
    fingerprint: str
    seconds: Mapping[str, float] = field(default_factory=dict)
