"""New items for a trained run, read and cleaned in the same way as the items of its dataset."""

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from shoptalk.data.clean import clean_titles
from shoptalk.data.engine import Engine
from shoptalk.data.sources import checks
from shoptalk.data.sources.table import read_items
from shoptalk.errors import SourceError
from shoptalk.recipe import Recipe
from shoptalk.schema import ITEM, TITLE, Item

_LISTS = ("categories", "features")
_HINT = "give Parquet, CSV or JSON lines with the columns item_id and title, every line in order"


def read_cold_start_items(path: Path, recipe: Recipe) -> list[Item]:
    """Read a Parquet, CSV or JSON lines file with ``item_id``, ``title`` and any other columns of items.

    Parameters
    ----------
    recipe
        Its ``data.cleaning``, ``data.columns`` (source `table`), ``prompt.fields`` and ``data.keep`` are used.

    Raises
    ------
    SourceError
        For a file that cannot be read (with file and line), and for a file without any title.
    """
    try:
        items = [_item(row) for row in _rows(path, recipe) if row[TITLE]]
    except SourceError as error:  # its hint is about the recipe, which is fixed in a trained run
        raise type(error)(error.message, where=error.where, hint=_HINT) from error
    if not items:
        raise SourceError("no item has a title", where=str(path), hint=_HINT)
    return items


def _rows(path: Path, recipe: Recipe) -> list[Mapping[str, Any]]:
    """The cleaned rows of the file, one for each item, sorted by id."""
    fields = frozenset({*map(str, recipe.prompt.fields), *recipe.data.keep} - {TITLE, "token", "review"})
    with tempfile.TemporaryDirectory(prefix="shoptalk-") as work, Engine(Path(work)) as engine:
        items = read_items(path, recipe.data, fields, engine)
        table, _ = checks.first_of_each(items.table, path, engine)
        table = table.drop("problem") if "problem" in table.columns else table
        table = clean_titles(table, recipe.data.cleaning, engine)
        return list(table.order_by(ITEM).to_pyarrow().to_pylist())


def _item(row: Mapping[str, Any]) -> Item:
    """An item from the columns of a row that items have; nulls are left out."""
    values: dict[str, Any] = {}
    for name, value in row.items():
        if name in Item.__dataclass_fields__ and value is not None:
            values[name] = tuple(value) if name in _LISTS else value
    return Item(**values)
