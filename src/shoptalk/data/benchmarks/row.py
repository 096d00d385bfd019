"""One row of a benchmark file, and helpers with which formats read it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from shoptalk.errors import SourceError
from shoptalk.files import JsonObject
from shoptalk.jsonrows import kind_of

#: Names of the key with the user.
USER_KEYS = ("user", "user_id", "userId", "uid", "reviewerID", "reviewer_id")


@dataclass(frozen=True, slots=True)
class BenchmarkRow:
    """A row of a benchmark: a question to a model, with its answer.

    Attributes
    ----------
    where
        File and line, or file and member of an array.
    prompt, answer
        The texts of the question and of the answer; the prompt is empty where the file has columns instead.
    user
        Empty where the file does not name one.
    for_training
        None where neither the file nor the command says which part the row belongs to.
    history
        Titles or ids of the items that the user had before, as far as they can be told apart.
    options
        The options; empty where there are none.
    right
        Index of the right option, from 0; None without options.
    target
        The item that the row is about: the right option, the item in the answer, or the item that a label (yes, no)
        judges; empty if unknown.
    ids
        Item ids of the history and of the target, where the file has ids.
    segments
        Parts of the prompt by name.
    unread_options
        Whether the prompt announces options that could not be told apart.
    has_label
        Whether the answer is a label (yes or no, a rating) and not an item or an option.
    history_is_parsed
        Whether ``history`` has the items one by one, and not one text with all of them.
    """

    where: str
    prompt: str
    answer: str
    user: str = ""
    for_training: bool | None = None
    history: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    right: int | None = None
    target: str = ""
    ids: tuple[str, ...] = ()
    segments: Mapping[str, str] = field(default_factory=dict)
    unread_options: bool = False
    has_label: bool = False
    history_is_parsed: bool = True


def user_and_part(row: JsonObject, where: str) -> dict[str, Any]:
    """The user, empty where none is named, and whether the row is for training, as arguments of `BenchmarkRow`.

    Raises
    ------
    SourceError
        When the user is neither a text nor a whole number.
    """
    key = next((key for key in USER_KEYS if key in row), None)
    user = row[key] if key is not None else ""
    if isinstance(user, bool) or not isinstance(user, (str, int)):
        raise SourceError(
            f'"{key}" must be a text or a whole number, not {kind_of(user)}', where=where, hint=f'write "{key}": "u1"'
        )
    return {"user": str(user), "for_training": None if "split" not in row else row["split"] == "train"}


def text_of(row: JsonObject, key: str, where: str, example: str) -> str:
    """The text under a key.

    Raises
    ------
    SourceError
        When it is not a text.
    """
    value = row.get(key)
    if not isinstance(value, str):
        found = kind_of(value) if key in row else "nothing"
        raise SourceError(f'"{key}" must be a text, not {found}', where=where, hint=f"write rows like {example}")
    return value


def items_of(value: Any) -> tuple[str, ...] | None:
    """A list of titles or ids (see `item_of`) as texts; None for anything else."""
    if not isinstance(value, (list, tuple)):
        return None
    items = []
    for element in value:
        text = item_of(element)
        if text is None:
            return None
        items.append(text)
    return tuple(items)


def item_of(value: Any) -> str | None:
    """A title or an id as text; None for anything else. A pair of an id and a rating is read as the id."""
    if isinstance(value, Sequence) and not isinstance(value, str) and _is_rated(value):
        value = value[0]
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        return None
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value).strip()


def _is_rated(value: Sequence[Any]) -> bool:
    """Whether a list is one item, or an item with a rating."""
    return len(value) == 1 or (len(value) == 2 and isinstance(value[1], (int, float)))
