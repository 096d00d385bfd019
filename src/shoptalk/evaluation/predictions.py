r"""Reading anybody's predictions: JSON lines, plain or gzip.

One line per user: ``{"user": "u1", "truth": ["i7"], "ranked": ["i3", "i7"]}``, best first. Ids are texts or whole
numbers; 7 and "7" are the same id. Further keys are ignored, empty lines are skipped, a byte order mark is allowed.
"""

import difflib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shoptalk.errors import PredictionsError
from shoptalk.jsonrows import kind_of, read_objects

KEYS = ("user", "truth", "ranked")
EXAMPLE = '{"user": "u1", "truth": ["i7"], "ranked": ["i3", "i7"]}'
_SHOWN = 40


@dataclass(frozen=True, slots=True)
class Prediction:
    """What was right for a user (perhaps nothing), and what was recommended, best first (perhaps nothing)."""

    user: str
    targets: tuple[str, ...]
    ranked: tuple[str, ...]


def read_predictions(path: Path) -> list[Prediction]:
    """Read and check a whole file of predictions.

    Raises
    ------
    PredictionsError
        With file and line: when the file is missing, a folder, empty or cut off; when a line is not UTF-8, not a JSON
        object, nested too deeply or holds NaN; when a key is missing or of the wrong type, an id is empty, or a user
        comes twice.
    """
    found: list[Prediction] = []
    seen: dict[str, int] = {}
    for number, where, content in read_objects(path, PredictionsError, EXAMPLE):
        row = _prediction(content, where)
        if row.user in seen:
            raise PredictionsError(
                f"user {_show(row.user)} has a line already, line {seen[row.user]}",
                where=where,
                hint="write one line per user, or name the cases of one user apart",
            )
        seen[row.user] = number
        found.append(row)
    if not found:
        raise PredictionsError("the file holds no predictions", where=str(path), hint=f"write lines like {EXAMPLE}")
    return found


def _prediction(content: dict[str, Any], where: str) -> Prediction:
    for key in KEYS:
        if key not in content:
            near = difflib.get_close_matches(key, [str(name) for name in content], n=1)
            raise PredictionsError(
                f'"{key}" is missing',
                where=where,
                hint=f"is it {_show(near[0])}? call it {key}" if near else f"write lines like {EXAMPLE}",
            )
    return Prediction(
        _id(content["user"], "user", where),
        tuple(_id(item, "truth", where) for item in _list(content["truth"], "truth", where)),
        tuple(_id(item, "ranked", where) for item in _list(content["ranked"], "ranked", where)),
    )


def _list(value: Any, key: str, where: str) -> list[Any]:
    if not isinstance(value, list):
        raise PredictionsError(
            f'"{key}" must be a list of ids, not {kind_of(value)}', where=where, hint=f'write "{key}": [...]'
        )
    return value


def _id(value: Any, key: str, where: str) -> str:
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        raise PredictionsError(
            f'"{key}" holds {kind_of(value)} where an id belongs', where=where, hint="ids are texts or whole numbers"
        )
    if value == "":
        raise PredictionsError(
            f'"{key}" holds an empty id', where=where, hint='give an invalid output a name of its own, as "?"'
        )
    return str(value)


def _show(text: str) -> str:
    """A user's text as it may stand in a message: quoted, escaped, not too long."""
    return ascii(text if len(text) <= _SHOWN else text[:_SHOWN] + "...")
