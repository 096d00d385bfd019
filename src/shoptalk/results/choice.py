"""The result of choosing a method."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from shoptalk.schema import Estimate


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """A method, learned from some of the training users.

    Attributes
    ----------
    users, purchases
        Number of training users and of their purchases.
    value
        The metric on the validation users that measure.
    seconds
        Time of choosing the settings, learning and measuring.
    """

    users: int
    purchases: int
    value: Estimate
    seconds: float


@dataclass(frozen=True, slots=True)
class MethodCurve:
    """The learning curve of a method that was trained.

    Attributes
    ----------
    method
        Its name in a recipe.
    points
        From the fewest to all training users.
    behind
        The metric of the best method minus that of this one, with all training users; zeros for the best method.
    p_holm
        Two-sided p value of the paired randomisation test against the best method, corrected for the number of methods;
        null for the best method.
    probability
        Probability that it is the best of the trained methods: share of the bootstrap resamples.
    doubled
        The metric extrapolated to twice the training users; null with fewer than three points.
    probability_doubled
        Probability that it is the best with twice the training users; null likewise.
    """

    method: str
    points: tuple[CurvePoint, ...]
    behind: Estimate
    p_holm: float | None
    probability: float
    doubled: Estimate | None
    probability_doubled: float | None

    @property
    def value(self) -> Estimate:
        """The metric with all training users."""
        return self.points[-1].value


@dataclass(frozen=True, slots=True)
class ExpectedModel:
    """What is expected of a model that was not trained, from learning curves measured in other shops.

    Attributes
    ----------
    model
        Its name.
    value
        The expected metric with its 95 % prediction interval; null where it was not measured.
    probability
        Probability that it is better than the best trained method; null likewise.
    smallest, largest
        The sizes that were measured, in training purchases; 0 without any.
    shops
        The shops in which sizes like this one were measured.
    reason
        Where nothing is expected: what was measured instead. Empty otherwise.
    """

    model: str
    value: Estimate | None
    probability: float | None
    smallest: int
    largest: int
    shops: tuple[str, ...]
    reason: str


@dataclass(frozen=True, slots=True)
class ChoiceResult:
    """The output of ``shoptalk choose --json``.

    Attributes
    ----------
    fingerprint
        Fingerprint of the dataset.
    metric
        What decides: ``accuracy`` where the dataset has options, else ``ndcg@10`` of the whole catalogue.
    users, purchases, items
        Number of training users, of their purchases, and of items.
    validation_users
        Number of validation users.
    tuned_on, measured_on
        How many of them choose the settings of each method, and how many others measure the methods.
    seed
        Seed of the samples and resamples.
    recommended
        The simplest method that may be as good as the best one: not significantly worse, and the best itself with a
        probability of at least 5 %. Or a model that is expected to be better with a probability of at least 97.5 %.
    best
        The trained method with the highest value.
    kind
        Why it is recommended: ``sure`` (the best with a probability of at least 95 %), ``likely`` (the highest value,
        without that certainty), ``simplest`` (a more complex one has a higher value, but may be no better), ``model``
        (expected from other shops), or ``little`` (fewer than 50 users to measure with).
    probability
        Probability that it is the best of the trained methods; for a model, that it is better than all of them.
    loss, most_loss
        By how much the metric of the best method exceeds that of the recommended one: mean over the resamples, and the
        value that 95 % of them do not exceed. Zeros for a model.
    users_needed
        Number of validation users with which the closest difference would be significant with a power of 80 %; null
        where it is significant, or too small to estimate.
    curves
        The trained methods, the simplest first.
    models
        Models that were not trained.
    curves_from
        Where the learning curves of other shops come from.
    curve_error
        How far extrapolations from half of the training users were from the measured values (root mean square); null
        with fewer than four points.
    seconds
        Time of each step.
    warnings
        What limits the answer.
    says
        The answer in words.
    """

    fingerprint: str
    metric: str
    users: int
    purchases: int
    items: int
    validation_users: int
    tuned_on: int
    measured_on: int
    seed: int
    recommended: str
    best: str
    kind: Literal["sure", "likely", "simplest", "model", "little"]
    probability: float
    loss: float
    most_loss: float
    users_needed: int | None
    curves: tuple[MethodCurve, ...]
    models: tuple[ExpectedModel, ...]
    curves_from: str
    curve_error: float | None
    seconds: Mapping[str, float]
    warnings: tuple[str, ...]
    says: tuple[str, ...]
