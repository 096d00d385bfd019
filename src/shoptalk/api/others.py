"""Other people's results as a `Recommender`: ranked tables, and models with the methods of RecTools."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from shoptalk.api.rankings import read_ranked
from shoptalk.api.tables import is_table
from shoptalk.data.dataset import Dataset
from shoptalk.errors import UsageError
from shoptalk.progress import Notify, quiet
from shoptalk.schema import Candidates, History, RankedList, Recommender, Split

if TYPE_CHECKING:
    import pandas as pd

#: Fewest items that a model with the methods of RecTools recommends to each user. They are more than are evaluated, as
#: a model may ignore ``filter_viewed`` and recommend items of the history.
LIST_LENGTH = 100
#: Seconds since 1970 that a time in nanoseconds, a 64-bit integer, can hold.
LATEST = 9.2e9


class RankedTable:
    """Ranked lists made elsewhere, as a `Recommender`. A score is minus the rank, which starts at 0 here.

    Parameters
    ----------
    name
        As reports show it.
    items
        Ids of the catalogue.
    lists
        For each user the item ids, best first.
    """

    ranks_catalogue = True

    def __init__(self, name: str, items: Sequence[str], lists: dict[str, list[str]]) -> None:
        self.name, self.items, self._lists = name, items, lists
        self._known = frozenset(items)

    def score(
        self, histories: Sequence[History], candidates: Sequence[Candidates], notify: Notify = quiet
    ) -> list[NDArray[np.float64]]:
        """Minus the rank of each option; an option outside the list is below all items of it."""
        scores = []
        for history, options in zip(histories, candidates, strict=True):
            ranks = {item: rank for rank, item in enumerate(self._lists.get(history.user_id, []))}
            scores.append(np.array([-float(ranks.get(item, len(ranks))) for item in options.items]))
        notify(len(histories), len(histories))
        return scores

    def rank(
        self,
        histories: Sequence[History],
        k: int,
        *,
        allowed: NDArray[np.bool_] | None = None,
        exclude_history: bool = True,
        targets: Sequence[str] | None = None,  # noqa: ARG002  (a list holds no rank beyond its end)
        notify: Notify = quiet,
    ) -> list[RankedList]:
        """The first k items of each user's list that may be recommended."""
        permitted = (
            self._known if allowed is None else {item for item, ok in zip(self.items, allowed, strict=True) if ok}
        )
        lists = []
        for history in histories:
            seen_items = set(history.items) if exclude_history else set()
            items = dict.fromkeys(
                item
                for item in self._lists.get(history.user_id, [])
                if item not in seen_items and (item in permitted or item not in self._known)
            )
            best = list(items)[:k]
            lists.append(RankedList(history.user_id, tuple(best), tuple(-float(rank) for rank in range(len(best)))))
        notify(len(histories), len(histories))
        return lists


def as_recommender(name: str, other: Any, split: Split, dataset: Dataset, k: int = LIST_LENGTH) -> Recommender:
    """A model or a ranked table of somebody else as a `Recommender` on a dataset's test cases.

    A model with ``fit`` learns from the purchases that the baselines learn from, and then sees the history of each test
    case.

    Parameters
    ----------
    k
        The largest number of items of a list that is evaluated.

    Raises
    ------
    UsageError
        For anything else, a table without the needed columns, or one without any test user or any item of the
        catalogue.
    """
    if isinstance(other, type):
        raise UsageError(f"{name} is a class", hint=f"give an object: {other.__name__}(...)")
    if not is_table(other):  # a table of pandas has a method `rank`, too
        if hasattr(other, "rank") and hasattr(other, "score"):
            recommender: Recommender = other
            return recommender
        if hasattr(other, "fit") and hasattr(other, "recommend"):
            other = _recommend_all(name, other, split, dataset, max(k, LIST_LENGTH))
    lists = read_ranked(other, name)
    _check_ids(name, lists, split, dataset)
    return RankedTable(name, list(dataset.catalogue), lists)


