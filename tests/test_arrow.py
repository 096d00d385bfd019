"""Texts and numbers in Arrow tables, as pyarrow converts them itself, without its import of pandas."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from shoptalk.arrow import filled, number_array, numbers, read_parquet, text_array

CHILD = """
import sys
import numpy as np
from shoptalk.arrow import filled, number_array, numbers, read_parquet, text_array
table = read_parquet(sys.argv[1], ["name", "price"])
filled(table["name"], ""), numbers(table["price"]), number_array(np.arange(3)), text_array(["a"])
assert "pandas" not in sys.modules and "pyarrow.dataset" not in sys.modules
"""


@pytest.mark.parametrize("texts", [[], [""], ["a", "", "é – 漢字"]])
def test_texts(texts: list[str]) -> None:
    assert text_array(texts).equals(pa.array(texts, pa.string()))


@pytest.mark.parametrize("kind", [np.int8, np.int32, np.int64, np.float32, np.float64])
def test_numbers(kind: type) -> None:
    values = np.arange(6, dtype=kind)[::2]
    array = number_array(values)
    assert array.equals(pa.array(values))
    assert numbers(array.slice(1)).tolist() == [2, 4]
    assert numbers(pa.chunked_array([array, array[:1]])).tolist() == [0, 2, 4, 0]


def test_nulls() -> None:
    assert np.isnan(numbers(pa.array([None, 1.0]))).tolist() == [True, False]
    assert filled(pa.array(["a", None]), "-").to_pylist() == ["a", "-"]
    assert filled(pa.array([1, None], pa.int32()), -1).equals(pa.array([1, -1], pa.int32()))


def test_a_file_is_read_without_pandas(tmp_path: Path) -> None:
    path = tmp_path / "items.parquet"
    pq.write_table(pa.table({"name": ["a", None], "price": [1.0, None], "size": [1, 2]}), path)
    assert read_parquet(path, ["size"]).to_pydict() == {"size": [1, 2]}
    with pytest.raises(pa.ArrowInvalid, match="no column colour"):
        read_parquet(path, ["colour"])
    subprocess.run([sys.executable, "-c", CHILD, str(path)], check=True)
