"""Metrics of anybody's ranked lists."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from shoptalk.api.tables import as_arrow
from shoptalk.constants import DEFAULT_K
from shoptalk.errors import UsageError
from shoptalk.evaluation.catalogue import score_lists

if TYPE_CHECKING:
    import pandas as pd


def evaluate_rankings(predictions: Any, targets: Any, k: int = DEFAULT_K, *, seed: int = 1) -> "pd.DataFrame":
    """Metrics of ranked lists at k, means over users with 95 % bootstrap intervals.

    Parameters
    ----------
    predictions
        A table with the columns user_id, item_id and rank (1 is best) or score (the highest is best), or a mapping of
        each user to a list of item ids, best first. Every user of ``targets`` counts: one without predictions has the
        metrics of an empty list.
    targets
        A table with the columns user_id and item_id, or a mapping of each user to the relevant item ids.
    k
        Number of items of each list that count.
    seed
        Seed of the intervals.

    Returns
    -------
    pandas.DataFrame
        Indexed by metric, in [0, 1]: value, low, high, n (users). ``attrs["without_targets"]`` counts users that have
        predictions but no relevant item; they are left out.

    Raises
    ------
    UsageError
        For a column that is missing or holds no value, or ranks that are no numbers.

    Examples
    --------
    >>> scores = evaluate_rankings({"u1": ["a", "b"], "u2": ["c"]}, {"u1": ["b"], "u2": ["x"]}, k=2)
    >>> float(scores.loc["recall@2", "value"])
    0.5
    """
    import pandas as pd

    ranked, relevant = read_ranked(predictions, "predictions"), _read_targets(targets)
    users = list(relevant)
    result = score_lists([ranked.get(user, []) for user in users], [relevant[user] for user in users], k, seed=seed)
    rows = {name: (value.value, value.low, value.high, value.n) for name, value in result.metrics.items()}
    frame = pd.DataFrame.from_dict(rows, orient="index", columns=["value", "low", "high", "n"])
    frame.index.name = "metric"
    frame.attrs["without_targets"] = result.without_truth + len(ranked.keys() - relevant.keys())
    return frame


def read_ranked(table: Any, name: str) -> dict[str, list[str]]:
    """Each user's item ids, best first, from a table or a mapping; users and items as text.

    Raises
    ------
    UsageError
        For a column that is missing or holds no value, or ranks that are no numbers.
    """
    if isinstance(table, Mapping):
        return {str(user): _ids(items, f"{name} of user {user!r}") for user, items in table.items()}
    users, items, order = _columns(table, name)
    ranked: dict[str, list[str]] = {}
    for row in np.argsort(order, kind="stable").tolist():
        ranked.setdefault(users[row], []).append(items[row])
    return ranked


def _columns(table: Any, name: str) -> tuple[list[str], list[str], Any]:
    """User and item of each row, and what to sort the rows by: the rank, or the score from high to low."""
    arrow = as_arrow(table, name)
    users, items = _texts(arrow, "user_id", name), _texts(arrow, "item_id", name)
    column = next((column for column in ("rank", "score") if column in arrow.column_names), None)
    if column is None:
        raise UsageError(f"{name} has no column rank or score (it has: {', '.join(arrow.column_names)})")
    try:
        values = np.asarray(arrow[column].to_pylist(), dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise UsageError(f"{name}: the column {column} holds a value that is no number") from error
    if np.isnan(values).any():
        raise UsageError(f"{name}: the column {column} has no value in row {int(np.isnan(values).argmax()) + 1}")
    return users, items, values if column == "rank" else -values


def _read_targets(targets: Any) -> dict[str, list[str]]:
    if isinstance(targets, Mapping):
        return {str(user): _ids(items, f"targets of user {user!r}") for user, items in targets.items()}
    arrow = as_arrow(targets, "targets")
    relevant: dict[str, list[str]] = {}
    for user, item in zip(_texts(arrow, "user_id", "targets"), _texts(arrow, "item_id", "targets"), strict=True):
        relevant.setdefault(user, []).append(item)
    return relevant


def _texts(arrow: Any, column: str, name: str) -> list[str]:
    if column not in arrow.column_names:
        raise UsageError(f"{name} has no column {column} (it has: {', '.join(arrow.column_names)})")
    values: Sequence[Any] = arrow[column].to_pylist()
    if None in values:
        raise UsageError(f"{name}: the column {column} has no value in row {values.index(None) + 1}")
    return [str(value) for value in values]


def _ids(items: Any, what: str) -> list[str]:
    if isinstance(items, str) or not hasattr(items, "__iter__"):
        raise UsageError(f"{what} are {items!r}, not a list of item ids")
    return [str(item) for item in items]