def _check_ids(name: str, lists: Mapping[str, Sequence[str]], split: Split, dataset: Dataset) -> None:
    """Refuse lists in which no user or no item is known, as of another dataset or with ids of another type."""
    users = {case.history.user_id: None for case in split.test}
    items = dict.fromkeys(item for ranked in lists.values() for item in ranked)
    for kind, ids, known in (("user", lists, users), ("item", items, dataset.catalogue)):
        if ids and ids.keys().isdisjoint(known):
            raise UsageError(
                f"{name} has no {kind} of the test: its ids are like {next(iter(ids))!r}",
                hint=f"ids of this dataset are like {next(iter(known))!r}",
            )


def _recommend_all(name: str, model: Any, split: Split, dataset: Dataset, k: int) -> Any:
    """The table that a model of RecTools' shape, fitted here, recommends to the users of the test cases."""
    train = list(split.for_final_fit().train)
    before_test: dict[str, History] = {}
    for case in split.test:
        before_test.setdefault(case.history.user_id, case.history)
    unknown = before_test.keys() - {history.user_id for history in train}
    if unknown and not getattr(model, "recommends_for_cold", False):
        raise UsageError(
            f"{name} can only recommend to users that it is fitted on; {len(unknown):,} test users are not among them",
            hint="give its recommendations as a ranked table",
        )
    shown = {history.user_id: history for history in train} | before_test
    fitted_table, shown_table = _interactions(train, dataset), _interactions(list(shown.values()), dataset)
    users = list(before_test)
    if not _is_rectools(model):
        model.fit(fitted_table)
        return model.recommend(users=users, dataset=shown_table, k=k, filter_viewed=True)
    fitted, shown_dataset = _rectools_datasets(fitted_table, shown_table)
    model.fit(fitted)
    return model.recommend(users=users, dataset=shown_dataset, k=k, filter_viewed=True, on_unsupported_targets="warn")


def _is_rectools(model: Any) -> bool:
    """Whether the model, or a class that it is derived from, is one of RecTools."""
    return any(base.__module__.partition(".")[0] == "rectools" for base in type(model).__mro__)


def _interactions(histories: Sequence[History], dataset: Dataset) -> "pd.DataFrame":
    """Histories as a table with the columns of RecTools: user_id, item_id, weight and datetime."""
    import pandas as pd

    lengths = [len(history.items) for history in histories]
    users = [history.user_id for history in histories]
    return pd.DataFrame(
        {
            "user_id": np.repeat(np.array(users, dtype=object), lengths),
            "item_id": np.array([item for history in histories for item in history.items], dtype=object),
            "weight": np.ones(sum(lengths)),
            "datetime": pd.to_datetime(_nanoseconds(users, lengths, dataset), unit="ns"),
        }
    )


def _nanoseconds(users: Sequence[str], lengths: Sequence[int], dataset: Dataset) -> NDArray[np.int64]:
    """Times of the first purchases of each user since 1970.

    Purchases of one moment are a nanosecond apart, so that they stay in their order. Numbers that are no seconds
    between the years 1678 and 2262, to which nanoseconds are limited, are replaced by the position in the history.
    """
    rows = dataset.rows
    starts = dict(zip(rows.users.tolist(), rows.start.tolist(), strict=True))
    positions = np.concatenate([np.arange(length) for length in lengths] or [np.empty(0, dtype=np.int64)])
    first = np.repeat(np.array([starts[user] for user in users], dtype=np.int64), lengths)
    seconds = rows.time[first + positions]
    if not (np.abs(seconds) < LATEST).all():  # also where a time is missing
        seconds = positions.astype(np.float64)
    return np.round(seconds * 1e6).astype(np.int64) * 1_000 + positions


def _rectools_datasets(fitted_table: "pd.DataFrame", shown_table: "pd.DataFrame") -> tuple[Any, Any]:
    """RecTools' datasets for ``fit`` and for ``recommend``, with the same internal ids.

    Models find users and items by internal ids, so what they were not fitted on is left out of the second.
    """
    from rectools.dataset import Dataset as RecToolsDataset  # installed, as a model of it is here
    from rectools.dataset import Interactions

    fitted = RecToolsDataset.construct(fitted_table)
    users, items = fitted.user_id_map, fitted.item_id_map
    known = shown_table["user_id"].isin(users.external_ids) & shown_table["item_id"].isin(items.external_ids)
    return fitted, RecToolsDataset(users, items, Interactions.from_raw(shown_table[known], users, items))
