"""One function that reads raw files of any format (``data.source``, see `shoptalk.registry.SOURCES`)."""

import importlib

from shoptalk.data.engine import Engine
from shoptalk.data.sources import ids, times
from shoptalk.data.sources.raw_tables import RawTables
from shoptalk.errors import RecipeError
from shoptalk.recipe import Data
from shoptalk.registry import SOURCES


def read(data: Data, fields: frozenset[str], engine: Engine) -> RawTables:
    """Read the files of a recipe.

    Parameters
    ----------
    data
        The recipe's ``[data]``.
    fields
        The optional columns that are needed: "brand", "categories", "description", "features", "price", "review".
    engine
        The engine, in which the tables are made.

    Raises
    ------
    RecipeError
        For settings that are not available for the source.
    SourceError
        For a file that cannot be read, with its line where known, and for purchases and items without a common item.
    BadLines
        When there are more malformed lines than ``data.max_bad_lines`` allows.
    """
    if data.source not in {"table", "database"}:
        for setting in ("columns", "time_format"):
            if getattr(data, setting):
                raise RecipeError(
                    f'data.{setting} is a setting of data.source = "table", and the source is {data.source!r}',
                    hint="leave it out, or read the file as a table",
                )
    module = importlib.import_module(SOURCES[data.source])
    raw_tables = ids.check_items_are_known(module.read(data, fields, engine), engine)
    return times.check_years(raw_tables, engine) if raw_tables.dated else raw_tables
