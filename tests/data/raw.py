"""Helpers for the tests of sources: write raw files and read them."""

import json
from pathlib import Path
from typing import Any

from shoptalk.data.engine import Engine
from shoptalk.data.sources.raw_tables import RawTables
from shoptalk.data.sources.registry import read
from shoptalk.recipe import Data

EVERYTHING = frozenset({"brand", "categories", "description", "review"})


def json_lines(path: Path, *rows: dict[str, Any] | str) -> Path:
    """Write objects as JSON, and texts unchanged, one per line."""
    texts = [row if isinstance(row, str) else json.dumps(row) for row in rows]
    path.write_text("".join(f"{text}\n" for text in texts), encoding="utf-8")
    return path


def load(
    engine: Engine,
    source: str,
    reviews: Path,
    items: Path | None = None,
    fields: frozenset[str] = frozenset(),
    **data: Any,
) -> RawTables:
    """Read raw files with a minimal recipe."""
    content = {"source": source, "reviews": str(reviews), "items": str(items) if items else None, **data}
    return read(Data.model_validate(content), fields, engine)


def rows(table: Any, engine: Engine, by: str = "position") -> list[dict[str, Any]]:
    """The rows of a table as dictionaries, sorted by a column."""
    return engine.to_pyarrow(table.order_by(by)).to_pylist()
