"""Open the dataset that a run was trained on, without a model library."""

from dataclasses import replace
from pathlib import Path

import pyarrow as pa

from shoptalk.arrow import read_parquet
from shoptalk.data.dataset import Dataset, open_dataset
from shoptalk.errors import DatasetError
from shoptalk.runs import Run
from shoptalk.schema import Item, Split

#: In a model's folder: the items that were added after training.
NEW_ITEMS = "new_items.parquet"


def open_run_dataset(run: Run) -> Dataset:
    """The dataset that a run was trained on, with the items that were added to its catalogue since.

    Raises
    ------
    DatasetError
        If it is missing, or not the dataset of the training.
    """
    return add_new_items(open_dataset(run.dataset), run)


def add_new_items(dataset: Dataset, run: Run) -> Dataset:
    """The dataset of a run with the items that were added to its catalogue since.

    Raises
    ------
    DatasetError
        If it is not the dataset that the run was trained on.
    """
    if dataset.fingerprint != run.info["fingerprint"]:
        raise DatasetError("this is not the dataset that the run was trained on", where=str(dataset.folder))
    added = {item.item_id: item for item in new_items(run.model)}
    return replace(dataset, catalogue={**dataset.catalogue, **added}) if added else dataset


def run_split(run: Run, dataset: Dataset) -> Split:
    """The split of the dataset that the run is evaluated on.

    Raises
    ------
    DatasetError
        If there are no test cases.
    """
    split = replace(dataset.split("last"), refit=run.recipe.training.refit)
    if not len(split.test):
        raise DatasetError(
            "the dataset has no test cases", where=str(dataset.folder), hint="give the test a share in [split]"
        )
    return split


def new_items(model: Path) -> list[Item]:
    """The items that were added to a model after its training.

    Raises
    ------
    DatasetError
        If their table is damaged.
    """
    path = model / NEW_ITEMS
    if not path.exists():
        return []
    try:
        rows = read_parquet(path).to_pylist()
        return [
            Item(**{**row, **{name: tuple(row[name] or ()) for name in ("categories", "features")}}) for row in rows
        ]
    except (pa.ArrowException, OSError, TypeError, KeyError) as error:
        raise DatasetError(f"the table of new items is damaged: {error}", where=str(path)) from error
