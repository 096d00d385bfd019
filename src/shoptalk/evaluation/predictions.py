r"""Reading anybody's predictions: JSON lines, plain or gzip.

One line per user: ``{"user": "u1", "truth": ["i7"], "ranked": ["i3", "i7"]}``, best first. Ids are texts or whole
numbers; 7 and "7" are the same id. Further keys are ignored, empty lines are skipped, a byte order mark is allowed.
"""

import difflib
import gzip
import json
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Never

from shoptalk.errors import PredictionsError

KEYS = ("user", "truth", "ranked")
EXAMPLE = '{"user": "u1", "truth": ["i7"], "ranked": ["i3", "i7"]}'
_GZIP = b"\x1f\x8b"
_SHOWN = 40


@dataclass(frozen=True, slots=True)
class Prediction:
    """What was right for a user (perhaps nothing), and what was recommended, best first (perhaps nothing)."""

    user: str
    truth: tuple[str, ...]
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
    for number, line in _lines(path):
        where = f"{path}:{number}"
        row = _prediction(_parse(line, where), where)
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


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """Lines that are not blank, with their numbers from 1, unpacked where the file begins like gzip."""
    number = 0
    try:
        with path.open("rb") as file:
            packed = file.peek(2)[:2] == _GZIP
            for number, line in enumerate(gzip.GzipFile(fileobj=file) if packed else file, 1):
                text = line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line
                if text.strip():
                    yield number, text
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise PredictionsError(
            "the gzip file is damaged or cut off", where=f"{path}:{number + 1}", hint="copy or write it again"
        ) from error
    except OSError as error:
        raise PredictionsError(
            f"the file cannot be read: {(error.strerror or str(error)).lower()}",
            where=str(path),
            hint="give a file of JSON lines",
        ) from error


def _parse(line: bytes, where: str) -> dict[str, Any]:
    try:
        content = json.loads(line.decode("utf-8"), parse_constant=_refuse)
    except UnicodeDecodeError as error:
        raise PredictionsError("the line is not UTF-8 text", where=where, hint="save the file as UTF-8") from error
    except json.JSONDecodeError as error:
        raise PredictionsError(
            f"not valid JSON: {error.msg} at column {error.colno}", where=where, hint=f"write lines like {EXAMPLE}"
        ) from error
    except RecursionError as error:
        raise PredictionsError("the JSON is nested too deeply", where=where, hint="write flat lists of ids") from error
    except ValueError as error:  # NaN and infinities, and whole numbers of thousands of digits
        raise PredictionsError(
            f"not valid JSON: {error}", where=where, hint="ids are texts or whole numbers"
        ) from error
    if not isinstance(content, dict):
        raise PredictionsError(
            f"expected a JSON object, not {_kind(content)}", where=where, hint=f"write lines like {EXAMPLE}"
        )
    return content


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
            f'"{key}" must be a list of ids, not {_kind(value)}', where=where, hint=f'write "{key}": [...]'
        )
    return value


def _id(value: Any, key: str, where: str) -> str:
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        raise PredictionsError(
            f'"{key}" holds {_kind(value)} where an id belongs', where=where, hint="ids are texts or whole numbers"
        )
    if value == "":
        raise PredictionsError(
            f'"{key}" holds an empty id', where=where, hint='give an invalid output a name of its own, as "?"'
        )
    return str(value)


def _refuse(constant: str) -> Never:
    raise ValueError(f"{constant} is not a JSON value")


def _kind(value: Any) -> str:
    """What a JSON value is, in the words of JSON."""
    names = {dict: "an object", list: "a list", str: "a text", bool: "true or false", type(None): "null"}
    return names.get(type(value), "a number")


def _show(text: str) -> str:
    """A user's text as it may stand in a message: quoted, escaped, not too long."""
    return ascii(text if len(text) <= _SHOWN else text[:_SHOWN] + "...")
