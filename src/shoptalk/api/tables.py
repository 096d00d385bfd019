"""Tables of pandas, polars and Arrow as Parquet files, which is what the sources read."""

import atexit
import shutil
import tempfile
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from shoptalk.errors import UsageError

_numbers = count(1)


def write_table(table: Any, name: str, folder: Path) -> Path:
    """Write a table as ``NAME.parquet``.

    Parameters
    ----------
    table
        A pandas, polars or Arrow table, or anything with ``__arrow_c_stream__``.
    name
        What the table is, for the file and for errors.

    Raises
    ------
    UsageError
        If it is not a table, or a column mixes types.
    """
    path = folder / f"{name}.parquet"
    folder.mkdir(parents=True, exist_ok=True)
    pq.write_table(as_arrow(table, name), path)
    return path


def is_table(value: Any) -> bool:
    """Whether a value is a table of pandas, polars, Arrow, or anything with ``__arrow_c_stream__``."""
    return hasattr(value, "__arrow_c_stream__") or hasattr(value, "iloc")


def as_arrow(table: Any, name: str) -> pa.Table:
    """A table as an Arrow table; the index of a pandas table is left out.

    Raises
    ------
    UsageError
        If it is not a table, or a column mixes types.
    """
    try:
        if hasattr(table, "iloc"):  # pandas
            return pa.Table.from_pandas(table, preserve_index=False)
        if isinstance(table, pa.RecordBatch):
            return pa.Table.from_batches([table])
        if is_table(table):
            return pa.table(table)
    except (pa.ArrowException, TypeError, ValueError) as error:
        reason = " ".join(str(error).split())[:200]
        raise UsageError(
            f"{name} cannot be converted to an Arrow table: {reason}", hint="give each column one type"
        ) from error
    raise UsageError(
        f"{name} is a {type(table).__name__}, not a table or a path",
        hint="give a pandas, polars or Arrow table, or the path of a file",
    )


def temporary_folder(name: str) -> Path:
    """A new path in a folder that is removed when the process ends."""
    return _root() / f"{name}-{next(_numbers)}"


@cache
def _root() -> Path:
    root = Path(tempfile.mkdtemp(prefix="shoptalk-"))
    atexit.register(shutil.rmtree, root, ignore_errors=True)
    return root
