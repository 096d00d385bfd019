"""DuckDB's errors as errors of this package, with a hint for the user."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

from shoptalk.data.engine_paths import printable
from shoptalk.errors import SourceError, StorageError

#: The longest line that is read, in bytes (JSON lines: twice as long); a longer one is an error.
LONGEST_LINE = 1 << 24

_MORE_MEMORY = "give it more memory or disk"
_FREE_SPACE = "free space or choose another folder"


@contextmanager
def storing(path: Path) -> Iterator[None]:
    """Turn a full disk or exhausted memory into `StorageError`."""
    try:
        yield
    except duckdb.OutOfMemoryException as error:
        raise StorageError(first_line(error), where=str(path), hint=_MORE_MEMORY) from error
    except duckdb.IOException as error:
        raise StorageError(first_line(error), where=str(path), hint=_FREE_SPACE) from error


def reading_error(error: duckdb.Error, message: str, path: Path) -> SourceError | StorageError:
    """The error for a file that DuckDB could not read.

    Parameters
    ----------
    error
        The error of DuckDB.
    message
        Its first line, as the user should see it.
    path
        The file.
    """
    where = printable(path)
    lowered = str(error).lower()
    if isinstance(error, duckdb.OutOfMemoryException):
        return StorageError(message, where=where, hint=_MORE_MEMORY)
    if "no space left" in lowered or "could not write" in lowered:
        return StorageError(message, where=where, hint=_FREE_SPACE)
    if any(word in lowered for word in ("gzip", "zstd", "decompress", "deflate")):
        damage, hint = f"the compressed file is damaged or cut off: {message}", "download or copy it again"
    elif "maximum_object_size" in lowered or "maximum line size" in lowered:
        damage, hint = f"a line is longer than {LONGEST_LINE >> 20} MiB", "one record per line is expected"
    elif "state machine" in lowered:
        damage, hint = "quotes or line ends are inconsistent", "write the table again as plain CSV"
    else:
        damage, hint = f"cannot be read: {message}", "check that the file is what the recipe says"
    return SourceError(damage, where=where, hint=hint)


def first_line(error: Exception) -> str:
    """The first line of an error's message, at most 300 characters."""
    return str(error).strip().partition("\n")[0][:300]
