"""Arrow tables without pandas.

``pyarrow.array``, ``to_numpy``, ``scalar`` and ``parquet.read_table`` import pandas, which takes half a second. These
functions do the same for texts and numbers through the buffers of Arrow.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray


def read_parquet(path: Path, columns: Sequence[str] | None = None, *, dictionaries: Sequence[str] = ()) -> pa.Table:
    """A Parquet file as a table.

    Parameters
    ----------
    columns
        The columns to read; None for all.
    dictionaries
        Columns, or paths of nested columns, that are read as indices into their distinct values.

    Raises
    ------
    OSError
        When the file cannot be read.
    pyarrow.ArrowInvalid
        When it is damaged or lacks a column.
    """
    with pq.ParquetFile(path, read_dictionary=list(dictionaries) or None) as file:
        if missing := set(columns or ()).difference(file.schema_arrow.names):
            raise pa.ArrowInvalid(f"no column {', '.join(sorted(missing))}")
        names = None if columns is None else list(columns)
        # Arrow cannot read dictionaries inside lists from several row groups at once.
        groups = [file.read_row_group(number, names) for number in range(file.num_row_groups)]
        return pa.concat_tables(groups) if groups else file.read(names)


def text_array(texts: Sequence[str]) -> pa.Array:
    """Texts as an Arrow array of strings."""
    encoded = [text.encode("utf-8") for text in texts]
    offsets = np.zeros(len(encoded) + 1, dtype=np.int64)
    np.cumsum([len(text) for text in encoded], out=offsets[1:])
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(b"".join(encoded))]
    return pa.Array.from_buffers(pa.large_string(), len(encoded), buffers).cast(pa.string())


def number_array(values: NDArray[Any]) -> pa.Array:
    """Integers or floats (N,) as an Arrow array of the same type."""
    values = np.ascontiguousarray(values)
    return pa.Array.from_buffers(pa.from_numpy_dtype(values.dtype), len(values), [None, pa.py_buffer(values)])


def numbers(column: pa.Array | pa.ChunkedArray) -> NDArray[Any]:
    """Integers or floats (N,) of a column; a null becomes NaN, and is an error among integers."""
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    return np.from_dlpack(filled(array, np.nan))


def filled(column: pa.Array | pa.ChunkedArray, value: str | float) -> pa.Array | pa.ChunkedArray:
    """A column of texts or numbers with a value in place of nulls."""
    if not column.null_count:
        return column
    array = text_array([value]) if isinstance(value, str) else number_array(np.array([value]))
    return pc.fill_null(column, array.cast(column.type)[0])
