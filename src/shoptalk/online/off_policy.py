"""Off-policy estimates: what another policy would have been worth, from the answers of the policy in use.

Every answer i showed a list with known probability. The weight of what it showed is the probability under the policy
that is estimated, over the probability under the policy in use.

`snipw`
    Σ w_i r_i / Σ w_i, with weights of whole lists and the rewards of whole lists. No assumption on how customers look
    at lists. A. Swaminathan, T. Joachims, "The self-normalized estimator for counterfactual learning", NIPS 2015.
`slate_iips`
    1/n Σ_i Σ_k w_ik r_ik, with weights of items at places: assumes that an event at a place depends only on the place
    and the item there. S. Li and others, "Offline evaluation of ranking policies with click models", KDD 2018.
`doubly_robust`
    1/n Σ_i Σ_k (q(target_ik) + w_ik (r_ik - q(shown_ik))), with the same assumption and a prediction q of the reward of
    an item at a place; right if either the probabilities or the predictions are right, and less noisy the better q is.
    M. Dudík, J. Langford, L. Li, "Doubly robust policy evaluation and learning", ICML 2011.

The formulas are those of the Open Bandit Pipeline (Y. Saito and others, NeurIPS 2021 datasets and benchmarks).

An estimate is refused where the logs cannot carry it: if the policy would show what the policy in use never shows
(N. Sachdeva, Y. Su, T. Joachims, "Off-policy bandits with deficient support", KDD 2020), if the weights do not have the
mean 1 that right probabilities give them, or if too few answers carry weight.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from shoptalk.evaluation.bootstrap import RESAMPLES, estimate_statistic, ratio, sum_by_user
from shoptalk.results.online import OffPolicyEstimate

Floats = NDArray[np.float64]

#: Fewest answers that the weights may be worth, and fewest answers with a weight and a reward.
LEAST_EFFECTIVE, LEAST_REWARDED = 100, 10
#: Standard errors by which the mean of the weights may differ from 1.
_MOST_DEVIATION = 4.0
#: Probabilities below this are taken for 0: what was never shown cannot be estimated.
_NEVER = 1e-9
#: Trials that the mean of a place counts for in the prediction of an item's reward at it.
_PRIOR_TRIALS = 20.0


@dataclass(frozen=True, slots=True)
class Logs:
    """N answers with K places, of one policy in use, and the list that another policy would have shown.

    Attributes
    ----------
    users
        The user of each answer.
    shown
        ``(N, K)`` numbers of the items shown.
    rewards
        ``(N, K)`` 1 where the item shown had the event.
    probability
        ``(N, K)`` probability of each item shown at its place.
    list_probability
        ``(N,)`` probability of the whole list; NaN if unknown.
    target
        ``(N, K)`` numbers of the items of the other policy.
    target_probability
        ``(N, K)`` probability of those under the policy in use.
    target_list_probability
        ``(N,)`` probability of the whole list of the other policy under the policy in use; NaN if unknown.
    """

    users: Sequence[str]
    shown: NDArray[np.int64]
    rewards: Floats
    probability: Floats
    list_probability: Floats
    target: NDArray[np.int64]
    target_probability: Floats
    target_list_probability: Floats


def estimates(logs: Logs, *, policy: str, arm: str, metric: str, seed: int = 1) -> tuple[OffPolicyEstimate, ...]:
    """All estimates of a policy that always shows the lists ``logs.target``."""
    same = logs.shown == logs.target
    by_place = np.where(same, 1 / np.maximum(logs.probability, _NEVER), 0.0)
    by_list = np.where(same.all(axis=1), 1 / np.maximum(logs.list_probability, _NEVER), 0.0)
    never_place = float((logs.target_probability < _NEVER).any(axis=1).mean())
    unknown = bool(np.isnan(logs.list_probability).any() or np.isnan(logs.target_list_probability).any())
    never_list = 0.0 if unknown else float((logs.target_list_probability < _NEVER).mean())
    predicted, predicted_target = predict_rewards(logs)
    users = logs.users
    found = {
        "snipw": refuse(snipw(by_list, logs.rewards.sum(axis=1), users=users, seed=seed), never_list),
        "doubly_robust": refuse(
            doubly_robust(by_place, logs.rewards, predicted, predicted_target, users=users, seed=seed), never_place
        ),
        "iips": refuse(slate_iips(by_place, logs.rewards, users=users, seed=seed), never_place),
    }
    if unknown:
        found["snipw"] = _refused(found["snipw"], "the probabilities of whole lists were not recorded")
    in_use = float(logs.rewards.sum(axis=1).mean())
    return tuple(
        replace(one, policy=policy, arm=arm, metric=metric, estimator=name, in_use=in_use)
        for name, one in found.items()
    )


def snipw(weights: Floats, rewards: Floats, *, users: Sequence[str] | None = None, seed: int = 1) -> OffPolicyEstimate:
    """Self-normalised importance weighting: Σ w r / Σ w, of N weights and rewards."""
    parts = np.stack([weights * rewards, weights], axis=1)
    return _estimate(parts, weights[:, None], rewards[:, None], users, seed)


def slate_iips(
    weights: Floats, rewards: Floats, *, users: Sequence[str] | None = None, seed: int = 1
) -> OffPolicyEstimate:
    """Independent inverse propensity scores of lists: 1/n Σ_i Σ_k w r, of ``(N, K)`` weights and rewards."""
    parts = np.stack([(weights * rewards).sum(axis=1), np.ones(len(weights))], axis=1)
    return _estimate(parts, weights, rewards, users, seed)


def doubly_robust(
    weights: Floats,
    rewards: Floats,
    predicted: Floats,
    predicted_target: Floats,
    *,
    users: Sequence[str] | None = None,
    seed: int = 1,
) -> OffPolicyEstimate:
    """1/n Σ_i Σ_k (q of the target + w (r - q of what was shown)), of ``(N, K)`` arrays.

    ``predicted_target`` is the expected prediction under the policy that is estimated: Σ_a π(a) q(a).
    """
    terms = (predicted_target + weights * (rewards - predicted)).sum(axis=1)
    return _estimate(np.stack([terms, np.ones(len(terms))], axis=1), weights, rewards, users, seed)


def effective_size(weights: Floats) -> float:
    """The number of equal weights with the same noise: (Σ w)² / Σ w² (Kish); 0 without weights."""
    squares = float((weights**2).sum())
    return float(weights.sum()) ** 2 / squares if squares else 0.0


def refuse(estimate: OffPolicyEstimate, never: float) -> OffPolicyEstimate:
    """The estimate without a value, where ``never`` is above 0: the share of answers without support."""
    if never > 0:
        return _refused(estimate, f"no support: in {never:.1%} of the answers the policy in use never shows this list")
    return estimate


def predict_rewards(logs: Logs) -> tuple[Floats, Floats]:
    """Predicted rewards of the items shown and of the target's items, each ``(N, K)``.

    The prediction for an item at a place is its mean reward at that place, drawn towards the mean of the place. Users
    are divided into two halves, and each half is predicted from the other, so that no reward predicts itself.
    """
    half = _halves(logs.users)
    items = int(max(logs.shown.max(initial=0), logs.target.max(initial=0))) + 1
    predicted, predicted_target = np.zeros(logs.rewards.shape), np.zeros(logs.rewards.shape)
    for fold in (0, 1):
        learn, use = half != fold, half == fold
        for place in range(logs.rewards.shape[1]):
            shown, rewards = logs.shown[learn, place], logs.rewards[learn, place]
            mean = float(rewards.mean()) if len(rewards) else 0.0
            trials = np.bincount(shown, minlength=items)
            won = np.bincount(shown, weights=rewards, minlength=items)
            table = (won + _PRIOR_TRIALS * mean) / (trials + _PRIOR_TRIALS)
            predicted[use, place] = table[logs.shown[use, place]]
            predicted_target[use, place] = table[logs.target[use, place]]
    return predicted, predicted_target


def _halves(users: Sequence[str]) -> NDArray[np.int64]:
    """0 or 1 for each answer, the same for all answers of a user."""
    numbers: dict[str, int] = {}
    return np.array([numbers.setdefault(user, len(numbers)) % 2 for user in users], dtype=np.int64)


def _estimate(
    parts: Floats, weights: Floats, rewards: Floats, users: Sequence[str] | None, seed: int
) -> OffPolicyEstimate:
    """The ratio of the sums of ``parts``, with its interval, refused if the weights cannot carry it."""
    names = list(map(str, range(len(parts)))) if users is None else list(users)
    drawn = np.ptp(weights, axis=0) > 0 if len(weights) else np.zeros(weights.shape[1], dtype=bool)
    sizes = [effective_size(column) for column in weights[:, drawn].T] or [effective_size(weights[:, 0])]
    found = OffPolicyEstimate(
        policy="",
        arm="",
        metric="",
        estimator="",
        value=math.nan,
        low=math.nan,
        high=math.nan,
        answers=len(parts),
        users=len(set(names)),
        effective_answers=min(sizes),
        largest_weight=float(weights.max(initial=0.0)),
        in_use=math.nan,
        refused=None,
    )
    if reason := _weak(weights, rewards, names, min(sizes)):
        return _refused(found, reason)
    estimate = estimate_statistic(parts, ratio, users=names, resamples=RESAMPLES, seed=seed)
    return replace(found, value=estimate.value, low=estimate.low, high=estimate.high)


def _weak(weights: Floats, rewards: Floats, users: Sequence[str], effective: float) -> str | None:
    """Why these weights cannot carry an estimate; None if they can."""
    if effective < LEAST_EFFECTIVE:
        return f"the weights are worth {effective:.0f} answers, fewer than {LEAST_EFFECTIVE}"
    rewarded = int(((weights > 0) & (rewards > 0)).any(axis=1).sum())
    if rewarded < LEAST_REWARDED:
        return f"{rewarded} answers with a weight had an event, fewer than {LEAST_REWARDED}"
    excess = sum_by_user(weights - 1, users)  # (U, K)
    error = np.sqrt((excess**2).sum(axis=0))
    deviation = np.abs(excess.sum(axis=0)) / np.where(error > 0, error, 1)
    if (worst := float(deviation.max())) > _MOST_DEVIATION:
        mean = float(weights.mean(axis=0)[int(deviation.argmax())])
        return f"the weights have the mean {mean:.3f}, not 1 ({worst:.1f} standard errors): probabilities are wrong"
    return None


def _refused(estimate: OffPolicyEstimate, reason: str) -> OffPolicyEstimate:
    return replace(estimate, value=math.nan, low=math.nan, high=math.nan, refused=reason)
