"""The results of ``shoptalk online``: experiments on customers, and estimates for policies that were not in use."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from shoptalk.schema import Estimate

Judgement = Literal["better", "worse", "equivalent", "undecided", "too_early", "invalid"]


@dataclass(frozen=True, slots=True)
class ArmResult:
    """An arm of an experiment.

    Attributes
    ----------
    arm
        Its name.
    share
        The share of users that it should have now; null if the weights were not recorded.
    users
        Users whose first answer came from this arm and is older than the window: those that are counted.
    pending
        Users whose window is not over yet; they are not counted.
    moved
        Users of this arm who later got an answer of another arm.
    answers
        Number of answers.
    fallback
        Share of the answers that another method gave.
    milliseconds
        Median and 99th percentile of the time to answer; null if it was not recorded.
    rates
        For each kind of event the share of users with such an event, attributed to an answer, within the window after
        the first answer. The interval holds at all times (a confidence sequence).
    per_answer
        For each kind of event the share of the answers with one, without an interval, because answers to one user are
        not independent.
    """

    arm: str
    share: float | None
    users: int
    pending: int
    moved: int
    answers: int
    fallback: float
    milliseconds: tuple[float, ...] | None
    rates: Mapping[str, Estimate]
    per_answer: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class ArmComparison:
    """An arm against the control, by one rate.

    Attributes
    ----------
    arm, control
        The two arms.
    metric
        The kind of event.
    difference
        The rate of ``arm`` minus that of ``control``.
    low, high
        Its interval, which holds at all times, corrected for the number of arms; null before it is known.
    detectable
        The smallest true difference that these numbers of users show with a power of 80 %; null if unknown.
    users_needed
        Number of users of both arms with which a difference of the observed size would be shown with a power of 80 %;
        null if there is none or if it is shown already.
    judgement
        ``better`` or ``worse``; ``equivalent`` (the interval lies within the margin that was asked for);
        ``undecided``; ``too_early`` (too few users for an interval); ``invalid`` (the sample ratio is wrong).
    """

    arm: str
    control: str
    metric: str
    difference: float
    low: float
    high: float
    detectable: float
    users_needed: int | None
    judgement: Judgement


@dataclass(frozen=True, slots=True)
class SampleRatio:
    """The check of the sample ratio.

    Attributes
    ----------
    p
        The p value, which may be looked at any time.
    mismatch
        Whether it is below .01: the arms have other shares than their weights.
    """

    p: float
    mismatch: bool


@dataclass(frozen=True, slots=True)
class OffPolicyEstimate:
    """The value that another policy would have had, from the answers of the policy in use.

    Attributes
    ----------
    policy
        The policy that is estimated.
    arm
        The arm whose answers it is estimated from.
    metric
        The kind of event; the value is the number of shown items with one, per answer.
    estimator
        ``snipw`` (self-normalised importance weights of whole lists), ``doubly_robust`` or ``iips`` (by place).
    value
        The estimate; null if it is refused.
    low, high
        Its 95 % interval, by resampling users. It holds for one look.
    answers, users
        What it is estimated from.
    effective_answers
        The effective sample size: the squared sum of the weights over the sum of the squared weights.
    largest_weight
        The largest weight.
    in_use
        The value of the policy in use, from the same answers.
    refused
        Why there is no estimate; null if there is one.
    """

    policy: str
    arm: str
    metric: str
    estimator: str
    value: float
    low: float
    high: float
    answers: int
    users: int
    effective_answers: float
    largest_weight: float
    in_use: float
    refused: str | None


@dataclass(frozen=True, slots=True)
class ExperimentResult:
    """An experiment.

    Attributes
    ----------
    experiment
        Its name.
    control
        The arm that the others are compared with.
    arms
        The arms, the control first.
    sample_ratio
        The check of the sample ratio; null if the weights were not recorded.
    comparisons
        Each other arm against the control.
    off_policy
        Estimates for policies that were not in use.
    warnings
        What to know about these figures.
    verdict
        What is known, in a sentence or two.
    """

    experiment: str
    control: str
    arms: tuple[ArmResult, ...]
    sample_ratio: SampleRatio | None
    comparisons: tuple[ArmComparison, ...]
    off_policy: tuple[OffPolicyEstimate, ...]
    warnings: tuple[str, ...]
    verdict: str


@dataclass(frozen=True, slots=True)
class OnlineResult:
    """The output of ``shoptalk online --json``.

    Attributes
    ----------
    database
        The database.
    now
        The time of this look, in seconds since 1970.
    metric
        The kind of event by which arms are judged.
    window
        Seconds after a user's first answer in which events count.
    planned
        The number of users at which the intervals of differences are narrowest.
    events
        Number of stored events.
    attributed
        The share of them that names an answer which showed the product.
    experiments
        The experiments.
    """

    database: str
    now: float
    metric: str
    window: float
    planned: int
    events: int
    attributed: float
    experiments: tuple[ExperimentResult, ...]
