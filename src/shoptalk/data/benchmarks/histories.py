"""Rows with columns for the history and for the item that follows it, as in MiniOneRec, RecBole and LLaRA.

MiniOneRec (CSV): ``user_id``, ``history_item_title`` and ``item_title``, ``history_item_sid`` and ``item_sid``,
``history_item_id`` and ``item_id``. RecBole (benchmark files): ``item_id_list`` and ``item_id``. LLaRA: ``seq_name``
and ``item_name``, ``seq`` and ``next``, and the candidates in ``cans_name`` or ``cans``; ``len_seq`` is the length of
``seq`` without padding. With a column ``label``, the row asks whether the user likes the item, and the label is the
answer.
"""

from typing import Any

from shoptalk.constants import HISTORY_SEGMENT, TARGET_SEGMENT
from shoptalk.data.benchmarks.row import BenchmarkRow, item_of, items_of, user_and_part
from shoptalk.errors import SourceError
from shoptalk.files import JsonObject

EXAMPLE = '{"user_id": "u1", "history_item_title": ["Soap", "Comb"], "item_title": "Razor"}'
#: Pairs of columns: the history, and the item that follows it; titles before ids.
_PAIRS = (
    ("history_item_title", "item_title"),
    ("seq_name", "item_name"),
    ("seq_name", "correct_answer"),
    ("seq_title", "next_item_name"),
    ("history_title", "title"),
    ("history", "target"),
    ("history", "item_title"),
    ("history", "item"),
    ("history", "next"),
    ("history", "answer"),
    ("history_item_sid", "item_sid"),
    ("history_item_id", "item_id"),
    ("item_id_list", "item_id"),
    ("seq", "next"),
    ("seq", "item_id"),
)
_ID_PAIRS = (("history_item_id", "item_id"), ("item_id_list", "item_id"), ("seq", "next"), ("seq", "item_id"))
_CANDIDATES = ("cans_name", "cans", "candidates", "options")
_LABELS = ("label", "click_label")

#: Columns of tables that hold lists.
LISTS = tuple(dict.fromkeys([*(history for history, _ in _PAIRS), *_CANDIDATES]))


def matches(row: JsonObject) -> bool:
    """Whether a row has this format."""
    return _pair(row) is not None


def read(row: JsonObject, where: str) -> BenchmarkRow:
    """Read a row.

    Raises
    ------
    SourceError
        When the history is not a list, or the item neither text nor number; with its location.
    """
    pair = _pair(row)
    if pair is None:
        raise SourceError("there is no history with an item after it", where=where, hint=f"write rows like {EXAMPLE}")
    history, target = _items(row, pair[0], where), _item(row, pair[1], where)
    id_pair = next((pair for pair in _ID_PAIRS if pair[0] in row and pair[1] in row), None)
    ids = () if id_pair is None else (*_items(row, id_pair[0], where), _item(row, id_pair[1], where))
    options, right = _candidates(row, pair, target, ids, where)
    label = next((item_of(row[key]) for key in _LABELS if row.get(key) not in (None, "")), None)
    return BenchmarkRow(
        where,
        "",
        target if label is None else label,
        history=history,
        options=options,
        right=right,
        target=target,
        ids=ids,
        has_label=label is not None,
        segments={TARGET_SEGMENT: target, HISTORY_SEGMENT: "\n".join(history)} if label is not None else {},
        **user_and_part(row, where),
    )


def _pair(row: JsonObject) -> tuple[str, str] | None:
    return next((pair for pair in _PAIRS if pair[0] in row and pair[1] in row), None)


def _items(row: JsonObject, key: str, where: str) -> tuple[str, ...]:
    """The list of items under a key, without padding."""
    items = items_of(row[key])
    if items is None:
        raise SourceError(
            f'"{key}" must be a list of titles or ids, not {_shown(row[key])}', where=where, hint=f"like {EXAMPLE}"
        )
    length = row.get("len_seq")
    return items[:length] if key.startswith("seq") and isinstance(length, int) and length >= 0 else items


def _item(row: JsonObject, key: str, where: str) -> str:
    item = item_of(row[key])
    if not item:
        raise SourceError(
            f'"{key}" must be a title or an id, not {_shown(row[key])}', where=where, hint=f"like {EXAMPLE}"
        )
    return item


def _candidates(
    row: JsonObject, pair: tuple[str, str], target: str, ids: tuple[str, ...], where: str
) -> tuple[tuple[str, ...], int | None]:
    """The candidates and the index of the right one; none where the row has no candidates."""
    key = next((key for key in _CANDIDATES if key in row), None)
    if key is None:
        return (), None
    options = _items(row, key, where)
    for answer in (target, *ids[-1:]):
        if answer in options and len(options) > 1:
            return options, options.index(answer)
    raise SourceError(
        f'"{key}" does not contain the right item {_shown(target)} of "{pair[1]}"',
        where=where,
        hint="list the right item among the candidates",
    )


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
