"""Settings of a recipe as keyword arguments."""

import difflib
from collections import defaultdict
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from shoptalk.errors import UsageError
from shoptalk.recipe import (
    CandidatesSection,
    Data,
    Evaluation,
    Items,
    Lora,
    Model,
    Prompt,
    Recipe,
    SplitSection,
    Training,
    parse_recipe,
)
from shoptalk.sweep_config import Section
from shoptalk.tasks import check_recipe, complete_settings, load_recipe

#: Sections of a recipe that keywords can set.
SECTIONS: Mapping[str, type[Section]] = {
    "data": Data,
    "split": SplitSection,
    "candidates": CandidatesSection,
    "prompt": Prompt,
    "model": Model,
    "lora": Lora,
    "items": Items,
    "training": Training,
    "evaluation": Evaluation,
}
_TOP = ("name", "seed")


def make_recipe(content: Mapping[str, Any], settings: Mapping[str, Any]) -> Recipe:
    """A checked recipe from the content of one, with keyword settings over it.

    Parameters
    ----------
    content
        Settings by section, as in a recipe's file.
    settings
        By keyword: a setting that has this name in one section only (``width=128`` is ``model.width``), or a section
        with a mapping (``training={"epochs": 3}``).

    Raises
    ------
    ShoptalkError
        For an unknown or ambiguous keyword, or settings that make no recipe.

    Examples
    --------
    >>> data = {"data": {"source": "table", "interactions": "purchases.csv"}}
    >>> make_recipe(data, {"task": "next_item", "style": "bare", "width": 128}).model.width
    128
    """
    merged: dict[str, Any] = {
        name: dict(value) if isinstance(value, Mapping) else value for name, value in content.items()
    }
    for keyword, value in settings.items():
        if keyword in _TOP:
            merged[keyword] = value
        elif keyword in SECTIONS:
            if not isinstance(value, Mapping):
                raise UsageError(
                    f"{keyword} is a section of the recipe and takes a mapping, not {value!r}",
                    hint=f"write {keyword}={{{_example(keyword)!r}: ...}}",
                )
            merged.setdefault(keyword, {}).update(value)
        else:
            merged.setdefault(_section_of(keyword), {})[keyword] = value
    recipe = parse_recipe(complete_settings(_plain(merged)), where="settings")
    check_recipe(recipe)
    return recipe


def recipe_content(recipe: Recipe | str | Path) -> dict[str, Any]:
    """The settings of a recipe, or of a recipe's file, by section.

    Raises
    ------
    RecipeError
        For a file that is no recipe.
    """
    read = recipe if isinstance(recipe, Recipe) else load_recipe(Path(recipe))
    return {name: value for name, value in read.model_dump(exclude={"sweep"}).items() if value is not None}


def _section_of(keyword: str) -> str:
    sections = _sections_by_key().get(keyword, [])
    if len(sections) == 1:
        return sections[0]
    if sections:
        raise UsageError(
            f"{keyword} is a setting of several sections: {', '.join(sections)}",
            hint=f"name the section: {sections[0]}={{{keyword!r}: ...}}",
        )
    near = difflib.get_close_matches(keyword, [*_sections_by_key(), *SECTIONS, *_TOP], n=1)
    raise UsageError(
        f"unknown setting {keyword!r}",
        hint=f"did you mean {near[0]}?" if near else "docs/guide/recipes.md lists all settings",
    )


@cache
def _sections_by_key() -> Mapping[str, list[str]]:
    sections = defaultdict(list)
    for section, model in SECTIONS.items():
        for key in model.model_fields:
            sections[key].append(section)
    return sections


def _example(section: str) -> str:
    return next(iter(SECTIONS[section].model_fields))


def _plain(value: Any) -> Any:
    """Without None, which a recipe's file cannot hold, and with plain mappings and strings."""
    if isinstance(value, Mapping):
        return {key: _plain(inner) for key, inner in value.items() if inner is not None}
    if isinstance(value, Path):
        return str(value)
    return value
