"""A dataset without its test, on which the trials of a sweep run, so that no choice can depend on the test.

Of each user, all rows from the first test row on are left out of every table. The sealed dataset keeps the fingerprint
of the whole dataset, and the digests of the tables from which it is computed. So runs on either dataset have the same
fingerprint, and the whole dataset can be made again from the sources and compared.
"""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from shoptalk import schema
from shoptalk.arrow import read_parquet
from shoptalk.data import tables
from shoptalk.data.cases import TEST
from shoptalk.data.dataset import open_dataset
from shoptalk.files import replacing, sha256, write_json


def seal(whole: Path, out: Path) -> None:
    """Write a dataset without its test; an existing one is replaced only when the new one is complete.

    Parameters
    ----------
    whole
        The folder of the dataset.
    out
        The folder of the sealed dataset.

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
            written[name] = _copy(whole / name, folder / name, _rows_before_test(whole, name)) | {
                "sha256": sha256(folder / name)
            }
        digests = {name: {"content": table["content"]} for name, table in info["tables"].items()}
        write_json(folder / tables.INFO, {**info, "tables": written, tables.WHOLE: digests})


def _rows_before_test(whole: Path, name: str) -> NDArray[np.bool_] | None:
    """(R,) which rows of a table lie before their user's test; None for the table of items, which stays whole."""
    if name == tables.ITEMS:
        return None
    parts = read_parquet(
        whole / (tables.CANDIDATES if name == tables.CANDIDATES else tables.SPLITS),
        columns=[schema.POSITION, tables.SPLIT],
    )
    is_test = parts[tables.SPLIT].to_numpy() == schema.PARTS[TEST]
    if name == tables.CANDIDATES:
        return ~is_test
    test_rows = np.cumsum(is_test)
    start = np.flatnonzero(parts[schema.POSITION].to_numpy() == 0)  # the rows of a user are contiguous
    of_earlier_users = np.repeat((test_rows - is_test)[start], np.diff(np.append(start, len(test_rows))))
    return test_rows == of_earlier_users


def _copy(source: Path, target: Path, selected: NDArray[np.bool_] | None) -> dict[str, str | int]:
    """Copy the selected rows (all for None), one row group at a time; return the entry for ``dataset.json``."""
    file = pq.ParquetFile(source)
    writer = tables.TableWriter(target, file.schema_arrow)
    start = 0
    for number in range(file.num_row_groups):
        group = file.read_row_group(number)
        end = start + group.num_rows
        writer.write(group if selected is None else group.filter(pa.array(selected[start:end])))
        start = end
    writer.close()
    return writer.summary()
