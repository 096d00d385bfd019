"""Items that came after a dataset was made, read and cleaned as its own were."""

import tempfile
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


def read_newcomers(path: Path, recipe: Recipe) -> list[Item]:
    """Items of a Parquet, CSV or JSON lines file with ``item_id``, ``title`` and any other column of items.

    Parameters
    ----------
    recipe
        Its cleaning, its names of columns (source `table`) and the fields of its prompt.

    Raises
    ------
    SourceError
        With file and line, for what cannot be read; and for a file without any title.
    """
    fields = frozenset({str(field) for field in recipe.prompt.fields} - {TITLE, "token", "review"})
    with tempfile.TemporaryDirectory(prefix="shoptalk-") as work, Engine(Path(work)) as engine:
        read = read_items(path, recipe.data, fields, engine)
        table, _ = checks.first_of_each(read.table, path, engine)
        table = clean_titles(
            table.drop("problem") if "problem" in table.columns else table, recipe.data.cleaning, engine
        )
        rows = table.order_by(ITEM).to_pyarrow().to_pylist()
    items = [_item(row) for row in rows if row[TITLE]]
    if not items:
        raise SourceError("no item has a title", where=str(path), hint="give the columns item_id and title")
    return items


def _item(row: dict[str, Any]) -> Item:
    known: dict[str, Any] = {}
    for name, value in row.items():
        if name in Item.__dataclass_fields__ and value is not None:
            known[name] = tuple(value) if name in _LISTS else value
    return Item(**known)
