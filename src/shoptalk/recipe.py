"""Recipe: one experiment, a TOML file read into strict, frozen models.

An unknown key is an error that names its nearest match. Every error names the file and, where it can, the line, or the
``--set`` option that gave the value.
"""

import os
import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Self

import tomli_w
from pydantic import Field, ValidationError, model_validator

from shoptalk.config_errors import Origin, explain, named_settings
from shoptalk.errors import RecipeError
from shoptalk.recipe_sections import (
    SPREADSHEET_DAYS,
    TIME_UNITS,
    Auto,
    CandidatesSection,
    Cleaning,
    CrowdKind,
    CrowdTemplate,
    Data,
    Evaluation,
    GraphForm,
    Items,
    Lora,
    Model,
    Natural,
    Pretraining,
    Prompt,
    SplitSection,
    Teacher,
    Training,
    decided,
)
from shoptalk.schema import CATEGORIES, REVIEW, TITLE
from shoptalk.sweep_config import MOST, Section, Sweep
from shoptalk.urls import without_password

__all__ = [
    "SPREADSHEET_DAYS",
    "TIME_UNITS",
    "Auto",
    "CandidatesSection",
    "Check",
    "Cleaning",
    "CrowdKind",
    "CrowdTemplate",
    "Data",
    "Evaluation",
    "GraphForm",
    "Items",
    "Lora",
    "Model",
    "Pretraining",
    "Prompt",
    "Recipe",
    "SplitSection",
    "Teacher",
    "Training",
    "decided",
    "parse_recipe",
    "read_recipe",
    "resolve",
    "with_settings",
]


class Recipe(Section):
    """One experiment."""

    name: str = Field("", description="name of the experiment, shown in reports")
    seed: Natural = Field(1, description="seed of everything random; `--seed` sets it")
    data: Data
    split: SplitSection = SplitSection()
    candidates: CandidatesSection | None = Field(None, description="without it, no options are drawn")
    prompt: Prompt = Prompt()
    model: Model = Model()
    lora: Lora = Lora()
    items: Items = Items()
    pretraining: Pretraining = Pretraining()
    training: Training = Training()
    evaluation: Evaluation = Evaluation()
    teacher: Teacher | None = Field(None, description="for `shoptalk teach`; other commands ignore it")
    sweep: Sweep | None = Field(None, description="for `shoptalk sweep`; other commands ignore it")

    @model_validator(mode="after")
    def _are_consistent(self) -> Self:
        if self.items.transition_text and self.items.encoder == "none":
            raise ValueError("items.transition_text needs the text of items: items.encoder must not be `none`")
        if self.items.cold_start_items and not (self.items.transition_text and self.training.refit):
            raise ValueError("items.cold_start_items needs items.transition_text and training.refit")
        if self.items.second_stage != "off" and self.items.cold_start_items:
            raise ValueError("items.second_stage and items.cold_start_items exclude each other")
        if self.training.extra_ratio is not None and not self.training.extra:
            raise ValueError("training.extra_ratio needs training.extra")
        return self

    @property
    def data_seed(self) -> int:
        """The seed of the split and of the options: ``data.seed``, or without one the seed of the recipe."""
        return self.seed if self.data.seed is None else self.data.seed

    @property
    def kept_columns(self) -> frozenset[str]:
        """Columns that `prepare` keeps besides ids, times, ratings and titles."""
        columns = {*map(str, self.prompt.fields), *self.data.keep} - {TITLE, "token"}
        by_category = self.candidates is not None and self.candidates.negatives == "same-category"
        if by_category or self.data.min_categories > 0:
            columns.add(CATEGORIES)
        if self.pretraining.epochs and "first_order" in self.pretraining.prompts:
            columns.add(REVIEW)
        return frozenset(columns)

    def at(self, point: Mapping[str, Any]) -> "Recipe":
        """The recipe of one configuration of the sweep, without the section ``[sweep]``.

        Raises
        ------
        RecipeError
            For settings that are not valid together.
        """
        content = _without_none(self.model_dump(exclude={"sweep"}))
        for key, value in point.items():
            section, name = key.split(".")
            content.setdefault(section, {})[name] = value
        recipe = parse_recipe(content)
        if missing := set(recipe.prompt.fields) - set(self.prompt.fields):
            raise RecipeError(f"the section [prompt] of the recipe needs {', '.join(sorted(missing))} in prompt.fields")
        return recipe

    def to_toml(self) -> str:
        """The recipe with all defaults, as TOML that reads back to the same recipe."""
        return tomli_w.dumps(_without_none(self.model_dump(mode="json")))


#: Raises a `RecipeError` for a recipe that its task cannot use, or whose task does not measure the metric of a sweep.
Check = Callable[["Recipe", str | None], None]


#: Adds default settings to the parsed content of a recipe.
Complete = Callable[[Mapping[str, Any]], dict[str, Any]]


def _no_check(recipe: Recipe, metric: str | None) -> None:
    """Accept any recipe, for recipes that were checked before."""


