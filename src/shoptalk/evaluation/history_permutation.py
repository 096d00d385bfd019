"""The swapped-history test: the same options with somebody else's history.

A model that uses the history must lose when the history is another's; one that reads the answer off the options loses
nothing. The drop is the personalisation gap.
"""

from collections.abc import Callable, Collection, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import linear_sum_assignment

from shoptalk.errors import DatasetError
from shoptalk.evaluation.bootstrap import RESAMPLES, estimate
from shoptalk.schema import Estimate

# One's own history hides the drop, one that holds an option only blurs it: no number of these outweighs one of those.
_OWN, _OVERLAP = 10_000.0, 1.0
#: Cases whose partners are sorted out together: exact up to here, in batches with random others beyond.
_BATCH = 500
_PASSES = 3


def permutation_partners(
    users: Sequence[str], histories: Sequence[Collection[str]], options: Sequence[Collection[str]], *, seed: int = 1
) -> NDArray[np.int64]:
    """Whose history each case gets.

    Parameters
    ----------
    users
        Whose the N cases are.
    histories
        The items of each case's history.
    options
        The items shown in each case, the right one among them (or the truth alone, where there are no options).
    seed
        The same seed gives the same partners.

    Returns
    -------
    array of shape (N,)
        Case i gets the history of case ``partners[i]``: never one of the same user, and none that holds one of its
        options where that can be avoided. A permutation (every history is used once, so that their lengths stay
        what they were), unless one user has more than half of the cases.

    Raises
    ------
    DatasetError
        When all cases are of one user, so that there is no other history.
    """
    if len(users) and len(set(users)) < 2:
        raise DatasetError("the swapped-history test needs test cases of at least two users", hint="keep more users")
    generator = np.random.default_rng(seed)
    order = generator.permutation(len(users))
    partners = np.empty_like(order)
    partners[order] = np.roll(order, 1)
    seen_items, shown = [frozenset(history) for history in histories], [frozenset(option) for option in options]

    def cost(case: int, giver: int) -> float:
        if users[case] == users[giver]:
            return _OWN
        return 0.0 if seen_items[giver].isdisjoint(shown[case]) else _OVERLAP

    for _ in range(_PASSES):
        unhappy = [case for case in range(len(users)) if cost(case, int(partners[case]))]
        for start in range(0, len(unhappy), _BATCH // 2):
            _exchange(unhappy[start : start + _BATCH // 2], partners, cost, generator)
    for case in range(len(users)):
        if users[case] == users[partners[case]]:  # one user has most of the cases: share out the others' histories
            costs = np.array([cost(case, giver) for giver in range(len(users))])
            partners[case] = generator.choice(np.flatnonzero(costs == costs.min()))
    return partners.astype(np.int64)


def _exchange(
    unhappy: Sequence[int],
    partners: NDArray[np.int64],
    cost: Callable[[int, int], float],
    generator: np.random.Generator,
) -> None:
    """Deal the partners of the unhappy cases and of random others out again, at the least total cost."""
    others = generator.permutation(np.setdiff1d(np.arange(len(partners)), unhappy))
    cases = np.concatenate([np.asarray(unhappy, dtype=np.int64), others[: _BATCH - len(unhappy)]])
    givers = partners[cases]
    costs = np.array([[cost(case, giver) for giver in givers.tolist()] for case in cases.tolist()])
    # Noise too small to sum up to one overlap picks among equally good deals; without it they would follow the order.
    costs += generator.random(costs.shape) / (2 * len(cases))
    partners[cases] = givers[linear_sum_assignment(costs)[1]]


def personalisation_gap(
    own_correct: ArrayLike,
    swapped_correct: ArrayLike,
    users: Sequence[str],
    *,
    resamples: int = RESAMPLES,
    seed: int = 1,
) -> Estimate:
    """Accuracy with the own history minus accuracy with the partner's, in [-1, 1], with its paired interval.

    Paired: a user is drawn with both results, so that what makes a case easy for both cancels out.

    Parameters
    ----------
    own_correct, swapped_correct
        ``options.correctness`` of the N cases with either history; NaN leaves the case out.
    users
        Whose the N cases are.
    """
    difference = np.asarray(own_correct, dtype=np.float64) - np.asarray(swapped_correct, dtype=np.float64)
    return estimate(difference, users=users, resamples=resamples, seed=seed)
