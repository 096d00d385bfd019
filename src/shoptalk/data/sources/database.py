"""Tables of a database: SQLite, DuckDB or PostgreSQL, by ``data.url``.

``data.interactions`` and ``data.items`` name tables or views, and ``data.columns`` maps canonical names to those of
their columns, as for the source `table`. A query is written as a view in the database: a recipe stays data, and cannot
change what it reads. Rows have no order in a database; of purchases of one user with equal timestamps, the column
``position`` tells the order, or else their ids.
"""

from collections.abc import Sequence

from shoptalk.data.databases import SourceDatabase, open_source_database
from shoptalk.data.engine import Engine
from shoptalk.data.sources import table
from shoptalk.data.sources.raw_tables import RawTables
from shoptalk.errors import SourceError
from shoptalk.recipe import Data


def read(data: Data, fields: frozenset[str], engine: Engine) -> RawTables:
    """Read interactions and, where the recipe names their table, items.

    Raises
    ------
    SourceError
        If the database cannot be opened or read, or has no such table or column, with the nearest name.
    """
    assert data.url is not None  # as the section was checked
    with open_source_database(data.url) as database:

        def open_table(
            name: str, columns: table.ColumnMap, needed: Sequence[str], optional: Sequence[str]
        ) -> table.OpenedTable:
            return _open(database, name, columns, needed, optional, engine)

        return table.read_with(open_table, data, fields, engine)


def _open(
    database: SourceDatabase,
    name: str,
    columns: table.ColumnMap,
    needed: Sequence[str],
    optional: Sequence[str],
    engine: Engine,
) -> table.OpenedTable:
    """Copy the columns of a table into the engine, in an order that depends on the rows alone."""
    source, label = database.table(name), database.label(name)
    names = table.source_names(source.columns, columns, needed, optional, label)
    stored = engine.store(*database.batches(source.select(**names)))
    if not engine.counts(n=stored)["n"]:
        raise SourceError("the table has no rows", where=label)
    # As text, so that numbers and texts of the same ids have one order in every database.
    ordered = engine.cache(stored.order_by([stored[column].cast("string") for column in stored.columns]))
    engine.drop(stored)
    numbered = engine.numbered(ordered, "position")
    return table.OpenedTable(label, numbered, names, source.columns, lambda _, __: iter(()), {})
