"""Items that came after a dataset was made, read and cleaned as its own were."""

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
    """Items of a Parquet, CSV or JSON lines file with ``item_id``, ``title`` and any other column of items.

    Parameters
    ----------
    recipe
        Its cleaning, its names of columns (source `table`), the fields of its prompt and what else it keeps.

    Raises
    ------
    SourceError
        With file and line, for what cannot be read; and for a file without any title.
    """
    try:
        items = [_item(row) for row in _rows(path, recipe) if row[TITLE]]
    except SourceError as error:  # its hint would speak of a recipe, and that of a trained run is what it is
        raise type(error)(error.message, where=error.where, hint=_HINT) from error
    if not items:
        raise SourceError("no item has a title", where=str(path), hint=_HINT)
    return items


def _rows(path: Path, recipe: Recipe) -> list[Mapping[str, Any]]:
    fields = frozenset({*map(str, recipe.prompt.fields), *recipe.data.keep} - {TITLE, "token", "review"})
    with tempfile.TemporaryDirectory(prefix="shoptalk-") as work, Engine(Path(work)) as engine:
        read = read_items(path, recipe.data, fields, engine)
        table, _ = checks.first_of_each(read.table, path, engine)
        table = clean_titles(
            table.drop("problem") if "problem" in table.columns else table, recipe.data.cleaning, engine
        )
        return list(table.order_by(ITEM).to_pyarrow().to_pylist())


def _item(row: Mapping[str, Any]) -> Item:
    known: dict[str, Any] = {}
    for name, value in row.items():
        if name in Item.__dataclass_fields__ and value is not None:
            known[name] = tuple(value) if name in _LISTS else value
    return Item(**known)
