"""Could chance have made the difference? The paired randomisation test: a user's two values change places at random.

Where two methods are equally good, a user's difference might as well have had the other sign. So signs are flipped at
random, again and again; p is how often that gives a mean at least as far from 0 as the observed one. Unlike the
bootstrap, the test is exact: under no difference, p < 0.05 comes in at most 5 % of comparisons, however few the users.

Sources: R. A. Fisher, "The Design of Experiments", 1935, section 21; M. Smucker, J. Allan, B. Carterette, "A Comparison
of Statistical Significance Tests for Information Retrieval Evaluation", CIKM 2007; B. Phipson, G. Smyth, "Permutation
P-values Should Never Be Zero", 2010 (the 1 added above and below). ``scipy.stats.permutation_test`` computes the same;
here several metrics share their flips, and a user without a difference costs nothing.
"""

import math
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np

from shoptalk.evaluation.bootstrap import Floats

FLIPS = 10_000
#: Signs held at once (8 bytes each): memory does not grow with the flips.
_BLOCK = 2_000_000


def randomise(table: Floats, *, flips: int = FLIPS, seed: int = 1) -> Floats:
    """Two-sided p values of the means of (N, C) differences, (C,).

    Where the users who differ by a metric can be flipped in no more than ``flips`` ways, every way is tried, and p is
    the share of those that give |mean| at least as large as observed. Otherwise p = (1 + number of such flips) /
    (1 + flips), never 0.

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
    few = (table != 0).sum(axis=0) <= math.log2(flips)
    p = np.empty(table.shape[1])
    for column in np.flatnonzero(few):
        p[column] = _as_extreme(table[:, [column]], _every)[0] / 2 ** np.count_nonzero(table[:, column])
    p[~few] = (1 + _as_extreme(table[:, ~few], partial(_drawn, flips=flips, seed=seed))) / (1 + flips)
    return p


def _as_extreme(table: Floats, ways: Callable[[int], Iterator[Floats]]) -> Floats:
    """How many ways to flip the users who differ give sums at least as far from 0 as the observed, (C,)."""
    table = table[table.any(axis=1)]
    total = table.sum(axis=0)
    # A hair is taken off: sums of equal numbers in another order may differ in the last bits.
    bar = np.abs(total) - 1e-12 * np.abs(table).sum(axis=0)
    found = np.zeros(table.shape[1])
    for flipped in ways(len(table)):
        found += (np.abs(total - 2 * (flipped @ table)) >= bar).sum(axis=0)
    return found


def _every(users: int) -> Iterator[Floats]:
    """Every way to flip U users: one block (2 ** U, U), 1 where a user is flipped."""
    yield (np.arange(2**users)[:, None] >> np.arange(users) & 1).astype(np.float64)


def _drawn(users: int, flips: int, seed: int) -> Iterator[Floats]:
    """Random ways to flip U users, a bit each, in blocks (rows, U)."""
    generator = np.random.default_rng(seed)
    width, rows = (users + 7) // 8, max(1, _BLOCK // max(1, users))
    for start in range(0, flips, rows):
        size = min(rows, flips - start)
        bits = np.frombuffer(generator.bytes(size * width), dtype=np.uint8).reshape(size, width)
        yield np.unpackbits(bits, axis=1, count=users).astype(np.float64)
