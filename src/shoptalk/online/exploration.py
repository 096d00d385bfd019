"""Exploration: lists whose last places are drawn at random, with known probabilities.

Off by default. A policy keeps the first items of a list (the head) and draws the last places from the items that
follow (the pool), so that at worst the end of a list is worse. It states

- the probability of each item *at its rank*: the sum over all lists that have it there, for estimates by place
  (IIPS, doubly robust);
- the probability of the whole list, for estimates by list (SNIPW).

Three policies: `epsilon`, `plackett_luce` and `thompson`. In the last two every item of the pool draws a score of its
own, independently, and the highest scores are shown. Their probabilities are one-dimensional integrals over the score,
which are computed on a grid (error below 1e-3 of the probability of a typical list; the tests state it).

Sources: R. Plackett, "The analysis of permutations", Applied Statistics 24(2), 1975; by Gumbel noise: W. Kool,
H. van Hoof, M. Welling, "Stochastic beams and where to find them", ICML 2019; O. Chapelle, L. Li, "An empirical
evaluation of Thompson sampling", NIPS 2011.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import betainc, betaincinv

from shoptalk.errors import UsageError
from shoptalk.online.shown import Alternative

Floats = NDArray[np.float64]

#: Name of the policy that shows the list as it is, among the alternatives of an answer.
NO_EXPLORATION = "no exploration"
#: Points of the grid of scores for Gumbel noise, and per item for beta distributions.
_GUMBEL_POINTS, _BETA_POINTS = 600, 48


@dataclass(frozen=True, slots=True)
class Drawn:
    """A list that was drawn.

    Attributes
    ----------
    items
        The list.
    probabilities
        The probability of each item at its rank.
    probability
        The probability of the whole list.
    without
        The list without exploration, with the probabilities that it had.
    """

    items: tuple[str, ...]
    probabilities: tuple[float, ...]
    probability: float
    without: Alternative


@dataclass(frozen=True)
class ListPolicy(ABC):
    """A distribution of lists: a fixed head, then ``places`` items of the pool.

    Attributes
    ----------
    head, pool
        The items of the fixed places, and those to draw from, best first.
    places
        How many are drawn.
    """

    head: tuple[str, ...]
    pool: tuple[str, ...]
    places: int

    def draw(self, generator: np.random.Generator) -> Drawn:
        """Draw a list."""
        tail = self._draw(generator)
        items = self.head + tuple(self.pool[index] for index in tail)
        plain = self.head + self.pool[: self.places]
        return Drawn(items, *self._both(items), Alternative(plain, *self._both(plain)))

    def at_ranks(self, items: Sequence[str]) -> tuple[float, ...]:
        """For each item of a list the probability that this policy shows it at that rank."""
        table, places = self._table, {item: index for index, item in enumerate(self.pool)}
        found = []
        for rank, item in enumerate(items):
            if rank < len(self.head):
                found.append(float(item == self.head[rank]))
            elif item in places and rank < len(self.head) + self.places:
                found.append(float(table[rank - len(self.head), places[item]]))
            else:
                found.append(0.0)
        return tuple(found)

    def of_list(self, items: Sequence[str]) -> float:
        """The probability that this policy shows exactly this list."""
        places = {item: index for index, item in enumerate(self.pool)}
        head, tail = tuple(items[: len(self.head)]), items[len(self.head) :]
        if head != self.head or len(tail) != self.places or len(set(tail)) < len(tail) or not set(tail) <= set(places):
            return 0.0
        return self._of_tail([places[item] for item in tail])

    def _both(self, items: tuple[str, ...]) -> tuple[tuple[float, ...], float]:
        return self.at_ranks(items), self.of_list(items)

    @cached_property
    def _table(self) -> Floats:
        return self._at_ranks() if self.places else np.zeros((0, len(self.pool)))

    @abstractmethod
    def _draw(self, generator: np.random.Generator) -> Sequence[int]:
        """Draw the indices of the last places into the pool."""

    @abstractmethod
    def _at_ranks(self) -> Floats:
        """``(places, N)``: the probability of each of the N items of the pool at each of the last places."""

    @abstractmethod
    def _of_tail(self, tail: Sequence[int]) -> float:
        """The probability of the last places, as indices into the pool."""


@dataclass(frozen=True)
class _Epsilon(ListPolicy):
    """With probability ``share`` the tail is drawn uniformly without replacement, else it is the best one."""

    share: float

    def _draw(self, generator: np.random.Generator) -> Sequence[int]:
        if generator.random() >= self.share:
            return range(self.places)
        return list(map(int, generator.permutation(len(self.pool))[: self.places]))

    def _at_ranks(self) -> Floats:
        table = np.full((self.places, len(self.pool)), self.share / len(self.pool))
        table[np.arange(self.places), np.arange(self.places)] += 1 - self.share
        return table

    def _of_tail(self, tail: Sequence[int]) -> float:
        best = (1 - self.share) * (list(tail) == list(range(self.places)))
        return best + self.share / math.perm(len(self.pool), self.places)


@dataclass(frozen=True)
class _Race(ListPolicy):
    """Every item of the pool draws a score independently; the highest are shown.

    ``cdf`` is ``(T, N)``: the distribution functions of the N scores at T increasing points, 0 at the first and 1 at
    the last.
    """

    cdf: Floats

    def _at_ranks(self) -> Floats:
        return rank_probabilities(self.cdf, self.places)

    def _of_tail(self, tail: Sequence[int]) -> float:
        others = np.ones(len(self.pool), dtype=bool)
        others[list(tail)] = False
        below = self.cdf[:, others].prod(axis=1)  # all others have lower scores
        for index in reversed(tail):
            mass = np.diff(self.cdf[:, index])
            below = np.concatenate([[0.0], np.cumsum(mass * (below[1:] + below[:-1]) / 2)])
        return float(below[-1])


@dataclass(frozen=True)
class _PlackettLuce(_Race):
    """Scores with Gumbel noise; ``logits`` are the scores divided by the temperature."""

    logits: Floats

    def _draw(self, generator: np.random.Generator) -> Sequence[int]:
        noisy = self.logits + generator.gumbel(size=len(self.logits))
        return list(map(int, np.argsort(-noisy, kind="stable")[: self.places]))

    def _of_tail(self, tail: Sequence[int]) -> float:
        """The product of softmax probabilities, each among the items that are left."""
        left, log_probability = self.logits.copy(), 0.0
        for index in tail:
            highest = left.max()
            log_probability += left[index] - highest - math.log(np.exp(left - highest).sum())
            left[index] = -np.inf
        return math.exp(log_probability)


@dataclass(frozen=True)
class _Thompson(_Race):
    """Scores drawn from beta distributions; ``first`` and ``second`` are their parameters."""

    first: Floats
    second: Floats

    def _draw(self, generator: np.random.Generator) -> Sequence[int]:
        rates = generator.beta(self.first, self.second)
        return list(map(int, np.argsort(-rates, kind="stable")[: self.places]))


def epsilon(items: Sequence[str], k: int, *, places: int, share: float) -> ListPolicy:
    """With probability ``share`` the last ``places`` of a list of k are drawn uniformly from the items that follow.

    An item i at one of these places r has the probability ``(1 - share) [i is the best at r] + share / N`` with N items
    in the pool; a list ``(1 - share) [it is the best] + share (N - places)! / N!``.

    Parameters
    ----------
    items
        Items, best first: the list and what may replace its end.
    k
        Length of the list.
    places
        How many of the last places are drawn.
    share
        The probability of a random end, in [0, 1].
    """
    if not 0 <= share <= 1:
        raise UsageError(f"the share {share} of random lists is not between 0 and 1")
    return _Epsilon(*_parts(items, k, places), share)


def plackett_luce(
    items: Sequence[str], scores: ArrayLike, k: int, *, places: int, temperature: float = 1.0
) -> ListPolicy:
    """The last places are drawn one after the other, each in proportion to ``exp(score / temperature)``.

    This is the same as adding Gumbel noise to ``score / temperature`` and sorting. The probability of a list is the
    product of the softmax probabilities, each among the items that are left.

    Parameters
    ----------
    items, k, places
        See `epsilon`.
    scores
        A score for each item.
    temperature
        Larger is more random.
    """
    if not temperature > 0:
        raise UsageError(f"the temperature {temperature} is not above 0")
    head, pool, places = _parts(items, k, places)
    logits = np.asarray(scores, dtype=np.float64)[len(head) :] / temperature
    if len(logits) != len(pool) or not np.isfinite(logits).all():
        raise UsageError("each item needs a finite score")
    logits = logits - logits.max(initial=-np.inf)
    logits = np.maximum(logits, -700.0)  # exp() of less is 0
    points = np.linspace(logits.min(initial=0.0) - 4.0, 20.0, _GUMBEL_POINTS)[:, None]
    cdf = np.exp(-np.exp(logits - points))
    cdf[0], cdf[-1] = 0.0, 1.0
    return _PlackettLuce(head, pool, places, cdf, logits)


def thompson(
    items: Sequence[str],
    successes: ArrayLike,
    trials: ArrayLike,
    k: int,
    *,
    places: int,
    prior: tuple[float, float] = (1.0, 20.0),
) -> ListPolicy:
    """The last places are filled by Thompson sampling: each item draws a rate from what is known about its rate.

    Rates have the distribution ``Beta(a + successes, b + trials - successes)`` with the prior ``(a, b)``.

    Parameters
    ----------
    items, k, places
        See `epsilon`.
    successes, trials
        For each item how often it was clicked, and shown.
    prior
        The default expects a rate of 1 in 21, with the weight of 21 trials.
    """
    head, pool, places = _parts(items, k, places)
    won = np.asarray(successes, dtype=np.float64)[len(head) :]
    shown = np.asarray(trials, dtype=np.float64)[len(head) :]
    if len(won) != len(pool) or len(shown) != len(pool) or (won < 0).any() or (won > shown).any() or min(prior) <= 0:
        raise UsageError("each item needs trials, and successes of at most as many")
    first = np.asarray(prior[0] + won, dtype=np.float64)
    second = np.asarray(prior[1] + shown - won, dtype=np.float64)
    levels = np.concatenate([[1e-9, 1e-6, 1e-4], (np.arange(_BETA_POINTS) + 0.5) / _BETA_POINTS])
    levels = np.concatenate([levels, 1 - levels[:3]])
    inner = np.unique(betaincinv(first, second, levels[:, None]))
    points = np.concatenate([[0.0], inner[(inner > 0) & (inner < 1)], [1.0]])
    cdf = np.asarray(betainc(first, second, points[:, None]), dtype=np.float64)
    return _Thompson(head, pool, places, cdf, first, second)


def rank_probabilities(cdf: Floats, places: int) -> Floats:
    """The probability of each of N independent scores to be the highest, the second highest, and so on.

    An item is at rank r if exactly r - 1 others have higher scores: ``∫ P(r - 1 others above t) dF(t)``. The number of
    others above t is a sum of independent events, whose distribution is computed one event after the other.

    Parameters
    ----------
    cdf
        ``(T, N)``: the distribution functions at T increasing points, 0 at the first and 1 at the last.
    places
        How many ranks.

    Returns
    -------
    array
        ``(places, N)``; each row has the sum 1 up to the error of the grid.
    """
    points, n = cdf.shape
    above = np.zeros((places, points, n))  # (P, T, N): number of others above t
    above[0] = 1.0
    for other in range(n):
        higher = np.repeat(1 - cdf[:, other, None], n, axis=1)  # (T, N)
        higher[:, other] = 0.0  # an item is not among its own others
        above[1:] = above[1:] * (1 - higher) + above[:-1] * higher
        above[0] *= 1 - higher
    mass = np.diff(cdf, axis=0)
    return np.asarray(((above[:, 1:] + above[:, :-1]) / 2 * mass).sum(axis=1))


def _parts(items: Sequence[str], k: int, places: int) -> tuple[tuple[str, ...], tuple[str, ...], int]:
    """Head, pool and places; a list that is shorter than k has fewer places to draw."""
    if k < 1 or not 0 <= places <= k:
        raise UsageError(f"{places} places cannot be drawn in a list of {k}")
    if len(set(items)) < len(items):
        raise UsageError("an item is twice in the list")
    fixed = k - places
    head, pool = tuple(items[:fixed]), tuple(items[fixed:])
    return head, pool, min(places, len(pool))
