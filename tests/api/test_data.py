"""Datasets of tables, files and recipes."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

import shoptalk
from shoptalk.data.sample import write_sample
from tests.api.conftest import ITEMS, USERS

COLUMNS = {"user_id": "customer"}


def as_categories(table: pd.DataFrame) -> pd.DataFrame:
    return table.astype({"item_id": "category"})


def as_csv(table: pd.DataFrame, folder: Path) -> Path:
    table.to_csv(folder / "purchases[1].csv", index=False)
    return folder / "purchases[1].csv"


class Stream:
    """A table of another library, known by the Arrow interface alone."""

    def __init__(self, table: pd.DataFrame) -> None:
        self._table = pa.Table.from_pandas(table)

    def __arrow_c_stream__(self, schema: Any = None) -> Any:
        return self._table.__arrow_c_stream__(schema)


@pytest.mark.parametrize("convert", [pa.Table.from_pandas, as_categories, Stream])
def test_every_kind_of_table_gives_the_same_dataset(
    purchases: pd.DataFrame, data: shoptalk.Dataset, items: pd.DataFrame, convert: Any
) -> None:
    made = shoptalk.prepare(
        interactions=convert(purchases), items=convert(items), columns=COLUMNS, keep=["price"], progress=False
    )
    assert made.fingerprint == data.fingerprint
    assert made.info["kept"] == {"users": USERS, "items": ITEMS, "interactions": 6 * USERS}
    assert repr(made).startswith("Dataset(users=40, items=12, interactions=240, folder='")


def test_a_file_and_a_folder(purchases: pd.DataFrame, tmp_path: Path) -> None:
    data = shoptalk.prepare(
        interactions=as_csv(purchases, tmp_path), columns=COLUMNS, out=tmp_path / "dataset", progress=False
    )
    assert data.folder == tmp_path / "dataset"
    assert data.catalogue["i1"].title == "i1"  # without items they are known by their ids


def test_a_recipe(tmp_path: Path) -> None:
    write_sample(tmp_path, users=60, items=30)
    data = shoptalk.prepare(tmp_path / "recipe.toml", progress=False, options=3, split={"ties": "source"})
    assert data.recipe.candidates is not None
    assert (data.recipe.candidates.options, data.recipe.split.ties) == (3, "source")
    assert data.recipe.prompt.task == "generate_title"


def test_dates_of_pandas_are_times(purchases: pd.DataFrame) -> None:
    late_first = purchases.iloc[::-1]
    data = shoptalk.prepare(interactions=late_first, columns=COLUMNS, progress=False)
    assert list(data.history("u3").items) == [f"i{number}" for number in range(3, 9)]


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({}, "nothing to prepare"),
        ({"interactions": {"user_id": [1]}}, "interactions is a dict, not a table or a path"),
        ({"interactions": pd.DataFrame({"user_id": ["a"], "item_id": ["b"]})}, "timestamp"),
        ({"interactions": pd.DataFrame({"user_id": ["a", 1]})}, "interactions cannot be converted"),
        ({"interactions": pd.DataFrame({"user_id": [np.nan]})}, "no column"),
        ({"interactions": "missing.csv"}, "missing.csv"),
    ],
)
def test_what_is_no_table(given: dict[str, Any], says: str) -> None:
    with pytest.raises(shoptalk.ShoptalkError, match=says):
        shoptalk.prepare(progress=False, **given)


@pytest.mark.parametrize(
    ("setting", "says"),
    [
        ({"widht": 3}, "unknown setting 'widht' .did you mean width"),
        ({"dropout": 0.1}, "several sections: model, lora, items .*model={'dropout'"),
        ({"training": 3}, "training is a section of the recipe and takes a mapping"),
        ({"min_rating": "high"}, "data.min_rating"),
        ({"task": "next_itme"}, "unknown task 'next_itme'"),
    ],
)
def test_what_is_no_setting(purchases: pd.DataFrame, setting: dict[str, Any], says: str) -> None:
    with pytest.raises(shoptalk.ShoptalkError, match=says):
        shoptalk.prepare(interactions=purchases, columns=COLUMNS, progress=False, **setting)
