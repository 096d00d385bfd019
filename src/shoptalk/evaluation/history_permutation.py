"""The history permutation test: the same test cases with the histories of other users.

A model that uses the history is worse with another user's history; a model that infers the answer from the options is
not. The difference is the personalisation gap.
"""

from collections.abc import Callable, Collection, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from shoptalk.errors import DatasetError
from shoptalk.evaluation.bootstrap import RESAMPLES, estimate
from shoptalk.schema import Estimate

# A history of the same user hides the gap, and must be avoided first; one that contains an option only reduces it.
_SAME_USER_COST, _OVERLAP_COST = 10_000.0, 1.0
#: Cases whose partners are assigned together: exact up to this number, else in batches with random other cases.
_BATCH = 500
_PASSES = 3


def permutation_partners(
    users: Sequence[str], histories: Sequence[Collection[str]], options: Sequence[Collection[str]], *, seed: int = 1
) -> NDArray[np.int64]:
    """The case whose history each case is evaluated with.

    Parameters
    ----------
    users
        The user of each of the N cases.
    histories
        The items of each case's history.
    options
        The options of each case, including the right one (or the targets, if there are no options).
    seed
        The same seed gives the same partners.

    Returns
    -------
    array of shape (N,)
        Case i gets the history of case ``partners[i]``, which is of another user, and if possible contains none of its
        options. A permutation (every history is used once, so that the lengths are the same), unless one user has
        more than half of the cases.

    Raises
    ------
    DatasetError
        If all cases are of one user, so that there is no other history.
    """
    if len(users) and len(set(users)) < 2:
        raise DatasetError(
            "the history permutation test needs test cases of at least two users", hint="keep more users"
        )
    generator = np.random.default_rng(seed)
    order = generator.permutation(len(users))
    partners = np.empty_like(order)
    partners[order] = np.roll(order, 1)
    history_sets, option_sets = [frozenset(history) for history in histories], [frozenset(option) for option in options]

    def cost(case: int, partner: int) -> float:
        if users[case] == users[partner]:
            return _SAME_USER_COST
        return 0.0 if history_sets[partner].isdisjoint(option_sets[case]) else _OVERLAP_COST

    for _ in range(_PASSES):
        conflicting = [case for case in range(len(users)) if cost(case, int(partners[case]))]
        for start in range(0, len(conflicting), _BATCH // 2):
            _reassign(conflicting[start : start + _BATCH // 2], partners, cost, generator)
    for case in range(len(users)):
        if users[case] == users[partners[case]]:  # one user has most of the cases: reuse histories
            costs = np.array([cost(case, partner) for partner in range(len(users))])
            partners[case] = generator.choice(np.flatnonzero(costs == costs.min()))
    return partners.astype(np.int64)


def _reassign(
    conflicting: Sequence[int],
    partners: NDArray[np.int64],
    cost: Callable[[int, int], float],
    generator: np.random.Generator,
) -> None:
    """Reassign the partners of the conflicting cases and of random other cases, at the least total cost."""
    other_cases = generator.permutation(np.setdiff1d(np.arange(len(partners)), conflicting))
    cases = np.concatenate([np.asarray(conflicting, dtype=np.int64), other_cases[: _BATCH - len(conflicting)]])
    case_partners = partners[cases]
    costs = np.array([[cost(case, partner) for partner in case_partners.tolist()] for case in cases.tolist()])
    # Noise below the cost of one overlap selects randomly among equally good assignments, independent of the order.
    costs += generator.random(costs.shape) / (2 * len(cases))
    from scipy.optimize import linear_sum_assignment

    partners[cases] = case_partners[linear_sum_assignment(costs)[1]]


def personalisation_gap(
    own_correct: ArrayLike,
    swapped_correct: ArrayLike,
    users: Sequence[str],
    *,
    resamples: int = RESAMPLES,
    seed: int = 1,
) -> Estimate:
    """Metric with the own history minus metric with the partner's, in [-1, 1], with its paired interval.

    Paired: a user is drawn with both results, so that differences in difficulty between cases cancel out.

    Parameters
    ----------
    own_correct, swapped_correct
        ``options.correctness`` (or recall) of the N cases with each history; cases with a NaN are left out.
    users
        The user of each of the N cases.
    """
    difference = np.asarray(own_correct, dtype=np.float64) - np.asarray(swapped_correct, dtype=np.float64)
    return estimate(difference, users=users, resamples=resamples, seed=seed)
