"""A cache of a teacher's answers on disk, so that none is paid for twice."""

import hashlib
import json
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from shoptalk.errors import TeacherError

#: Marks a SQLite file as one of these caches.
_APPLICATION_ID = 0x73747463
_TABLE = (
    "CREATE TABLE IF NOT EXISTS answers (key TEXT PRIMARY KEY, text TEXT NOT NULL, complete INTEGER NOT NULL, "
    "input_tokens INTEGER NOT NULL, output_tokens INTEGER NOT NULL) STRICT"
)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a teacher wrote.

    Attributes
    ----------
    text
        The text.
    complete
        Whether the teacher ended it; False where it was cut off at the limit.
    input_tokens, output_tokens
        What is charged.
    """

    text: str
    complete: bool
    input_tokens: int
    output_tokens: int


def request_key(url: str, parameters: dict[str, Any]) -> str:
    """Hex SHA-256 of everything that is sent, but for the key of the API."""
    content = json.dumps([url, parameters], sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(content.encode("utf-8", "surrogatepass")).hexdigest()


class AnswerCache:
    """Answers by the key of their request, in a SQLite file; each is on the disk before `put` returns.

    Only one process can use a cache at a time.

    Raises
    ------
    TeacherError
        For a file that is no cache, or that another process uses.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._database = sqlite3.connect(path, timeout=0, isolation_level=None)
        except (OSError, sqlite3.Error) as error:
            raise TeacherError(f"the cache cannot be opened: {error}", where=str(path)) from error
        try:
            self._open()
        except sqlite3.Error as error:
            self._database.close()
            used = "locked" in str(error)
            reason = "another process uses the cache" if used else f"not a cache of answers: {error}"
            hint = "wait until it ends" if used else "choose another --cache"
            raise TeacherError(reason, where=str(path), hint=hint) from error

    def __enter__(self) -> Self:
        """The cache itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the file."""
        self._database.close()

    def get(self, key: str) -> Answer | None:
        """The answer to a request; None where there is none."""
        query = "SELECT text, complete, input_tokens, output_tokens FROM answers WHERE key = ?"
        row = self._database.execute(query, (key,)).fetchone()
        return None if row is None else Answer(row[0], bool(row[1]), row[2], row[3])

    def put(self, key: str, answer: Answer) -> None:
        """Keep an answer."""
        values = (key, answer.text, int(answer.complete), answer.input_tokens, answer.output_tokens)
        try:
            self._database.execute("INSERT OR REPLACE INTO answers VALUES (?, ?, ?, ?, ?)", values)
        except sqlite3.Error as error:
            raise TeacherError(f"an answer cannot be kept: {error}", where=str(self.path)) from error

    def spent(self) -> tuple[int, int]:
        """The input and output tokens of all answers."""
        query = "SELECT COALESCE(SUM(input_tokens), 0), COALESCE(SUM(output_tokens), 0) FROM answers"
        read, written = self._database.execute(query).fetchone()
        return read, written

    def _open(self) -> None:
        """Lock the file, check that it is a cache, and create the table in a new one."""
        run = self._database.execute
        run("PRAGMA locking_mode = EXCLUSIVE")
        run("PRAGMA synchronous = FULL")
        run("BEGIN EXCLUSIVE")
        with closing(run("SELECT COUNT(*) FROM sqlite_master")) as found:
            is_new = found.fetchone()[0] == 0
        mark = run("PRAGMA application_id").fetchone()[0]
        if not is_new and mark != _APPLICATION_ID:
            raise sqlite3.DatabaseError("it holds other tables")
        run(f"PRAGMA application_id = {_APPLICATION_ID}")
        run(_TABLE)
        run("COMMIT")
