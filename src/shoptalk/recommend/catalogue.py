"""The k best of the whole catalogue, for any `Ranker`: filters are a mask, and nothing bought comes again."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from shoptalk.rank_metrics import target_ranks
from shoptalk.recommend.options import Notify, quiet
from shoptalk.schema import History, RankedList, Ranker

#: Scores held at once (4 bytes each); a block of histories is as large as that allows.
BLOCK_SCORES = 16_000_000


def rank_all(
    ranker: Ranker,
    histories: Sequence[History],
    k: int,
    *,
    allowed: NDArray[np.bool_] | None = None,
    repeats: bool = False,
    wanted: Sequence[str] | None = None,
    notify: Notify = quiet,
) -> Iterator[RankedList]:
    """The k best items of each history, best first; fewer where fewer are allowed, equal scores in catalogue order.

    Parameters
    ----------
    allowed
        (I,) which items may be recommended at all (in stock, in a category ...).
    repeats
        Whether items of the history may be recommended again.
    wanted
        For each history an item whose rank is told, however far down it stands.
    """
    places = {item: place for place, item in enumerate(ranker.items)}
    size = max(1, BLOCK_SCORES // max(1, len(places)))
    for start in range(0, len(histories), size):
        block = histories[start : start + size]
        scores = np.array(ranker.score_all(block), dtype=np.float32)  # a copy: it is written to
        if allowed is not None:
            scores[:, ~allowed] = -np.inf
        if not repeats:
            rows, columns = held(block, places)
            scores[rows, columns] = -np.inf
        chosen = top(scores, k)
        ranks = _ranks(scores, [places.get(item) for item in wanted[start : start + size]]) if wanted else None
        for number, (history, row, best) in enumerate(zip(block, scores, chosen, strict=True)):
            real = best[np.isfinite(row[best])]
            yield RankedList(
                history.user_id,
                tuple(ranker.items[place] for place in real.tolist()),
                tuple(row[real].tolist()),
                ranks[number] if ranks else None,
            )
        notify(start + len(block), len(histories))


def _ranks(scores: NDArray[np.float32], columns: Sequence[int | None]) -> list[int | None]:
    """Rank of one column of each row (B, I), see `rank_metrics`; None where it may not be ranked."""
    found: list[int | None] = []
    columns_of_all = np.arange(scores.shape[1])
    for row, column in zip(scores, columns, strict=True):
        if column is None or not np.isfinite(row[column]):
            found.append(None)
            continue
        found.append(int(target_ranks(row[None, :], row[None, [column]], columns_of_all, column)[0]))
    return found


def held(histories: Sequence[History], places: dict[str, int]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows and columns of the items that the histories hold, in a matrix of scores."""
    found = [(row, places[item]) for row, history in enumerate(histories) for item in history.items if item in places]
    pairs = np.array(found, dtype=np.int64).reshape(-1, 2)
    return pairs[:, 0], pairs[:, 1]


def top(scores: NDArray[np.float32], k: int) -> NDArray[np.int64]:
    """Columns of the k highest scores of each row, (B, I) to (B, min(k, I)), the highest first; ties by the column."""
    count = scores.shape[1]
    k = min(k, count)
    if k == 0:
        return np.empty((len(scores), 0), dtype=np.int64)
    # The k-th highest value decides; among equals of it the first columns are taken, whatever the partition did.
    border = np.partition(scores, count - k, axis=1)[:, count - k]
    result = np.empty((len(scores), k), dtype=np.int64)
    for row, (values, least) in enumerate(zip(scores, border, strict=True)):
        sure = np.flatnonzero(values > least)
        equal = np.flatnonzero(values == least)[: k - len(sure)]
        chosen = np.concatenate([sure, equal])
        result[row] = chosen[np.lexsort((chosen, -values[chosen]))]
    return result
