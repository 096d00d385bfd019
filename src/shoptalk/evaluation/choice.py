"""Which of several methods to use: the probability that each is the best, and the simplest that is good enough.

Users are resampled, each with the values of all methods at all sizes, so that differences are paired. The value of a
method with twice the training users is extrapolated anew from each resample (see `power_law`), and an error is added
that is as large as that of extrapolating from half of the training users to all of them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from shoptalk.constants import CONFIDENCE, SIGNIFICANCE
from shoptalk.evaluation.bootstrap import RESAMPLES, Floats, estimate, resampled_sums
from shoptalk.evaluation.comparison import standardised, users_needed
from shoptalk.evaluation.paired import differences, holm
from shoptalk.evaluation.power_law import LEAST_POINTS, curve_error, extrapolate
from shoptalk.evaluation.randomisation import randomise
from shoptalk.results.choice import CurvePoint, MethodCurve
from shoptalk.schema import Estimate

#: With fewer measured users, an answer is called little.
FEW_USERS = 50
#: A method that is the best with a smaller probability is not recommended for being simple.
LEAST_CHANCE = 1 - CONFIDENCE
Kind = Literal["sure", "likely", "simplest", "little"]


@dataclass(frozen=True, slots=True)
class Measured:
    """M methods, the simplest first, at S sizes, on N users.

    ``users`` and ``purchases`` are the S sizes, the largest last; ``values`` has for each method (S, N) values, and
    ``seconds`` S times.
    """

    users: tuple[int, ...]
    purchases: tuple[int, ...]
    values: Mapping[str, Floats]
    seconds: Mapping[str, tuple[float, ...]]

    @property
    def methods(self) -> list[str]:
        """The names, the simplest method first."""
        return list(self.values)

    def last(self) -> Floats:
        """(M, N) values with all training users."""
        return np.stack([values[-1] for values in self.values.values()])


@dataclass(frozen=True, slots=True)
class MethodChoice:
    """The methods' curves and the choice among them; see `ChoiceResult` for the fields."""

    curves: tuple[MethodCurve, ...]
    recommended: str
    best: str
    kind: Kind
    probability: float
    loss: float
    most_loss: float
    users_needed: int | None
    curve_error: float | None


def choose_method(measured: Measured, *, resamples: int = RESAMPLES, seed: int = 1) -> MethodChoice:
    """The simplest method that may be as good as the best one, and how sure that is.

    A simpler method may be as good if it is not significantly worse than the best one (paired randomisation test, with
    Holm's correction) and is the best itself with a probability of at least `LEAST_CHANCE`.
    """
    methods, last = measured.methods, measured.last()
    means = last.mean(axis=1)
    best = int(means.argmax())
    others = [index for index in range(len(methods)) if index != best]
    gaps = last[best] - last  # (M, N)
    p_values = dict(zip(others, holm(randomise(gaps[others].T, seed=seed).tolist()), strict=True))
    drawn = _resampled(measured, resamples, seed)  # (R, M, S)
    probabilities = _best_shares(drawn[:, :, -1])
    close = [index for index in others if not p_values[index] < SIGNIFICANCE and probabilities[index] >= LEAST_CHANCE]
    recommended = min([best, *close])
    doubled, error = _doubled(measured, drawn, seed)
    loss = drawn[:, :, -1].max(axis=1) - drawn[:, recommended, -1]  # (R,)
    shares_doubled = None if doubled is None else _best_shares(doubled)
    behind = differences(gaps.T, resamples=resamples, seed=seed)
    curves = tuple(
        MethodCurve(
            method=method,
            points=_points(measured, method, resamples, seed),
            behind=Estimate(behind[index].difference, behind[index].low, behind[index].high, behind[index].n),
            p_holm=p_values.get(index),
            probability=float(probabilities[index]),
            doubled=None if doubled is None else _interval(doubled[:, index], last.shape[1]),
            probability_doubled=None if shares_doubled is None else float(shares_doubled[index]),
        )
        for index, method in enumerate(methods)
    )
    return MethodChoice(
        curves=curves,
        recommended=methods[recommended],
        best=methods[best],
        kind=_kind(last.shape[1], recommended == best, float(probabilities[recommended])),
        probability=float(probabilities[recommended]),
        loss=float(loss.mean()),
        most_loss=float(np.quantile(loss, CONFIDENCE)),
        users_needed=_needed(gaps, best, recommended, close),
        curve_error=error,
    )


def _kind(users: int, is_best: bool, probability: float) -> Kind:
    if users < FEW_USERS:
        return "little"
    if not is_best:
        return "simplest"
    return "sure" if probability >= CONFIDENCE else "likely"


def _needed(gaps: Floats, best: int, recommended: int, close: list[int]) -> int | None:
    """Number of users with which the best method would be significantly better than what may be as good.

    That is the recommended method, or, where this is the best itself, the one among ``close`` with the smallest effect.
    """
    rivals = [recommended] if recommended != best else close
    if not rivals:
        return None
    effects = [standardised(gaps[index]) for index in rivals]
    needed = [users_needed(effect, SIGNIFICANCE / (len(gaps) - 1)) for effect in effects]
    return None if None in needed else max(number for number in needed if number is not None)


def _resampled(measured: Measured, resamples: int, seed: int) -> Floats:
    """(R, M, S) means over resampled users."""
    per_user = np.concatenate(list(measured.values.values())).T  # (N, M * S)
    sums = resampled_sums(np.ascontiguousarray(per_user), resamples, seed)
    return sums.reshape(resamples, len(measured.values), len(measured.users)) / len(per_user)


def _doubled(measured: Measured, drawn: Floats, seed: int) -> tuple[Floats | None, float | None]:
    """(R, M) values with twice the training users, and the error of the extrapolation; None with too few sizes."""
    if len(measured.users) < LEAST_POINTS:
        return None, None
    means = np.stack([values.mean(axis=1) for values in measured.values.values()])  # (M, S)
    error = curve_error(measured.users, means)
    methods = range(len(means))
    target = 2 * measured.users[-1]
    values = np.stack([extrapolate(measured.users, drawn[:, method], target) for method in methods], axis=1)
    noise = np.random.default_rng(seed).normal(0.0, error or 0.0, size=values.shape)
    return np.clip(values + noise, 0.0, 1.0), error


def _best_shares(values: Floats) -> Floats:
    """(M,) share of the R rows (R, M) in which each method is the best; of equal ones, the first counts."""
    rounded = np.round(values, 12)  # sums of equal numbers in another order may differ in the last bits
    return np.bincount(rounded.argmax(axis=1), minlength=values.shape[1]) / len(values)


def _points(measured: Measured, method: str, resamples: int, seed: int) -> tuple[CurvePoint, ...]:
    rows = zip(measured.users, measured.purchases, measured.values[method], measured.seconds[method], strict=True)
    return tuple(
        CurvePoint(users, purchases, estimate(values, resamples=resamples, seed=seed), seconds)
        for users, purchases, values, seconds in rows
    )


def _interval(drawn: Floats, users: int) -> Estimate:
    """Median and 95 % interval of resampled values."""
    low, middle, high = np.quantile(drawn, [(1 - CONFIDENCE) / 2, 0.5, (1 + CONFIDENCE) / 2])
    return Estimate(float(middle), float(low), float(high), users)
