"""Prepare a dataset from tables, files or a recipe."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from shoptalk.api.settings import make_recipe, recipe_content
from shoptalk.api.tables import temporary_folder, write_table
from shoptalk.data.dataset import Dataset, open_dataset
from shoptalk.data.prepare import prepare as prepare_folder
from shoptalk.errors import UsageError
from shoptalk.progress_bars import progress_bars
from shoptalk.recipe import Recipe


def prepare(
    recipe: Recipe | str | Path | None = None,
    *,
    interactions: Any = None,
    items: Any = None,
    columns: Mapping[str, str | int] | None = None,
    out: str | Path | None = None,
    progress: bool = True,
    **settings: Any,
) -> Dataset:
    """Read, clean, filter and split purchases.

    Parameters
    ----------
    recipe
        A recipe or the path of its file; without one, the defaults.
    interactions
        A pandas, polars or Arrow table with one row per purchase, or the path of a file: user_id, item_id, timestamp.
    items
        A table or a file with one row per item: item_id, title, and where known brand, categories, description, price.
        Without it, items are known by their ids.
    columns
        Our column name to the table's name, for instance ``{"user_id": "customer"}``.
    out
        The dataset's folder; without one, a temporary folder that is removed when the process ends.
    progress
        Show progress on standard error.
    **settings
        Settings of the recipe by name, for instance ``min_rating=4`` or ``split={"method": "by-time"}``.

    Returns
    -------
    Dataset
        ``dataset.info`` says what was dropped and why.

    Raises
    ------
    ShoptalkError
        For input that cannot be read, with the line and the value, or filters that leave nothing.

    Examples
    --------
    >>> import pandas as pd
    >>> bought = [(user, (user + step) % 5, step) for user in range(20) for step in range(5)]
    >>> purchases = pd.DataFrame(bought, columns=["customer", "item_id", "position"])
    >>> data = prepare(interactions=purchases, columns={"user_id": "customer"}, progress=False)
    >>> len(data.catalogue), len(data.split().test)
    (5, 20)
    """
    if recipe is None and interactions is None:
        raise UsageError("nothing to prepare", hint="give a recipe, or interactions and items")
    content = {} if recipe is None else recipe_content(recipe)
    if interactions is not None:
        content["data"] = {**content.get("data", {}), **_source(interactions, items, columns)}
    dataset = Path(out) if out is not None else temporary_folder("dataset")
    with progress_bars(show=progress) as report:
        prepare_folder(make_recipe(content, settings), dataset, report)
    return open_dataset(dataset)


def _source(interactions: Any, items: Any, columns: Mapping[str, str | int] | None) -> Mapping[str, Any]:
    folder = temporary_folder("tables")
    files = {"interactions": interactions, "items": items}
    paths = {
        name: str(table if isinstance(table, str | Path) else write_table(table, name, folder))
        for name, table in files.items()
        if table is not None
    }
    return {"source": "table", **paths, **({"columns": dict(columns)} if columns else {})}
