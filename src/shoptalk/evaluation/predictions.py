r"""Reading predictions of any system: JSON lines, plain or gzip.

One line per user: ``{"user": "u1", "truth": ["i7"], "ranked": ["i3", "i7"]}``, best first. Ids are strings or whole
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
    """The targets of a user and the recommended items, best first; either may be empty."""

    user: str
    targets: tuple[str, ...]
    ranked: tuple[str, ...]


def read_predictions(path: Path) -> list[Prediction]:
    """Read and check a whole file of predictions.

    Raises
    ------
    PredictionsError
        With file and line: if the file is missing, a folder, empty or cut off; if a line is not UTF-8, not a JSON
        object, nested too deeply or contains NaN; if a key is missing or of the wrong type, an id is empty, or a user
        has two lines.
    """
    predictions: list[Prediction] = []
    line_of_user: dict[str, int] = {}
    for number, where, row in read_objects(path, PredictionsError, EXAMPLE):
        prediction = _prediction(row, where)
        if prediction.user in line_of_user:
            raise PredictionsError(
                f"user {_show(prediction.user)} already has a line, line {line_of_user[prediction.user]}",
                where=where,
                hint="write one line per user, or give the cases of a user different names",
            )
        line_of_user[prediction.user] = number
        predictions.append(prediction)
    if not predictions:
        raise PredictionsError("the file contains no predictions", where=str(path), hint=f"write lines like {EXAMPLE}")
    return predictions


def _prediction(row: dict[str, Any], where: str) -> Prediction:
    """The checked prediction of one line."""
    for key in KEYS:
        if key not in row:
            similar = difflib.get_close_matches(key, [str(name) for name in row], n=1)
            raise PredictionsError(
                f'"{key}" is missing',
                where=where,
                hint=f"is it {_show(similar[0])}? call it {key}" if similar else f"write lines like {EXAMPLE}",
            )
    return Prediction(
        _id(row["user"], "user", where),
        tuple(_id(item, "truth", where) for item in _list(row["truth"], "truth", where)),
        tuple(_id(item, "ranked", where) for item in _list(row["ranked"], "ranked", where)),
    )


def _list(value: Any, key: str, where: str) -> list[Any]:
    """The value, if it is a list."""
    if not isinstance(value, list):
        raise PredictionsError(
            f'"{key}" must be a list of ids, not {kind_of(value)}', where=where, hint=f'write "{key}": [...]'
        )
    return value


def _id(value: Any, key: str, where: str) -> str:
    """An id as a string."""
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        raise PredictionsError(
            f'"{key}" contains {kind_of(value)} in place of an id', where=where, hint="ids are strings or whole numbers"
        )
    if value == "":
        raise PredictionsError(
            f'"{key}" contains an empty id',
            where=where,
            hint='write an invalid output as an id that no item has, such as "?"',
        )
    return str(value)


def _show(text: str) -> str:
    """A text from the file for a message: quoted, escaped and shortened."""
    return ascii(text if len(text) <= _SHOWN else text[:_SHOWN] + "...")
