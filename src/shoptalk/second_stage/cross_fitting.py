"""Cross-fitting: rankers learn from the cases of some users and are compared on those of others."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from shoptalk.graph.interactions import Ints
from shoptalk.schema import EvalExample
from shoptalk.second_stage.examples import LabelledCases
from shoptalk.second_stage.ranker import Groups, LambdaMart, Ranker, TreeSettings, fit_lambdamart, fit_linear

#: The users are divided into so many folds: one is held out, one stops the learning, the others are learned from.
FOLDS = 8


@dataclass(frozen=True, slots=True)
class Pools:
    """What rankers learn from.

    Attributes
    ----------
    cases
        Of which B have a target among their candidates.
    fold
        (N,) fold of each case.
    learning
        The candidates of the B cases that are learned from.
    earlier, earlier_fold
        Further pools to learn from, and their folds.
    """

    cases: LabelledCases
    fold: Ints
    learning: Groups
    earlier: Groups | None = None
    earlier_fold: Ints | None = None

    @property
    def group_fold(self) -> Ints:
        """(B,) fold of each case with a target among its candidates."""
        return self.fold[self.cases.index]

    def without(self, folds: Collection[int]) -> Groups:
        """All pools to learn from but those of the given folds."""
        groups = self.learning.take(~np.isin(self.group_fold, list(folds)))
        if self.earlier is None or self.earlier_fold is None:
            return groups
        return groups.join(self.earlier.take(~np.isin(self.earlier_fold, list(folds))))


class RankerKind(Protocol):
    """A way to learn a ranker."""

    @property
    def name(self) -> str:
        """Its name."""
        ...

    def fit(self, train: Groups, stop: Groups) -> Ranker:
        """Learn from ``train``; the histories ``stop`` may end the learning."""
        ...

    def fit_last(self, train: Groups, fitted: Sequence[Ranker]) -> Ranker:
        """Learn from all pools, as long as the rankers of single folds learned."""
        ...


@dataclass(frozen=True, slots=True)
class LinearKind:
    """Linear weights, learned listwise by the function ``fit_weights``."""

    fit_weights: Callable[[Groups], Ranker] = fit_linear
    name: str = "linear"

    def fit(self, train: Groups, stop: Groups) -> Ranker:  # noqa: ARG002
        """See `RankerKind`; nothing stops the learning."""
        return self.fit_weights(train)

    def fit_last(self, train: Groups, fitted: Sequence[Ranker]) -> Ranker:  # noqa: ARG002
        """See `RankerKind`."""
        return self.fit_weights(train)


@dataclass(frozen=True, slots=True)
class LambdaMartKind:
    """Boosted trees."""

    seed: int
    settings: TreeSettings
    name: str = "lambdamart"

    def fit(self, train: Groups, stop: Groups) -> Ranker:
        """See `RankerKind`."""
        return fit_lambdamart(train, stop, self.seed, self.settings)

    def fit_last(self, train: Groups, fitted: Sequence[Ranker]) -> Ranker:
        """See `RankerKind`; with the mean number of trees."""
        trees = [ranker.trees for ranker in fitted if isinstance(ranker, LambdaMart)]
        settings = replace(self.settings, trees=max(1, round(float(np.mean(trees)))))
        return fit_lambdamart(train, None, self.seed, settings)


def ranker_kinds(wanted: str, seed: int, settings: TreeSettings) -> list[RankerKind]:
    """The kinds that a setting allows; ``auto`` allows linear weights, and LambdaMART where LightGBM is installed."""
    kinds: list[RankerKind] = []
    if wanted != "lambdamart":
        kinds.append(LinearKind())
    if wanted == "lambdamart" or (wanted == "auto" and find_spec("lightgbm") is not None):
        kinds.append(LambdaMartKind(seed, settings))
    return kinds


def fold_of_users(cases: Sequence[EvalExample], seed: int) -> Ints:
    """(N,) fold of each case; all cases of a user are in one fold, and each fold has equally many users."""
    names, number = np.unique([case.history.user_id for case in cases], return_inverse=True)
    order = np.random.default_rng([seed, 1]).permutation(len(names))
    return np.asarray(order[number] % FOLDS, dtype=np.int64)


def held_out_folds(fold: Ints, least: int) -> list[int]:
    """As few folds as hold at least ``least`` cases; all where there are fewer cases."""
    cases = np.cumsum(np.bincount(fold, minlength=FOLDS))
    return list(range(min(FOLDS, int(np.searchsorted(cases, least)) + 1)))


def cross_fit(kind: RankerKind, pools: Pools, held_out: Sequence[int]) -> tuple[NDArray[np.float64], list[Ranker]]:
    """Learn a ranker for each held-out fold, without the users of this fold.

    Returns
    -------
    scores
        (P,) of the candidates of all cases, by the ranker that has not learned from them; NaN in other folds.
    rankers
        One for each held-out fold.
    """
    groups = pools.cases.groups
    candidate_fold = np.repeat(pools.group_fold, groups.sizes)
    scores = np.full(len(groups.label), np.nan)
    rankers = []
    for fold in held_out:
        stop = (fold + 1) % FOLDS
        ranker = kind.fit(pools.without({fold, stop}), groups.take(pools.group_fold == stop))
        chosen = candidate_fold == fold
        scores[chosen] = ranker.predict(groups.features[chosen])
        rankers.append(ranker)
    return scores, rankers
