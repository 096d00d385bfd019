"""The recipes that come with the project can be read."""

from pathlib import Path

import pytest

from shoptalk.recipe import read_recipe

RECIPES = sorted((Path(__file__).parents[1] / "recipes").glob("*.toml"))


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_a_recipe_reads_and_is_named_like_its_file(path: Path) -> None:
    assert read_recipe(path).name == path.stem
