"""Small shops as files, and recipes over them."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from shoptalk.recipe import Recipe, parse_recipe

Row = tuple[str, str, int]  # user, item, seconds after `BEGIN`
#: 2017-07-14, as purchases dated 1970 would be warned of.
BEGIN = 1_500_000_000


def write_shop(folder: Path, rows: list[Row], titles: dict[str, str], **columns: list[Any]) -> None:
    """``interactions.parquet`` (``columns`` beside the rows) and ``items.parquet``."""
    folder.mkdir(parents=True, exist_ok=True)
    user, item, after = zip(*rows, strict=True)
    time = [BEGIN + seconds for seconds in after]
    pq.write_table(
        pa.table({"user_id": user, "item_id": item, "timestamp": time, **columns}), folder / "interactions.parquet"
    )
    pq.write_table(pa.table({"item_id": list(titles), "title": list(titles.values())}), folder / "items.parquet")


def recipe_of(folder: Path, seed: int = 1, data: dict[str, Any] | None = None, **sections: Any) -> Recipe:
    """A recipe over the files of :func:`write_shop`; four options unless ``candidates`` says otherwise."""
    files = {name: str(folder / f"{name}.parquet") for name in ("interactions", "items")}
    content: dict[str, Any] = {"seed": seed, "data": {"source": "table", **files, **(data or {})}, **sections}
    content.setdefault("candidates", {"options": 4})
    if content["candidates"] is None:
        del content["candidates"]
        content["prompt"] = {"task": "generate_title", **content.get("prompt", {})}
    return parse_recipe(content)


def small_shop(folder: Path, users: int = 6, each: int = 5, items: int = 20) -> None:
    """Users ``u0``.. with ``each`` items, a second apart; user n starts at item n."""
    rows = [(f"u{user}", f"i{(user + at) % items:02}", at) for user in range(users) for at in range(each)]
    titles = {f"i{n:02}": f"Soap &amp; {chr(65 + n)} number {n}" for n in range(items)}
    write_shop(folder, rows, titles, rating=[float(1 + at % 5) for _ in range(users) for at in range(each)])
