"""Paths that DuckDB takes literally, and paths as they are printed in messages."""

import itertools
import os
import re
import tempfile
from pathlib import Path

from shoptalk.data.sql import sql_string
from shoptalk.errors import StorageError

#: Paths that DuckDB takes literally. In others it would expand a pattern (``* ? [ ] ~``), see an address (``http:``) or
#: a partition column (``user_id=7/``), or fail (bytes that are not UTF-8).
_PLAIN_PATH = re.compile(r"[\w./ +,@-]*", re.ASCII)


class EnginePaths:
    """Gives the engine plain paths: a file or folder with another name is reached through a symbolic link.

    Parameters
    ----------
    work
        The work folder of the engine, in which links to files are made.
    """

    def __init__(self, work: Path) -> None:
        self._links: dict[Path, Path] = {}
        self._link_numbers = itertools.count(1)
        self._temporary: tempfile.TemporaryDirectory[str] | None = None
        self.work = self._plain_folder(work.absolute())

    def close(self) -> None:
        """Remove all links."""
        for link in self._links.values():
            link.unlink(missing_ok=True)
        if self._temporary is not None:
            self._temporary.cleanup()

    def as_sql(self, path: Path) -> str:
        """A path as an SQL string that DuckDB reads as this one file, whatever characters its name has.

        Raises
        ------
        StorageError
            When a link is needed and cannot be made.
        """
        absolute = os.path.abspath(path)  # noqa: PTH100 - symbolic links in the path are not resolved
        if _PLAIN_PATH.fullmatch(absolute):
            return sql_string(absolute)
        if path not in self._links:
            link = self.work / f"file_{next(self._link_numbers)}"
            try:
                link.symlink_to(absolute)
            except OSError as error:
                raise StorageError(
                    f"no link to a file with such a name can be made: {error.strerror}",
                    where=printable(path),
                    hint="give the file a name of letters, digits, dots and dashes",
                ) from error
            self._links[path] = link
        return sql_string(self._links[path])

    def in_message(self, message: str, path: Path) -> str:
        """A message of the engine, with the path of the file in place of the path of its link."""
        return message.replace(str(self._links.get(path, path)), printable(path))

    def _plain_folder(self, work: Path) -> Path:
        """The work folder; where its path is not plain, a link to it in the system's temporary folder."""
        if _PLAIN_PATH.fullmatch(str(work)):
            return work
        self._temporary = tempfile.TemporaryDirectory(prefix="shoptalk-")
        folder = Path(self._temporary.name).absolute()
        if not _PLAIN_PATH.fullmatch(str(folder)):
            raise StorageError(
                "the temporary folder has characters in its path that DuckDB does not take literally",
                where=printable(folder),
                hint="set TMPDIR to a folder of letters, digits, dots and dashes",
            )
        (folder / "work").symlink_to(work)
        return folder / "work"


def printable(path: Path | str) -> str:
    """A path or other name as text on one line: line breaks, and bytes that are not UTF-8, are escaped."""
    text = os.fsencode(path).decode("utf-8", errors="backslashreplace")
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)
