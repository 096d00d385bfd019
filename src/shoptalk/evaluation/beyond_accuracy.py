"""Beyond accuracy: coverage, novelty, diversity, and repeated and invalid items of ranked lists.

Lists are (N, W) item numbers as in `id_map`; an item is in the catalogue if its number is below the catalogue's size.
Shares of an empty list are NaN, and it is left out of means. All other entries count in denominators, including invalid
items.
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
    """All measures of this module.

    Parameters
    ----------
    table
        (N, W) lists, already cut to the evaluated length.
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
        The coverage has no interval: lists of resampled users contain fewer different items than those of all users, so
        percentiles would lie below the value. The columns are (N,) each, by name.
    """
    return Estimate(coverage(table, size), np.nan, np.nan, len(table)), {
        "novelty": novelty(table, purchases, size),
        "diversity": diversity(table, vectors),
        "repeat_share": repeat_share(table),
        "echo_share": echo_share(table, seen_items),
        "invalid_share": invalid_share(table, size),
    }


def coverage(table: Ints, size: int) -> float:
    """Share of the catalogue that is in at least one list, in [0, 1]; NaN for an empty catalogue.

    Source: M. Ge, C. Delgado-Battenfeld, D. Jannach, "Beyond accuracy: evaluating recommender systems by coverage and
    serendipity", RecSys 2010 (catalogue coverage).
    """
    return len(np.unique(table[_valid(table, size)])) / size if size else float("nan")


def novelty(table: Ints, purchases: Ints, size: int) -> Floats:
    """(N,) mean self-information of a list's items in bits: -log2(purchases of the item / purchases of all).

    Purchases are those of training. An item without purchases counts as bought once, so that its novelty is finite. NaN
    for a list without an item of the catalogue.

    Source: T. Zhou et al., "Solving the apparent diversity-accuracy dilemma of recommender systems", PNAS 2010.
    """
    counts = np.maximum(purchases[:size], 1)
    self_information = np.append(-np.log2(counts / max(1, purchases[:size].sum())), 0.0)
    valid = _valid(table, size)
    return _share(self_information[np.where(valid, table, size)].sum(axis=1), valid.sum(axis=1))


def diversity(table: Ints, vectors: sparse.csr_array) -> Floats:
    """(N,) one minus the mean pairwise similarity of a list's titles, in [0, 1]: 1 - mean over i < j of cos(i, j).

    The cosine of two sets of words is |A ∩ B| / sqrt(|A| |B|); a repeated item has similarity 1 with itself. With unit
    vectors v, sum over i < j of cos = (|sum of v|^2 - sum of |v|^2) / 2, so pairs need not be computed one by one.
    NaN for a list with fewer than two items of the catalogue.

    Source: C.-N. Ziegler et al., "Improving recommendation lists through topic diversification", WWW 2005
    (intra-list similarity).
    """
    size = vectors.shape[0]
    valid = _valid(table, size)
    row = np.nonzero(valid)[0]
    counts = sparse.csr_array(
        (np.ones(len(row)), (row, table[valid])), shape=(len(table), size)
    )  # (N, I) number of occurrences
    squares = vectors.multiply(vectors).sum(axis=1)  # (I,) 1, or 0 for a title without words
    sums = counts @ vectors  # (N, T)
    pair_sums = sums.multiply(sums).sum(axis=1) - counts @ squares
    lengths = valid.sum(axis=1)
    similarity = _share(np.asarray(pair_sums).ravel(), lengths * (lengths - 1))
    return np.clip(1 - similarity, 0, 1)  # rounding may leave -1e-16


def title_vectors(titles: Sequence[str]) -> sparse.csr_array:
    """(I, T) unit vectors of the sets of words of I titles in lower case; 0 for a title without words."""
    numbers: dict[str, int] = {}
    words_of_titles = [
        {numbers.setdefault(word, len(numbers)) for word in title.casefold().split()} for title in titles
    ]
    lengths = np.array([len(title_words) for title_words in words_of_titles], dtype=np.int64)
    column = np.fromiter(
        (number for title_words in words_of_titles for number in sorted(title_words)),
        dtype=np.int64,
        count=int(lengths.sum()),
    )
    values: NDArray[np.float64] = np.repeat(1 / np.sqrt(np.maximum(lengths, 1)), lengths)
    starts = np.concatenate([[0], np.cumsum(lengths)])
    return sparse.csr_array((values, column, starts), shape=(len(titles), max(1, len(numbers))))


def repeat_share(table: Ints) -> Floats:
    """(N,) share of repeated entries of a list: 1 - different items / entries, in [0, 1); NaN for an empty list."""
    lengths = (table != PAD_ID).sum(axis=1)
    return _share(lengths - first_occurrences(table).sum(axis=1), lengths)


def echo_share(table: Ints, seen_items: UserItemSets) -> Floats:
    """(N,) share of the entries of a list that are in the user's history, in [0, 1]; NaN for an empty list."""
    return _share(seen_items.contains(table).sum(axis=1), (table != PAD_ID).sum(axis=1))


def invalid_share(table: Ints, size: int) -> Floats:
    """(N,) share of the entries of a list that are no item of the catalogue, in [0, 1]; NaN for an empty list."""
    return _share((table >= size).sum(axis=1), (table != PAD_ID).sum(axis=1))


def _valid(table: Ints, size: int) -> Bools:
    """(N, W) whether an entry is an item of the catalogue."""
    return (table != PAD_ID) & (table < size)


def _share(numerator: NDArray[np.generic], denominator: Ints) -> Floats:
    """``numerator / denominator``, NaN where the denominator is 0."""
    return np.asarray(numerator, dtype=np.float64) / np.where(denominator > 0, denominator, np.nan)
