"""Beyond accuracy: what kind of lists a method makes, whether or not they are right.

Lists are (N, W) item numbers as in `coded`; an item is in the catalogue when its number is below the catalogue's size.
A list that is empty has no shares (NaN) and is left out; everything else that was recommended stays in the denominator,
invalid items too.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from shoptalk.evaluation.bootstrap import Floats
from shoptalk.evaluation.id_map import PAD_ID, Bools, Ints, UserItemSets, first_occurrences
from shoptalk.schema import Estimate


def describe(
    table: Ints, seen_items: UserItemSets, purchases: Ints, vectors: sparse.csr_array, size: int
) -> tuple[Estimate, dict[str, Floats]]:
    """Every measure of this file.

    Parameters
    ----------
    table
        (N, W) lists, already cut to the length that counts.
    seen_items
        The N input histories.
    purchases
        (M,) training purchases of each item number, M >= ``size``.
    vectors
        (``size``, T) unit vectors of the titles, see ``title_vectors``.
    size
        Items in the catalogue.

    Returns
    -------
    coverage, columns
        The coverage has no interval: resampled users recommend fewer different items than all users do, and percentiles
        would lie below the value. The columns are (N,) each, by name.
    """
    return Estimate(coverage(table, size), np.nan, np.nan, len(table)), {
        "novelty": novelty(table, purchases, size),
        "diversity": diversity(table, vectors),
        "repeat_share": repeat_share(table),
        "echo_share": echo_share(table, seen_items),
        "invalid_share": invalid_share(table, size),
    }


def coverage(table: Ints, size: int) -> float:
    """Share of the catalogue that is in anybody's list, in [0, 1]; NaN for an empty catalogue.

    Source: M. Ge, C. Delgado-Battenfeld, D. Jannach, "Beyond accuracy: evaluating recommender systems by coverage and
    serendipity", RecSys 2010 (catalogue coverage).
    """
    return len(np.unique(table[_valid(table, size)])) / size if size else float("nan")


def novelty(table: Ints, purchases: Ints, size: int) -> Floats:
    """(N,) mean self-information of a list's items in bits: -log2(purchases of the item / purchases of all).

    Purchases are those of training. An item never bought there counts as bought once: it is as novel as can be told,
    and not infinitely so. NaN for a list without an item of the catalogue.

    Source: T. Zhou et al., "Solving the apparent diversity-accuracy dilemma of recommender systems", PNAS 2010.
    """
    bought = np.maximum(purchases[:size], 1)
    surprise = np.append(-np.log2(bought / max(1, purchases[:size].sum())), 0.0)
    valid = _valid(table, size)
    return _share(surprise[np.where(valid, table, size)].sum(axis=1), valid.sum(axis=1))


def diversity(table: Ints, vectors: sparse.csr_array) -> Floats:
    """(N,) one minus the mean similarity of a list's titles in pairs, in [0, 1]: 1 - mean over i < j of cos(i, j).

    The cosine of two sets of words is |A ∩ B| / sqrt(|A| |B|); an item that stands twice is similar to itself (1). With
    unit vectors v, sum over i < j of cos = (|sum of v|^2 - sum of |v|^2) / 2, so that no pair is ever looked at.
    NaN for a list with fewer than two items of the catalogue.

    Source: C.-N. Ziegler et al., "Improving recommendation lists through topic diversification", WWW 2005
    (intra-list similarity).
    """
    size = vectors.shape[0]
    valid = _valid(table, size)
    row = np.nonzero(valid)[0]
    lists = sparse.csr_array((np.ones(len(row)), (row, table[valid])), shape=(len(table), size))  # (N, I) how often
    squares = vectors.multiply(vectors).sum(axis=1)  # (I,) 1, or 0 for a title without words
    summed = lists @ vectors  # (N, T)
    twice = summed.multiply(summed).sum(axis=1) - lists @ squares
    count = valid.sum(axis=1)
    similarity = _share(np.asarray(twice).ravel(), count * (count - 1))
    return np.clip(1 - similarity, 0, 1)  # rounding may leave -1e-16


def title_vectors(titles: Sequence[str]) -> sparse.csr_array:
    """(I, T) unit vectors of the sets of words of I titles, letters' case aside; no word, no length."""
    numbers: dict[str, int] = {}
    words = [{numbers.setdefault(word, len(numbers)) for word in title.casefold().split()} for title in titles]
    lengths = np.array([len(own) for own in words], dtype=np.int64)
    column = np.fromiter((number for own in words for number in sorted(own)), dtype=np.int64, count=int(lengths.sum()))
    values: NDArray[np.float64] = np.repeat(1 / np.sqrt(np.maximum(lengths, 1)), lengths)
    starts = np.concatenate([[0], np.cumsum(lengths)])
    return sparse.csr_array((values, column, starts), shape=(len(titles), max(1, len(numbers))))


def repeat_share(table: Ints) -> Floats:
    """(N,) share of a list that names an item again: 1 - different items / items, in [0, 1); NaN for an empty list."""
    given = (table != PAD_ID).sum(axis=1)
    return _share(given - first_occurrences(table).sum(axis=1), given)


def echo_share(table: Ints, seen_items: UserItemSets) -> Floats:
    """(N,) share of a list that the user's own input history holds already, in [0, 1]; NaN for an empty list."""
    return _share(seen_items.holds(table).sum(axis=1), (table != PAD_ID).sum(axis=1))


def invalid_share(table: Ints, size: int) -> Floats:
    """(N,) share of a list that is no item of the catalogue, in [0, 1]; NaN for an empty list."""
    return _share((table >= size).sum(axis=1), (table != PAD_ID).sum(axis=1))


def _valid(table: Ints, size: int) -> Bools:
    return (table != PAD_ID) & (table < size)


def _share(part: NDArray[np.generic], whole: Ints) -> Floats:
    """``part / whole``, NaN where there is nothing."""
    return np.asarray(part, dtype=np.float64) / np.where(whole > 0, whole, np.nan)
