"""Who and what is served well: the same metric by history length, popularity of the truth, coldness and ties.

A segment is a set of users, or a set of items. For a set of items the truth is cut down to the items of the set, and
whoever has none left is not in the segment; so a user with several true items can count in several segments, once for
each part of the truth.
"""

from collections.abc import Mapping

import numpy as np

from shoptalk.evaluation.bootstrap import RESAMPLES, Floats, estimate_means
from shoptalk.evaluation.catalogue import find
from shoptalk.evaluation.id_map import Bools, Ints, UserItemSets
from shoptalk.evaluation.metrics import tested_names
from shoptalk.schema import Estimate

#: First length of each bin of history lengths; the last has no end.
LENGTHS = (1, 3, 5, 10, 20, 50)

#: Of one way of cutting: name of the segment -> the truths that count in it, one set per user (empty: not in it).
Cut = dict[str, UserItemSets]


def by_users(targets: UserItemSets, groups: Mapping[str, Bools]) -> Cut:
    """Segments of users: each group is (N,); the others have no truth there."""
    return {
        name: UserItemSets(targets.row[chosen[targets.row]], targets.item[chosen[targets.row]], targets.rows)
        for name, chosen in groups.items()
    }


def by_items(targets: UserItemSets, groups: Mapping[str, Bools]) -> Cut:
    """Segments of items: each group says of every item number whether it belongs, (M,)."""
    return {name: targets.only(chosen) for name, chosen in groups.items()}


def length_groups(lengths: Ints) -> dict[str, Bools]:
    """Users by how many items their history has: ``1-2``, ``3-4``, ``5-9``, ``10-19``, ``20-49``, ``50+``.

    Parameters
    ----------
    lengths
        (N,) items of each history.
    """
    ends = [*(start - 1 for start in LENGTHS[1:]), None]
    return {
        f"{start}+" if end is None else f"{start}-{end}": (lengths >= start) & (lengths <= (end or np.inf))
        for start, end in zip(LENGTHS, ends, strict=True)
    }


def popularity_groups(purchases: Ints) -> dict[str, Bools]:
    """Items with training purchases in ten groups, from the least bought tenth of them (``1``) to the most (``10``).

    An item's decile is 1 + floor(10 * (items bought less + half of those bought equally often) / items): items bought
    equally often share a decile, so that no order of ids decides, and a decile may be empty.

    Parameters
    ----------
    purchases
        (M,) training purchases of each item number; items without any are in no decile, they are cold.
    """
    bought = np.flatnonzero(purchases)
    groups = {str(decile): np.zeros(len(purchases), dtype=np.bool_) for decile in range(1, 11)}
    ordered = np.sort(purchases[bought])
    below = np.searchsorted(ordered, purchases[bought], side="left")
    upto = np.searchsorted(ordered, purchases[bought], side="right")
    decile = 1 + 10 * (below + upto) // np.maximum(2 * len(bought), 1)
    for number, chosen in groups.items():
        chosen[bought[decile == int(number)]] = True
    return groups


def segment_metrics(
    lists: Mapping[str, Ints], cuts: Mapping[str, Cut], k: int, *, resamples: int = RESAMPLES, seed: int = 1
) -> dict[str, dict[str, dict[str, dict[str, Estimate]]]]:
    """The tested metrics at k (see `Metric.tested`) of every method in every segment that has a user.

    Parameters
    ----------
    lists
        Method -> its lists, (N, W) item numbers with W >= k.
    cuts
        Way of cutting -> its segments.

    Returns
    -------
    dict
        way of cutting -> segment -> method -> ``recall@k``, ``ndcg@k`` and so on, each with its interval over the
        segment's users. All methods of a segment share their resamples.
    """
    found: dict[str, dict[str, dict[str, dict[str, Estimate]]]] = {}
    for way, cut in cuts.items():
        found[way] = {}
        for segment, targets in cut.items():
            rows = np.unique(targets.row)
            if not len(rows):
                continue
            own = UserItemSets(np.searchsorted(rows, targets.row), targets.item, len(rows))
            columns: dict[tuple[str, str], Floats] = {}
            for method, table in lists.items():
                metrics = find(table[rows], own).metrics(k, tested_names(k))
                columns |= {(method, name): values for name, values in metrics.items()}
            flat = {"\0".join(key): values for key, values in columns.items()}
            estimates = estimate_means(flat, resamples=resamples, seed=seed)
            found[way][segment] = {method: {} for method in lists}
            for method, name in columns:
                found[way][segment][method][name] = estimates[f"{method}\0{name}"]
    return found
