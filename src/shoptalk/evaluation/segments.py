"""Metrics by segments: history length, popularity of the targets, cold-start items and ties.

A segment is a set of users, or a set of items. For a set of items the targets are restricted to the items of the set,
and users without any are not in the segment. So a user with several targets can be in several segments.
"""

from collections.abc import Mapping

import numpy as np

from shoptalk.evaluation.bootstrap import RESAMPLES, Floats, estimate_means
from shoptalk.evaluation.catalogue import find
from shoptalk.evaluation.id_map import Bools, Ints, UserItemSets
from shoptalk.evaluation.metrics import tested_names
from shoptalk.schema import Estimate

#: First length of each bin of history lengths; the last bin has no upper end.
LENGTHS = (1, 3, 5, 10, 20, 50)

#: Name of a segment -> its targets, one set per user (empty for users outside the segment).
Segments = dict[str, UserItemSets]


def by_users(targets: UserItemSets, groups: Mapping[str, Bools]) -> Segments:
    """Segments of users from (N,) flags per group."""
    return {
        name: UserItemSets(targets.row[mask[targets.row]], targets.item[mask[targets.row]], targets.rows)
        for name, mask in groups.items()
    }


def by_items(targets: UserItemSets, groups: Mapping[str, Bools]) -> Segments:
    """Segments of items from (M,) flags of the item numbers per group."""
    return {name: targets.select(mask) for name, mask in groups.items()}


def length_groups(lengths: Ints) -> dict[str, Bools]:
    """Groups of users by the length of their history: ``1-2``, ``3-4``, ``5-9``, ``10-19``, ``20-49``, ``50+``.

    Parameters
    ----------
    lengths
        (N,) number of items of each history.
    """
    ends = [*(start - 1 for start in LENGTHS[1:]), None]
    return {
        f"{start}+" if end is None else f"{start}-{end}": (lengths >= start) & (lengths <= (end or np.inf))
        for start, end in zip(LENGTHS, ends, strict=True)
    }


def popularity_groups(purchases: Ints) -> dict[str, Bools]:
    """Deciles of the items with training purchases, from the least (``1``) to the most popular (``10``).

    An item's decile is 1 + floor(10 * (items with fewer purchases + half of those with equally many) / items). Items
    with equally many purchases are in the same decile, so a decile may be empty.

    Parameters
    ----------
    purchases
        (M,) training purchases of each item number; items without any (cold-start items) are in no decile.
    """
    bought = np.flatnonzero(purchases)
    groups = {str(decile): np.zeros(len(purchases), dtype=np.bool_) for decile in range(1, 11)}
    sorted_counts = np.sort(purchases[bought])
    below = np.searchsorted(sorted_counts, purchases[bought], side="left")
    up_to = np.searchsorted(sorted_counts, purchases[bought], side="right")
    decile = 1 + 10 * (below + up_to) // np.maximum(2 * len(bought), 1)
    for number, mask in groups.items():
        mask[bought[decile == int(number)]] = True
    return groups


def segment_metrics(
    lists: Mapping[str, Ints], cuts: Mapping[str, Segments], k: int, *, resamples: int = RESAMPLES, seed: int = 1
) -> dict[str, dict[str, dict[str, dict[str, Estimate]]]]:
    """The tested metrics at k (see `Metric.tested`) of every method in every segment that has a user.

    Parameters
    ----------
    lists
        (N, W) item numbers of each method's lists, with W >= k.
    cuts
        The segments of each dimension, such as history length.

    Returns
    -------
    dict
        Nested by dimension, segment, method and metric (``recall@k``, ``ndcg@k`` and so on), with intervals over the
        segment's users. All methods of a segment share their resamples.
    """
    results: dict[str, dict[str, dict[str, dict[str, Estimate]]]] = {}
    for dimension, segments in cuts.items():
        results[dimension] = {}
        for segment, targets in segments.items():
            rows = np.unique(targets.row)
            if not len(rows):
                continue
            segment_targets = UserItemSets(np.searchsorted(rows, targets.row), targets.item, len(rows))
            columns: dict[tuple[str, str], Floats] = {}
            for method, table in lists.items():
                metrics = find(table[rows], segment_targets).metrics(k, tested_names(k))
                columns |= {(method, name): values for name, values in metrics.items()}
            named_columns = {"\0".join(key): values for key, values in columns.items()}
            estimates = estimate_means(named_columns, resamples=resamples, seed=seed)
            results[dimension][segment] = {method: {} for method in lists}
            for method, name in columns:
                results[dimension][segment][method][name] = estimates[f"{method}\0{name}"]
    return results
