"""The paired randomisation test: whether the difference between two methods can be explained by chance.

If two methods are equally good, each user's difference could have had the opposite sign. So signs are flipped at
random, many times; p is the share of these flips whose mean is at least as far from 0 as the observed one. Unlike the
bootstrap, the test is exact: without a difference, p < 0.05 occurs in at most 5 % of comparisons, for any number of
users.

Sources: R. A. Fisher, "The Design of Experiments", 1935, section 21; M. Smucker, J. Allan, B. Carterette, "A Comparison
of Statistical Significance Tests for Information Retrieval Evaluation", CIKM 2007; B. Phipson, G. Smyth, "Permutation
P-values Should Never Be Zero", 2010 (the 1 added above and below). ``scipy.stats.permutation_test`` computes the same;
here several metrics share their flips, and users without a difference need no computation.
"""

import math
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np

from shoptalk.evaluation.bootstrap import Floats

FLIPS = 10_000
#: Flips held at once (8 bytes each), so that memory does not grow with their number.
_BLOCK = 2_000_000


def randomise(table: Floats, *, flips: int = FLIPS, seed: int = 1) -> Floats:
    """Two-sided p values of the means of (N, C) differences, (C,).

    If the users with a difference can be flipped in at most ``flips`` ways, all of them are computed, and p is the
    share with |mean| at least as large as observed. Otherwise p = (1 + number of such random flips) / (1 + flips),
    never 0.

    Parameters
    ----------
    table
        Differences of N users by C metrics, without NaN.

    Returns
    -------
    array
        NaN where there are no users.
    """
    if not len(table):
        return np.full(table.shape[1], np.nan)
    exact = (table != 0).sum(axis=0) <= math.log2(flips)
    p = np.empty(table.shape[1])
    for column in np.flatnonzero(exact):
        p[column] = _count_as_extreme(table[:, [column]], _all_flips)[0] / 2 ** np.count_nonzero(table[:, column])
    p[~exact] = (1 + _count_as_extreme(table[:, ~exact], partial(_random_flips, flips=flips, seed=seed))) / (1 + flips)
    return p


def _count_as_extreme(table: Floats, flips_of: Callable[[int], Iterator[Floats]]) -> Floats:
    """(C,) number of flips of the users with a difference that give sums at least as far from 0 as the observed."""
    table = table[table.any(axis=1)]
    total = table.sum(axis=0)
    # A tolerance: sums of equal numbers in another order may differ in the last bits.
    threshold = np.abs(total) - 1e-12 * np.abs(table).sum(axis=0)
    counts = np.zeros(table.shape[1])
    for flipped in flips_of(len(table)):
        counts += (np.abs(total - 2 * (flipped @ table)) >= threshold).sum(axis=0)
    return counts


def _all_flips(users: int) -> Iterator[Floats]:
    """All ways to flip U users: one block (2 ** U, U), 1 where a user is flipped."""
    yield (np.arange(2**users)[:, None] >> np.arange(users) & 1).astype(np.float64)


def _random_flips(users: int, flips: int, seed: int) -> Iterator[Floats]:
    """Random ways to flip U users, in blocks (rows, U)."""
    generator = np.random.default_rng(seed)
    width, rows = (users + 7) // 8, max(1, _BLOCK // max(1, users))
    for start in range(0, flips, rows):
        block_size = min(rows, flips - start)
        bits = np.frombuffer(generator.bytes(block_size * width), dtype=np.uint8).reshape(block_size, width)
        yield np.unpackbits(bits, axis=1, count=users).astype(np.float64)
