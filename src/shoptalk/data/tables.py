"""The tables of a dataset folder: their columns, and a writer whose output depends only on the rows."""

import hashlib
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from shoptalk import schema
from shoptalk.arrow import filled, numbers

ITEMS, INTERACTIONS, SPLITS, CANDIDATES = (
    "items.parquet",
    "interactions.parquet",
    "splits.parquet",
    "candidates.parquet",
)
INFO = "dataset.json"
#: Key of `INFO`, in a sealed dataset only: the digests of the tables of the whole dataset.
WHOLE = "whole"
RAW_TITLE, SPLIT, OPTIONS, ANSWER = "raw_title", "split", "options", "answer"

#: Column -> type. Optional columns exist only where a recipe needs them.
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
#: Columns of each table, in order; those after the first `NEEDED` are optional.
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

#: Rows of a row group: many compress better, but the texts of a group must stay below Arrow's limit of 2 GB.
_GROUP_ROWS = 65_536


def table_schema(name: str, present: frozenset[str] | None = None) -> pa.Schema:
    """The Arrow schema of a table, with those of its optional columns that are ``present`` (all for None)."""
    required, optional = COLUMNS[name][: NEEDED[name]], COLUMNS[name][NEEDED[name] :]
    columns = [*required, *(column for column in optional if present is None or column in present)]
    return pa.schema([(column, _TYPES[column]) for column in columns])


class TableWriter:
    """Writes one Parquet file in groups of a fixed number of rows, and computes the digest of its content.

    The same rows give the same bytes, whatever the sizes of the batches. ``digest``, which is set by `close`, depends
    only on the rows and the columns, not on the version of the Parquet library.

    Parameters
    ----------
    path
        The file.
    columns
        Its schema.
    """

    def __init__(self, path: Path, columns: pa.Schema) -> None:
        self.path = path
        self.columns = columns
        self.rows = 0
        self.digest = ""
        self._writer = pq.ParquetWriter(path, columns, compression="zstd", compression_level=1)
        self._buffer: list[pa.Table] = []
        self._buffered_rows = 0
        self._hashes = {field.name: (hashlib.sha256(), hashlib.sha256()) for field in columns}

    def write(self, table: pa.Table) -> None:
        """Add rows: columns are put in order and cast to the file's types, and nulls in texts become empty texts."""
        table = pa.table([_converted(table[field.name], field.type) for field in self.columns], schema=self.columns)
        for field in self.columns:
            for chunk in table[field.name].chunks:
                _update_hashes(chunk, *self._hashes[field.name])
        self.rows += table.num_rows
        self._buffer.append(table)
        self._buffered_rows += table.num_rows
        if self._buffered_rows >= _GROUP_ROWS:
            self._flush(everything=False)

    def close(self) -> None:
        """Write the buffered rows, close the file and set ``digest``."""
        self._flush(everything=True)
        self._writer.close()
        self.digest = self._combined_digest()

    def summary(self) -> dict[str, str | int]:
        """The entry of the closed file in ``dataset.json``, without its SHA-256."""
        return {"rows": self.rows, "content": self.digest}

    def _flush(self, *, everything: bool) -> None:
        """Write the full groups of the buffer, or all of its rows."""
        table = pa.concat_tables(self._buffer) if self._buffer else self.columns.empty_table()
        rows = table.num_rows if everything else table.num_rows // _GROUP_ROWS * _GROUP_ROWS
        for start in range(0, rows, _GROUP_ROWS):
            # Parquet pages follow the chunks of a column, so a group is written as a single chunk.
            group = table.slice(start, min(_GROUP_ROWS, rows - start)).combine_chunks()
            self._writer.write_table(group, row_group_size=_GROUP_ROWS)
        self._buffer = [table.slice(rows)] if rows < table.num_rows else []
        self._buffered_rows = table.num_rows - rows

    def _combined_digest(self) -> str:
        """The digest of the names, types and hashes of all columns."""
        combined = hashlib.sha256()
        for field in self.columns:
            lengths, values = self._hashes[field.name]
            combined.update(f"{field.name}:{field.type}:{lengths.hexdigest()}:{values.hexdigest()}\n".encode())
        return combined.hexdigest()


def _converted(column: pa.ChunkedArray, arrow_type: pa.DataType) -> pa.ChunkedArray:
    """A column cast to a type; nulls in texts become empty texts."""
    converted = column if column.type == arrow_type else column.cast(arrow_type)
    if pa.types.is_string(arrow_type) and converted.null_count:
        converted = filled(converted, "")
    return converted


def _update_hashes(array: pa.Array, lengths: "hashlib._Hash", values: "hashlib._Hash") -> None:
    """Add an array to the hash of lengths and nulls and to that of values; so the sizes of batches do not matter."""
    if pa.types.is_list(array.type):
        lengths.update(_number_bytes(filled(pc.list_value_length(array), -1), np.int32))
        texts = pc.list_flatten(array)
        text_lengths = filled(pc.binary_length(texts), -1)
        values.update(_number_bytes(text_lengths, np.int32))
        values.update(_text_bytes(texts))
    elif pa.types.is_string(array.type):
        lengths.update(_number_bytes(pc.binary_length(array), np.int32))
        values.update(_text_bytes(array))
    else:
        lengths.update(_number_bytes(array.is_valid().cast(pa.int8()), np.int8))
        values.update(_number_bytes(filled(array, 0)))


def _number_bytes(array: pa.Array, number_type: type | None = None) -> bytes:
    """The little-endian bytes of an array of numbers, by default in its own type."""
    values = numbers(array)
    return values.astype(np.dtype(number_type or values.dtype).newbyteorder("<")).tobytes()


def _text_bytes(array: pa.Array) -> memoryview | bytes:
    """The concatenated bytes of all texts."""
    _, offsets, content = filled(array, "").buffers()
    if content is None or not len(array):
        return b""
    indices = np.frombuffer(offsets, dtype=np.int32)[array.offset : array.offset + len(array) + 1]
    return memoryview(content)[indices[0] : indices[-1]]
