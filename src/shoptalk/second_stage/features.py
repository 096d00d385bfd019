"""Features of (history, candidate) pairs, in one NumPy table.

No item id, no position inside a day and no time: under leave-one-out a count that a date divides would tell of the
future.
"""

from collections.abc import Sequence

import numpy as np
from scipy import sparse

from shoptalk.graph.interactions import Floats, InteractionMatrix
from shoptalk.second_stage.pool import Pool
from shoptalk.second_stage.sources import Block, CandidateSource
from shoptalk.second_stage.tables import ItemTables

#: Features of a pair that no source gives, in the order of the table's last columns.
PAIR_FEATURES = (
    "best rank of any source",
    "mean of reciprocal ranks",
    "sources with the candidate among their first 20",
    "popularity",
    "recent popularity",
    "same brand as the last purchase",
    "share of the history with this brand",
    "length of the history",
    "mean popularity of the history",
    "popularity less that of the history",
    "candidates of the history",
)
#: A rank counts as high up to this one.
HIGH = 20


def feature_names(sources: Sequence[CandidateSource]) -> tuple[str, ...]:
    """Names of the columns: score, score relative to the best of the pool and rank of each source, then the others."""
    names = [f"{source.name}: {kind}" for source in sources for kind in ("score", "relative score", "rank")]
    return (*names, *PAIR_FEATURES)


def make_features(pool: Pool, block: Block, sources: Sequence[CandidateSource]) -> Floats:
    """Features (P, F) of a pool's candidates; see `feature_names`."""
    table = np.empty((len(pool.row), 3 * len(sources) + len(PAIR_FEATURES)), dtype=np.float32)
    for number, source in enumerate(sources):
        score = pool.scores[number]
        table[:, 3 * number] = score
        table[:, 3 * number + 1] = _relative(score, pool, source)
        table[:, 3 * number + 2] = np.log(pool.ranks[number])
    table[:, 3 * len(sources) :] = _pair_features(pool, block.purchases, block.tables).T
    return table


def _relative(score: Floats, pool: Pool, source: CandidateSource) -> Floats:
    """(P,) ratio to the best of the pool in [0, 1], or difference from it, at most 0."""
    best = np.repeat(_highest(score, pool), pool.sizes)
    if source.scale == "difference":
        return np.asarray(score - best, dtype=np.float32)
    return np.asarray(np.maximum(score, 0) / np.maximum(best, np.finfo(np.float32).tiny), dtype=np.float32)


def _highest(score: Floats, pool: Pool) -> Floats:
    """(B,) the best score of each pool; 0 where it is empty."""
    result = np.zeros(len(pool.sizes), dtype=np.float32)
    filled = pool.sizes > 0
    if filled.any():
        result[filled] = np.maximum.reduceat(score, pool.starts[filled])
    return result


def _pair_features(pool: Pool, purchases: InteractionMatrix, tables: ItemTables) -> Floats:
    """(len(PAIR_FEATURES), P)."""
    row, column = pool.row, pool.column
    popularity = np.log1p(tables.counts)
    length = np.bincount(purchases.row, minlength=purchases.rows)
    total = np.bincount(purchases.row, weights=popularity[purchases.column], minlength=purchases.rows)
    mean_popularity = total / np.maximum(length, 1)
    same_as_last, share = _brands(pool, purchases, tables)
    return np.stack(
        [
            np.log(pool.ranks.min(axis=0, initial=1_000_000)),
            (1 / pool.ranks).mean(axis=0),
            (pool.ranks <= HIGH).sum(axis=0),
            popularity[column],
            np.log1p(tables.recent)[column],
            same_as_last,
            share,
            np.log1p(length)[row],
            mean_popularity[row],
            popularity[column] - mean_popularity[row],
            np.log1p(pool.sizes)[row],
        ]
    ).astype(np.float32)


def _brands(pool: Pool, purchases: InteractionMatrix, tables: ItemTables) -> tuple[Floats, Floats]:
    """(P,) whether the brand is that of the last purchase, and the share of the history that has it."""
    brand = tables.texts.brand
    number = max(1, int(brand.max(initial=-1)) + 1)
    last = np.full(purchases.rows, -1)
    latest = purchases.recency == 0
    last[purchases.row[latest]] = brand[purchases.column[latest]]
    own = brand[pool.column]
    same = ((own >= 0) & (own == last[pool.row])).astype(np.float32)
    branded = brand[purchases.column] >= 0
    entries = purchases.row[branded], brand[purchases.column[branded]]
    counts = sparse.csr_array((np.ones(int(branded.sum())), entries), shape=(purchases.rows, number))
    length = np.maximum(np.bincount(purchases.row, minlength=purchases.rows), 1)
    share = np.asarray(counts[pool.row, np.maximum(own, 0)]).ravel() * (own >= 0) / length[pool.row]
    return same, share.astype(np.float32)
