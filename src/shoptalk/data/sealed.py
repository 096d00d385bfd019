"""A dataset without its test: what a sweep's trials see, so that no choice among them can look at the test.

From each user's first test row on, everything is left out of every table: there is nothing that a trial could read, by
mistake or on purpose. The sealed dataset keeps the fingerprint of the whole one, and the digests that it is made of: a
run on the one is a run on the other, and the whole one, made again from the sources, must have the same fingerprint.
"""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from shoptalk import schema
from shoptalk.data import tables
from shoptalk.data.cases import TEST
from shoptalk.data.dataset import open_dataset
from shoptalk.files import replacing, sha256, write_json


def seal(whole: Path, out: Path) -> None:
    """Write the dataset without its test; an older one at the same place is replaced by the complete new one.

    Raises
    ------
    DatasetError
        When the dataset is missing or damaged.
    """
    info = open_dataset(whole).info
    written = {}
    with replacing(out) as folder:
        folder.mkdir()
        for name in info["tables"]:
            written[name] = _copy(whole / name, folder / name, _kept(whole, name)) | {"sha256": sha256(folder / name)}
        digests = {name: {"content": table["content"]} for name, table in info["tables"].items()}
        write_json(folder / tables.INFO, {**info, "tables": written, tables.WHOLE: digests})


def _kept(whole: Path, name: str) -> NDArray[np.bool_] | None:
    """(R,) which rows of a table are kept: of interactions those before their user's test; None for all."""
    if name == tables.ITEMS:
        return None
    parts = pq.read_table(
        whole / (tables.CANDIDATES if name == tables.CANDIDATES else tables.SPLITS),
        columns=[schema.POSITION, tables.SPLIT],
    )
    is_test = parts[tables.SPLIT].to_numpy() == schema.PARTS[TEST]
    if name == tables.CANDIDATES:
        return ~is_test
    tests = np.cumsum(is_test)
    start = np.flatnonzero(parts[schema.POSITION].to_numpy() == 0)
    of_others = np.repeat((tests - is_test)[start], np.diff(np.append(start, len(tests))))
    return tests == of_others  # users follow each other whole


def _copy(source: Path, target: Path, kept: NDArray[np.bool_] | None) -> dict[str, str | int]:
    """Copy the rows that are kept, all for None, group by group."""
    file = pq.ParquetFile(source)
    writer = tables.TableWriter(target, file.schema_arrow)
    start = 0
    for number in range(file.num_row_groups):
        group = file.read_row_group(number)
        end = start + group.num_rows
        writer.write(group if kept is None else group.filter(pa.array(kept[start:end])))
        start = end
    writer.close()
    return writer.summary()
