"""Whether the purchases and the file of items speak of the same items."""

from dataclasses import replace

import ibis.expr.types as ir

from shoptalk.data.engine import Engine
from shoptalk.data.engine_paths import printable
from shoptalk.data.sources.raw_tables import RawTables
from shoptalk.errors import SourceError

#: From this share on, purchases of unknown items are worth a warning.
_MANY_UNKNOWN = 0.01


def check_items_are_known(raw_tables: RawTables, engine: Engine) -> RawTables:
    """Compare the items that were bought with the file of items.

    Raises
    ------
    SourceError
        When no purchase names an item of the file; with two ids of each file.
    """
    if len(raw_tables.files) < 2:
        return raw_tables
    purchases, items = (printable(path) for path in raw_tables.files[:2])
    bought = raw_tables.interactions.select("item_id")
    unknown = bought.anti_join(raw_tables.items.select("item_id"), "item_id")
    found = engine.counts(all=bought, unknown=unknown, items=raw_tables.items)
    if not found["unknown"]:
        return raw_tables
    if found["unknown"] == found["all"]:
        raise SourceError(
            f"no item_id of the purchases ({_examples(bought, engine)}) is among those of {items} "
            f"({_examples(raw_tables.items, engine)})",
            where=purchases,
            hint="name the right column of item ids for both files in data.columns, or write the ids the same way",
        )
    share = found["unknown"] / found["all"]
    if share < _MANY_UNKNOWN:
        return raw_tables
    warning = (
        f"{purchases}: {found['unknown']:,} of {found['all']:,} purchases ({share:.1%}) name an item that is not in "
        f"{items}, such as {_examples(unknown, engine)}; they are dropped as items without a title"
    )
    return replace(raw_tables, warnings=(*raw_tables.warnings, warning))


def _examples(table: ir.Table, engine: Engine) -> str:
    """Two different ids, the smallest."""
    ids = table.select("item_id").distinct().order_by("item_id").limit(2)
    return ", ".join(repr(value) for value in engine.to_pyarrow(ids)["item_id"].to_pylist())
