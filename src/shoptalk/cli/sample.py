"""``shoptalk sample``: generate a synthetic shop."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from shoptalk.cli.options import Json, print_json


def command(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder for the files; created if missing.")],
    users: Annotated[int, typer.Option("--users", min=1, max=1_000_000, help="Number of reviewers.")] = 2000,
    items: Annotated[int, typer.Option("--items", min=20, max=20_000, help="Number of products.")] = 600,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Random seed; the same seed gives the same shop.")] = 1,
    release: Annotated[
        Literal["2018", "2023"], typer.Option("--format", help="File format: release of the Amazon reviews dataset.")
    ] = "2018",
    as_json: Json = False,
) -> None:
    """Generate a synthetic shop: reviews, products, a recipe, and the preferences of the users (planted.json).

    Purchases follow known preferences, so that it is known what a recommender can learn.

    Example: `shoptalk sample shop && shoptalk run shop/recipe.toml --out run`
    """
    from shoptalk.data.sample import write_sample
    from shoptalk.results import as_json as to_json

    result = write_sample(folder, users=users, items=items, seed=seed, release=release)
    if as_json:
        print_json(to_json(result))
    else:
        print(f"{result.reviews:,} reviews by {users:,} users of {items:,} products in {folder}")
