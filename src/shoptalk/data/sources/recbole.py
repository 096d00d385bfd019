"""Atomic files of RecBole (W. X. Zhao et al., CIKM 2021): ``NAME.inter`` and ``NAME.item``, tab-separated.

The first line gives each column a name and a type: ``user_id:token``, ``timestamp:float``, ``title:token_seq``. The
columns are found by their names, see ``_NAMES``; other columns are ignored. A text of categories is split where it has
the form ``'A', 'B'``, else at its spaces, as RecBole does with ``token_seq``.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import ibis.expr.types as ir

from shoptalk.data.engine import Engine
from shoptalk.data.engine_paths import printable
from shoptalk.data.sources import checks, delimited, lines, table
from shoptalk.data.sources.raw_tables import RawTables
from shoptalk.errors import SourceError
from shoptalk.recipe import Data, resolve

#: Names of the column of titles.
TITLES = ("title", "movie_title", "book_title", "item_name", "app_name", "name")
#: Canonical name of a column -> its names in the files that RecBole publishes, the preferred name first.
_NAMES: Mapping[str, tuple[str, ...]] = {
    "user_id": ("user_id",),
    "item_id": ("item_id",),
    "timestamp": ("timestamp", "time"),
    "rating": ("rating", "ratings", "stars"),
    "title": TITLES,
    "brand": ("brand",),
    "categories": ("categories", "class", "genre", "genres", "category"),
    "description": ("description",),
    "price": ("price",),
}
_TYPES = ("token", "token_seq", "float", "float_seq")
_HINT = 'read the file with data.source = "table" and data.columns'


def read(data: Data, fields: frozenset[str], engine: Engine) -> RawTables:
    """Read interactions and, where the recipe names their file, items.

    Raises
    ------
    SourceError
        When the first line has no types, or the file has no title or no needed column under a known name.
    """
    columns = _columns(resolve(data.purchases), ("user_id", "item_id", "timestamp", "rating"))
    if data.items is not None:
        items = _columns(resolve(data.items), ("item_id", "title", "brand", "categories", "description", "price"))
        if "title" not in items:
            raise SourceError(
                "there is no column of titles", where=f"{printable(resolve(data.items))}:1", hint=f"to name it, {_HINT}"
            )
        if items.get("item_id") != columns.get("item_id"):
            columns["items.item_id"] = items.get("item_id", "item_id")
        columns = {**items, **columns}
    raw_tables = table.read(data.model_copy(update={"source": "table", "columns": columns}), fields, engine)
    return raw_tables if "categories" not in raw_tables.items.columns else _split_categories(raw_tables, engine)


def fields_of(path: Path) -> dict[str, str]:
    """The columns of an atomic file: name -> type, in their order.

    Raises
    ------
    SourceError
        When the file cannot be read, or its first line is not a list of names with types.
    """
    names = delimited.with_header(lines.inspect(path)).names
    types = {}
    for name in names:
        column, colon, kind = name.rpartition(":")
        if not colon or not column or kind not in _TYPES:
            raise SourceError(
                f"the first line is not the header of an atomic file: {name[:60]!r} has none of the types "
                f"{', '.join(_TYPES)}",
                where=f"{printable(path)}:1",
                hint="the header of such a file is like: user_id:token, item_id:token, timestamp:float (with tabs)",
            )
        types[column] = kind
    return types


def _columns(path: Path, wanted: tuple[str, ...]) -> dict[str, str]:
    """Canonical name -> name in the file with its type, for the wanted columns that the file has."""
    types = fields_of(path)
    found = {name: next((column for column in _NAMES[name] if column in types), None) for name in wanted}
    return {name: f"{column}:{types[column]}" for name, column in found.items() if column is not None}


def _split_categories(raw_tables: RawTables, engine: Engine) -> RawTables:
    """Split texts of several categories."""
    items = raw_tables.items
    text: ir.StringValue = items.categories.join("', '")
    listed = text.contains("', '").ifelse(text.re_replace("^'|'$", "").split("', '"), text.split(" "))
    items = engine.cache(items.mutate(categories=listed))
    items = engine.cache(items.mutate(categories=checks.unique_in_order(items.categories)))
    return replace(raw_tables, items=items)
