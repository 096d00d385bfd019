"""A sealed dataset: no test rows on disk, an error on access to the test, and otherwise the same data."""

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from shoptalk.data import tables
from shoptalk.data.dataset import Dataset, open_dataset
from shoptalk.data.prepare import prepare
from shoptalk.data.sealed import seal
from shoptalk.errors import DatasetError

from .small_dataset import recipe_of, write_small_dataset

SPLITS: list[dict[str, Any]] = [
    {"method": "leave-one-out"},
    {"method": "by-user", "fractions": [0.5, 0.25, 0.25], "history": 2},
    {"method": "by-time", "fractions": [0.6, 0.2, 0.2]},
    {"method": "by-time-per-user", "fractions": [0.4, 0.2, 0.4]},
]


def whole_and_sealed(folder: Path, **recipe: object) -> tuple[Dataset, Dataset]:
    """A dataset, and the same dataset sealed."""
    write_small_dataset(folder, users=8)
    prepare(recipe_of(folder, **recipe), folder / "whole")  # type: ignore[arg-type]
    seal(folder / "whole", folder / "sealed")
    return open_dataset(folder / "whole"), open_dataset(folder / "sealed")


def rows(folder: Path, name: str) -> set[tuple[str, int]]:
    table = pq.read_table(folder / name, columns=["user_id", "position"]).to_pylist()
    return {(row["user_id"], row["position"]) for row in table}


@pytest.mark.parametrize("split", SPLITS, ids=lambda split: split["method"])
def test_no_table_holds_a_test_row_or_a_later_one(tmp_path: Path, split: dict[str, Any]) -> None:
    whole, sealed = whole_and_sealed(tmp_path, split=split)
    parts = pq.read_table(whole.folder / tables.SPLITS).to_pylist()
    first = {row["user_id"]: row["position"] for row in reversed(parts) if row["split"] == "test"}
    assert first, "this dataset has test cases"
    for name in (tables.INTERACTIONS, tables.SPLITS, tables.CANDIDATES):
        before, after = rows(whole.folder, name), rows(sealed.folder, name)
        assert after == {(user, index) for user, index in before if index < first.get(user, 99)}


@pytest.mark.parametrize("split", SPLITS, ids=lambda split: split["method"])
def test_training_and_validation_are_the_same(tmp_path: Path, split: dict[str, Any]) -> None:
    whole, sealed = (dataset.split("every") for dataset in whole_and_sealed(tmp_path, split=split))
    for part in ("train", "train_cases", "validation"):
        assert list(getattr(sealed, part)) == list(getattr(whole, part))
        assert list(getattr(sealed, part))


def test_access_to_the_test_is_an_error(tmp_path: Path) -> None:
    _, sealed = whole_and_sealed(tmp_path)
    test = sealed.split().test
    for access in (len, list, bool, lambda cases: cases[0], lambda cases: cases[:1], lambda cases: next(iter(cases))):
        with pytest.raises(DatasetError, match="sealed until the sweep's winner is fixed"):
            access(test)


def test_it_is_the_same_data_by_its_fingerprint(tmp_path: Path) -> None:
    whole, sealed = whole_and_sealed(tmp_path)
    assert (whole.sealed, sealed.sealed) == (False, True)
    assert sealed.fingerprint == whole.fingerprint


@pytest.mark.parametrize(
    "change",
    [
        lambda info: info.pop("whole"),  # otherwise it would be taken for a dataset without test cases
        lambda info: info["whole"]["splits.parquet"].update(content="0"),
        lambda info: info.update(whole=3),
    ],
)
def test_a_changed_entry_of_a_sealed_dataset_is_detected(tmp_path: Path, change: Any) -> None:
    _, sealed = whole_and_sealed(tmp_path)
    path = sealed.folder / tables.INFO
    info = json.loads(path.read_text())
    change(info)
    path.write_text(json.dumps(info))
    with pytest.raises(DatasetError):
        open_dataset(sealed.folder)
