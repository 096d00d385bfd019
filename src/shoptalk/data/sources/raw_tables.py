"""The two tables that every source returns."""

from dataclasses import dataclass
from pathlib import Path

import ibis.expr.types as ir


@dataclass(frozen=True)
class RawTables:
    """Interactions and items as a source contains them, before cleaning and filtering.

    ``read`` counts reviews, items and malformed lines (``bad_lines``); ``files`` are the files that were read, or the
    names of the tables of a database.
    ``dated`` is False where the position in an order is used as the timestamp.
    """

    interactions: ir.Table
    items: ir.Table
    read: dict[str, int]
    warnings: tuple[str, ...]
    files: tuple[Path | str, ...]
    dated: bool = True
