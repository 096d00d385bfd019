"""Small tables of interactions and items, and recipes that read them."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from shoptalk.recipe import Recipe, parse_recipe

Row = tuple[str, str, int]  # user, item, seconds after `BEGIN`
#: 2017-07-14; there are warnings for purchases dated 1970.
BEGIN = 1_500_000_000


def write_tables(folder: Path, rows: list[Row], titles: dict[str, str], **columns: list[Any]) -> None:
    """Write ``interactions.parquet`` (with additional ``columns``) and ``items.parquet``."""
    folder.mkdir(parents=True, exist_ok=True)
    user, item, offset = zip(*rows, strict=True)
    time = [BEGIN + seconds for seconds in offset]
    pq.write_table(
        pa.table({"user_id": user, "item_id": item, "timestamp": time, **columns}), folder / "interactions.parquet"
    )
    pq.write_table(pa.table({"item_id": list(titles), "title": list(titles.values())}), folder / "items.parquet")


def recipe_of(folder: Path, seed: int = 1, data: dict[str, Any] | None = None, **sections: Any) -> Recipe:
    """A recipe for the files of :func:`write_tables`; with four options, unless ``candidates`` is given."""
    files = {name: str(folder / f"{name}.parquet") for name in ("interactions", "items")}
    content: dict[str, Any] = {"seed": seed, "data": {"source": "table", **files, **(data or {})}, **sections}
    content.setdefault("candidates", {"options": 4})
    if content["candidates"] is None:
        del content["candidates"]
        content["prompt"] = {"task": "generate_title", **content.get("prompt", {})}
    return parse_recipe(content)


def write_small_dataset(folder: Path, users: int = 6, each: int = 5, items: int = 20) -> None:
    """Write users ``u0``.. with ``each`` purchases, one second apart; user n begins with item n."""
    rows = [(f"u{user}", f"i{(user + index) % items:02}", index) for user in range(users) for index in range(each)]
    titles = {f"i{n:02}": f"Soap &amp; {chr(65 + n)} number {n}" for n in range(items)}
    write_tables(folder, rows, titles, rating=[float(1 + index % 5) for _ in range(users) for index in range(each)])
