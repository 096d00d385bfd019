"""What others bring, as a `Recommender`: ranked tables, and models of RecTools' shape."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shoptalk.api.rankings import read_ranked
from shoptalk.api.tables import is_table
from shoptalk.data.dataset import Dataset
from shoptalk.errors import UsageError
from shoptalk.progress import Notify, quiet
from shoptalk.schema import Candidates, History, RankedList, Recommender, Split

#: Items that are asked of a model of RecTools' shape for each user: the largest k that is evaluated and a reserve for
#: items of the history.
LIST_LENGTH = 100


class RankedTable:
    """Ranked lists made elsewhere, as a `Recommender`; a score is minus the rank, from 0.

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


def as_recommender(name: str, other: Any, split: Split, dataset: Dataset) -> Recommender:
    """A model or a ranked table of somebody else as a `Recommender` on a dataset's test cases.

    A model with ``fit`` learns from the purchases that the baselines learn from.

    Raises
    ------
    UsageError
        For anything else, or a table without the needed columns.
    """
    if isinstance(other, type):
        raise UsageError(f"{name} is a class", hint=f"give an object: {other.__name__}(...)")
    if not is_table(other):  # a table of pandas has a method `rank`, too
        if hasattr(other, "rank") and hasattr(other, "score"):
            recommender: Recommender = other
            return recommender
        if hasattr(other, "fit") and hasattr(other, "recommend"):
            other = _recommend_all(name, other, split)
    return RankedTable(name, list(dataset.catalogue), read_ranked(other, name))


def _recommend_all(name: str, model: Any, split: Split) -> Any:
    """The table that a model of RecTools' shape, fitted here, recommends to the users of the test cases."""
    train = split.for_final_fit().train
    users = list(dict.fromkeys(case.history.user_id for case in split.test))
    unknown = set(users) - {history.user_id for history in train}
    if unknown:
        raise UsageError(
            f"{name} can only recommend to users that it is fitted on; {len(unknown):,} test users are not among them",
            hint="give its recommendations as a ranked table",
        )
    dataset = _dataset(model, train)
    model.fit(dataset)
    return model.recommend(users=users, dataset=dataset, k=LIST_LENGTH, filter_viewed=True)


def _dataset(model: Any, histories: Sequence[History]) -> Any:
    """Histories as interactions with the columns of RecTools; as its Dataset for a model of RecTools itself."""
    import pandas as pd

    rows = [
        (history.user_id, item, 1.0, position) for history in histories for position, item in enumerate(history.items)
    ]
    table = pd.DataFrame(rows, columns=["user_id", "item_id", "weight", "datetime"])
    table["datetime"] = pd.to_datetime(table["datetime"], unit="D")  # the order alone
    if not type(model).__module__.startswith("rectools"):
        return table
    from rectools.dataset import Dataset as RecToolsDataset  # installed, as a model of it is here

    return RecToolsDataset.construct(table)
