"""Raw files of every known format, read into the same two tables.

``interactions``: user_id, item_id (text), timestamp (seconds since 1970, UTC, with fraction), position (order in the
source), rating (null where unknown), verified (null where unknown), and, where they are needed, review and summary.
``items``: item_id, title (null where missing), fallback (what to call it then), and, where needed, brand, categories
(array of text, the most special last) and description.

A new format is one module with ``read(data, fields, engine)`` and one line in ``_MODULES``.
"""

import importlib
from dataclasses import dataclass
from pathlib import Path

import ibis.expr.types as ir

from shoptalk.data.engine import Engine
from shoptalk.data.sources import ids, times
from shoptalk.errors import RecipeError
from shoptalk.recipe import Data

_MODULES = {
    "amazon2014": "amazon2014",
    "amazon2018": "amazon2018",
    "amazon2023": "amazon2023",
    "kaggle-books": "kaggle_books",
    "movielens": "movielens",
    "table": "table",
}


@dataclass(frozen=True)
class RawTables:
    """What was read: two tables, ``read`` (reviews, items, bad_lines), ``warnings`` for the user, every file.

    ``dated`` is False where a place in an order stands for the timestamp.
    """

    interactions: ir.Table
    items: ir.Table
    read: dict[str, int]
    warnings: tuple[str, ...]
    files: tuple[Path, ...]
    dated: bool = True


def read(data: Data, fields: frozenset[str], engine: Engine) -> RawTables:
    """Read a recipe's files.

    Parameters
    ----------
    fields
        What is needed besides titles: "brand", "categories", "description", "review". No other column is kept.

    Raises
    ------
    RecipeError
        For settings that the source does not have.
    SourceError
        For a file that cannot be read, with its line where one is known, and for two files without a common item.
    BadLines
        For more malformed lines than ``data.max_bad_lines`` allows.
    """
    if data.source != "table":
        for setting in ("columns", "time_format"):
            if getattr(data, setting):
                raise RecipeError(
                    f'data.{setting} is a setting of data.source = "table", and the source is {data.source!r}',
                    hint="leave it out, or read the file as a table",
                )
    module = importlib.import_module(f"shoptalk.data.sources.{_MODULES[data.source]}")
    shop = ids.check_items_are_known(module.read(data, fields, engine), engine)
    return times.check_years(shop, engine) if shop.dated else shop
