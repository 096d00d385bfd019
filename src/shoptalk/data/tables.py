"""The tables of a dataset folder: their columns, and a writer whose bytes depend on the rows alone."""

import hashlib
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from shoptalk import schema

ITEMS, INTERACTIONS, SPLITS, CANDIDATES = (
    "items.parquet",
    "interactions.parquet",
    "splits.parquet",
    "candidates.parquet",
)
INFO = "dataset.json"
#: Key of `INFO`, in a sealed dataset only: the digests of the tables as they are with the test.
WHOLE = "whole"
RAW_TITLE, SPLIT, OPTIONS, ANSWER = "raw_title", "split", "options", "answer"

#: Every column that a table can have; optional ones are there when a prompt asks for them.
_TYPES = {
    schema.USER: pa.string(),
    schema.ITEM: pa.string(),
    schema.TIME: pa.float64(),
    schema.POSITION: pa.int32(),
    schema.RATING: pa.float64(),
    schema.REVIEW: pa.string(),
    schema.TITLE: pa.string(),
    RAW_TITLE: pa.string(),
    schema.BRAND: pa.string(),
    schema.CATEGORIES: pa.list_(pa.string()),
    schema.DESCRIPTION: pa.string(),
    schema.FEATURES: pa.list_(pa.string()),
    schema.PRICE: pa.float64(),
    SPLIT: pa.string(),
    OPTIONS: pa.list_(pa.string()),
    ANSWER: pa.int8(),
}
#: Columns of each table, in order; those after the first `_NEEDED` may be absent.
COLUMNS = {
    ITEMS: (
        schema.ITEM,
        schema.TITLE,
        RAW_TITLE,
        schema.BRAND,
        schema.CATEGORIES,
        schema.DESCRIPTION,
        schema.FEATURES,
        schema.PRICE,
    ),
    INTERACTIONS: (schema.USER, schema.ITEM, schema.TIME, schema.POSITION, schema.RATING, schema.REVIEW),
    SPLITS: (schema.USER, schema.POSITION, SPLIT),
    CANDIDATES: (schema.USER, schema.POSITION, SPLIT, OPTIONS, ANSWER),
}
NEEDED = {ITEMS: 3, INTERACTIONS: 5, SPLITS: 3, CANDIDATES: 5}

#: Rows of one row group: enough to compress well, few enough that texts of a group stay below Arrow's 2 GB.
_GROUP = 65_536


def table_schema(name: str, present: frozenset[str] | None = None) -> pa.Schema:
    """The Arrow schema of a table, with those of its optional columns that are ``present`` (all for None)."""
    columns = COLUMNS[name]
    kept = [column for at, column in enumerate(columns) if at < NEEDED[name] or present is None or column in present]
    return pa.schema([(column, _TYPES[column]) for column in kept])


class TableWriter:
    """Writes one Parquet file in groups of a fixed number of rows, and takes the digest of its content.

    Two runs that write the same rows write the same bytes, however the rows were cut into batches; ``digest`` depends
    on the rows and the columns only, not on the version of the Parquet library. Use as a context manager.
    """

    def __init__(self, path: Path, columns: pa.Schema) -> None:
        self.path = path
        self.columns = columns
        self.rows = 0
        self.digest = ""
        self._writer = pq.ParquetWriter(path, columns, compression="zstd", compression_level=1)
        self._waiting: list[pa.Table] = []
        self._waiting_rows = 0
        self._hashes = {field.name: (hashlib.sha256(), hashlib.sha256()) for field in columns}

    def write(self, table: pa.Table) -> None:
        """Add rows; their columns are put in order, cast to the file's types, and nulls of texts become empty."""
        table = pa.table([_fitting(table[field.name], field.type) for field in self.columns], schema=self.columns)
        for field in self.columns:
            for chunk in table[field.name].chunks:
                _feed(chunk, *self._hashes[field.name])
        self.rows += table.num_rows
        self._waiting.append(table)
        self._waiting_rows += table.num_rows
        if self._waiting_rows >= _GROUP:
            self._flush(everything=False)

    def close(self) -> None:
        """Write what waits, and take the digest."""
        self._flush(everything=True)
        self._writer.close()
        self.digest = self._combined()

    def summary(self) -> dict[str, str | int]:
        """What ``dataset.json`` says of the closed file."""
        return {"rows": self.rows, "content": self.digest}

    def _flush(self, *, everything: bool) -> None:
        table = pa.concat_tables(self._waiting) if self._waiting else self.columns.empty_table()
        rows = table.num_rows if everything else table.num_rows // _GROUP * _GROUP
        for start in range(0, rows, _GROUP):
            # Pages follow the chunks of a column, so that a group is written as one chunk.
            group = table.slice(start, min(_GROUP, rows - start)).combine_chunks()
            self._writer.write_table(group, row_group_size=_GROUP)
        self._waiting = [table.slice(rows)] if rows < table.num_rows else []
        self._waiting_rows = table.num_rows - rows

    def _combined(self) -> str:
        whole = hashlib.sha256()
        for field in self.columns:
            lengths, values = self._hashes[field.name]
            whole.update(f"{field.name}:{field.type}:{lengths.hexdigest()}:{values.hexdigest()}\n".encode())
        return whole.hexdigest()


def _fitting(column: pa.ChunkedArray, kind: pa.DataType) -> pa.ChunkedArray:
    fitting = column if column.type == kind else column.cast(kind)
    if pa.types.is_string(kind) and fitting.null_count:
        fitting = pc.fill_null(fitting, "")
    return fitting


def _feed(array: pa.Array, lengths: "hashlib._Hash", values: "hashlib._Hash") -> None:
    """Hash an array so that where it was cut does not matter: lengths and nulls apart from values."""
    if pa.types.is_list(array.type):
        lengths.update(_numbers(pc.fill_null(pc.list_value_length(array), -1), np.int32))
        flat = pc.list_flatten(array)
        lengths_of_texts = pc.fill_null(pc.binary_length(flat), -1)
        values.update(_numbers(lengths_of_texts, np.int32))
        values.update(_bytes(flat))
    elif pa.types.is_string(array.type):
        lengths.update(_numbers(pc.binary_length(array), np.int32))
        values.update(_bytes(array))
    else:
        lengths.update(_numbers(array.is_valid().cast(pa.int8()), np.int8))
        values.update(_numbers(pc.fill_null(array, 0), array.type.to_pandas_dtype()))


def _numbers(array: pa.Array, kind: type) -> bytes:
    return array.to_numpy(zero_copy_only=False).astype(np.dtype(kind).newbyteorder("<")).tobytes()


def _bytes(array: pa.Array) -> memoryview | bytes:
    """The bytes of all texts, one after the other."""
    _, offsets, content = pc.fill_null(array, "").buffers()
    if content is None or not len(array):
        return b""
    indices = np.frombuffer(offsets, dtype=np.int32)[array.offset : array.offset + len(array) + 1]
    return memoryview(content)[indices[0] : indices[-1]]