def read_recipe(
    path: Path,
    overrides: Sequence[str] = (),
    seed: int | None = None,
    *,
    complete: Complete = dict,
    check: Check = _no_check,
) -> Recipe:
    """Read a recipe and apply settings of the command line to it.

    Parameters
    ----------
    overrides
        Settings as ``section.key=value`` that replace those of the file.
    seed
        Replaces the seed of the file.
    complete
        Adds the defaults of the task to the parsed content (see `shoptalk.tasks.load_recipe`).
    check
        Raises a `RecipeError` for a recipe that its task cannot use.

    Raises
    ------
    RecipeError
        With file and line or the option ``--set``, and the nearest known key for an unknown one.
    """
    text = _read_text(path)
    try:
        content = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        line = re.search(r"line (\d+)", str(error))
        raise RecipeError(f"not valid TOML: {error}", where=f"{path}:{line[1]}" if line else str(path)) from error
    keys = [_override(content, override) for override in overrides]
    if seed is not None:
        content["seed"] = seed
    return _parse(complete(content), Origin(str(path), text, _options(keys, overrides)), check)


def with_settings(recipe: Recipe, overrides: Sequence[str], seed: int | None, only: str) -> Recipe:
    """A recipe with other settings in one section, and another seed.

    Raises
    ------
    RecipeError
        For settings of other sections, which decided how the recipe's run was trained.
    """
    content = _without_none(recipe.model_dump())
    for override in overrides:
        if not override.startswith(f"{only}."):
            raise RecipeError(f"only settings of [{only}] can be changed here, not {override}")
    keys = [_override(content, override) for override in overrides]
    if seed is not None:
        content["data"]["seed"] = recipe.data_seed  # the dataset does not change
        content["seed"] = seed
    return _parse(content, Origin(options=_options(keys, overrides)), _no_check)


def parse_recipe(content: dict[str, Any], where: str = "recipe") -> Recipe:
    """Make a recipe of parsed TOML; errors name ``where`` as the place."""
    return _parse(content, Origin(where), _no_check)


def _parse(content: dict[str, Any], origin: Origin, check: Check) -> Recipe:
    """Make a recipe of parsed TOML and check it; errors name the line or option that they come from."""
    try:
        recipe = Recipe.model_validate(_as_tuples(content))
    except ValidationError as error:
        raise explain(error, Recipe, origin) from error
    try:
        check(recipe, None)
    except RecipeError as error:
        where = origin.place([*named_settings(error.message), ["prompt", "task"]], error.message)
        raise RecipeError(error.message, where=where, hint=error.hint) from error
    if recipe.sweep is not None:
        _check_sweep(recipe, recipe.sweep, origin, check)
    return recipe


def _check_sweep(recipe: Recipe, sweep: Sweep, origin: Origin, check: Check) -> None:
    """Make sure that every configuration of a sweep is a valid recipe, before any of them is trained."""
    for point in islice(sweep.points(), MOST):
        try:
            check(recipe.at(point), sweep.metric)
        except RecipeError as error:
            named = [key for part in (2, 1) for key in point if ".".join(key.split(".")[:part]) in error.message]
            section = "configurations" if sweep.configurations else "space"
            settings = ", ".join(f"{key} = {value}" for key, value in point.items())
            raise RecipeError(
                f"the sweep cannot try {settings}: {error.message.removeprefix('the recipe: ')}",
                where=origin.place([["sweep", section, *named[:1]]]),
                hint=error.hint,
            ) from error


def resolve(path: str) -> Path:
    """A path of a recipe, with ``${SHOPTALK_DATA}`` filled in (the folder ``data`` where it is not set)."""
    whole = Path(path.replace("${SHOPTALK_DATA}", os.environ.get("SHOPTALK_DATA") or "data"))
    try:
        return whole.expanduser()
    except RuntimeError:  # "~name.csv" is a file, where there is no user of that name
        return whole


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = "is not UTF-8 text"
        if isinstance(error, OSError):
            reason = (error.strerror or "cannot be read").lower()
        raise RecipeError(
            f"the recipe cannot be read: {reason}", where=str(path), hint="see recipes/ for examples"
        ) from error


def _override(content: dict[str, Any], override: str) -> str:
    """Set the value of ``section.key=value`` in parsed TOML; returns ``section.key``."""
    key, equals, value = override.partition("=")
    parts = key.strip().split(".")
    if not equals or not all(parts) or len(parts) > 2:
        raise RecipeError(f"cannot understand --set {without_password(override)}", hint="write --set section.key=value")
    try:
        parsed = tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        parsed = value.strip()
    table = content
    for part in parts[:-1]:
        table = table.setdefault(part, {})
        if not isinstance(table, dict):
            raise RecipeError(f"--set {override}: {part} is not a section")
    table[parts[-1]] = parsed
    return ".".join(parts)


def _options(keys: Sequence[str], overrides: Sequence[str]) -> dict[str, str]:
    """Setting -> the option of the command line that gave it; the last one counts."""
    return {key: f"--set {without_password(override)}" for key, override in zip(keys, overrides, strict=True)}


def _as_tuples(value: Any) -> Any:
    """TOML arrays as tuples, and whole numbers kept: strict models want the exact type."""
    if isinstance(value, dict):
        return {key: _as_tuples(inner) for key, inner in value.items()}
    return tuple(_as_tuples(inner) for inner in value) if isinstance(value, list) else value


def _without_none(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_none(inner) for key, inner in value.items() if inner is not None}
    return value
