"""Checks that the purchases and the file of items have the same items."""

from dataclasses import replace

import ibis.expr.types as ir

from shoptalk.data.engine import Engine
from shoptalk.data.engine_paths import printable
from shoptalk.data.sources.raw_tables import RawTables
from shoptalk.errors import SourceError

#: The share of purchases of unknown items from which there is a warning.
_MANY_UNKNOWN = 0.01


def check_items_are_known(raw_tables: RawTables, engine: Engine) -> RawTables:
    """Compare the items of the purchases with the file of items; warn if many are unknown.

    Raises
    ------
    SourceError
        When no purchase is of an item in the file; with two ids of each file.
    """
    if len(raw_tables.files) < 2:
        return raw_tables
    purchases, items = (printable(path) for path in raw_tables.files[:2])
    bought = raw_tables.interactions.select("item_id")
    unknown = bought.anti_join(raw_tables.items.select("item_id"), "item_id")
    counts = engine.counts(all=bought, unknown=unknown, items=raw_tables.items)
    if not counts["unknown"]:
        return raw_tables
    if counts["unknown"] == counts["all"]:
        raise SourceError(
            f"no item_id of the purchases ({_examples(bought, engine)}) is among those of {items} "
            f"({_examples(raw_tables.items, engine)})",
            where=purchases,
            hint="name the right column of item ids for both files in data.columns, or write the ids the same way",
        )
    share = counts["unknown"] / counts["all"]
    if share < _MANY_UNKNOWN:
        return raw_tables
    warning = (
        f"{purchases}: {counts['unknown']:,} of {counts['all']:,} purchases ({share:.1%}) are of an item that is not "
        f"in {items}, such as {_examples(unknown, engine)}; they are dropped as items without a title"
    )
    return replace(raw_tables, warnings=(*raw_tables.warnings, warning))


def _examples(table: ir.Table, engine: Engine) -> str:
    """The two smallest ids, as text."""
    ids = table.select("item_id").distinct().order_by("item_id").limit(2)
    return ", ".join(repr(value) for value in engine.to_pyarrow(ids)["item_id"].to_pylist())
