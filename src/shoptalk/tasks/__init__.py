"""Tasks: what a model is asked. Each task is one file.

A new task is one module that ends in a `Task` called ``TASK``, one line in ``_TASKS`` and one mirrored test. A task of
another package is added by `register`, called by a plugin (see `shoptalk.plugins`) or by the program itself.
"""

import difflib
import importlib
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from shoptalk.errors import RecipeError, UsageError
from shoptalk.plugins import load_plugins
from shoptalk.prompts.builder import PromptBuilder
from shoptalk.recipe import Prompt, Recipe, read_recipe
from shoptalk.schema import BRAND, CATEGORIES, DESCRIPTION, FEATURES, PRICE, REVIEW, Catalogue
from shoptalk.tasks.sizes import DataSize, fill_sizes
from shoptalk.tasks.task import Task

#: Name in a recipe -> the module with the attribute ``TASK``.
_TASKS = {
    "multiple_choice": "shoptalk.tasks.multiple_choice",
    "generate_title": "shoptalk.tasks.generate_title",
    "pointwise": "shoptalk.tasks.pointwise",
    "next_item": "shoptalk.tasks.next_item",
    "generate_ids": "shoptalk.tasks.generate_ids",
    "generate_reason": "shoptalk.tasks.generate_reason",
}
#: Columns that only a file of items has.
_ITEM_COLUMNS = {BRAND, CATEGORIES, DESCRIPTION, FEATURES, PRICE}
_registered: dict[str, Task] = {}


def task_names() -> tuple[str, ...]:
    """The names of all tasks; the tasks of other packages are the last."""
    load_plugins()
    return (*_TASKS, *_registered)


def register(task: Task) -> None:
    """Register a task of another package under its name, in this process.

    Raises
    ------
    UsageError
        Where a task of this name is registered already.
    """
    if task.name in (*_TASKS, *_registered):
        raise UsageError(
            f"a task named {task.name!r} is registered already",
            hint="give the new task another name, or unregister the registered task first",
        )
    _registered[task.name] = task


def unregister(name: str) -> None:
    """Remove a task that `register` added.

    Raises
    ------
    UsageError
        Where `register` added no task of this name; the tasks of shoptalk itself cannot be removed.
    """
    if name not in _registered:
        raise UsageError(
            f"no task named {name!r} was registered", hint=f"registered here: {', '.join(_registered) or 'none'}"
        )
    del _registered[name]


def get_task(name: str) -> Task:
    """The task with a name.

    Raises
    ------
    RecipeError
        For an unknown name, with the nearest known one.

    Examples
    --------
    >>> get_task("next_item").item_tokens
    True
    """
    if name not in _TASKS:
        load_plugins()
    if name in _registered:
        return _registered[name]
    if name not in _TASKS:
        near = difflib.get_close_matches(name, task_names(), n=1)
        raise RecipeError(
            f"prompt.task: unknown task {name!r}",
            hint=f"did you mean {near[0]}?" if near else f"known here: {', '.join(task_names())}",
        )
    task: Task = importlib.import_module(_TASKS[name]).TASK
    return task


class PromptTokenizer(Protocol):
    """The part of a tokenizer that prompts need."""

    @property
    def control(self) -> Sequence[str]:
        """Texts of the control tokens."""
        ...

    @property
    def users(self) -> Collection[str]:
        """Ids of the users that have a token."""
        ...

    def encode(self, text: str) -> list[int]:
        """Token ids of a text."""
        ...


def make_prompts(prompt: Prompt, catalogue: Catalogue, tokenizer: PromptTokenizer) -> PromptBuilder:
    """The prompts of a recipe's task, the same for training and serving.

    Control tokens of the tokenizer are neutralised in every text, and fields are cut at ``prompt.field_tokens``.
    """
    task = get_task(prompt.task)
    return task.prompts(prompt, catalogue, tokenizer.control, tokenizer.users, tokenizer.encode)


def complete_settings(content: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of a recipe with the defaults of its task where it names none.

    Without ``prompt.task`` the task is next_item, or multiple_choice where there is a section ``candidates``.
    Content that is no recipe is returned as it is: parsing it reports the error.

    Examples
    --------
    >>> complete_settings({"data": {}})["prompt"]
    {'task': 'next_item', 'style': 'bare'}
    """
    sections = {name: dict(value) if isinstance(value, Mapping) else value for name, value in content.items()}
    prompt = sections.setdefault("prompt", {})
    if not isinstance(prompt, dict):
        return sections
    default = "next_item" if sections.get("candidates") is None else "multiple_choice"
    name = prompt.setdefault("task", default)
    if name not in task_names():
        return sections
    for section, settings in get_task(name).default_settings(sections).items():
        given = sections.get(section, {})
        if isinstance(given, dict):
            sections[section] = {**given, **{key: value for key, value in settings.items() if key not in given}}
    return sections


def choose_sizes(recipe: Recipe, size: DataSize) -> Recipe:
    """The recipe with the sizes that its task chooses for the data, where it says ``auto``."""
    return fill_sizes(recipe, get_task(recipe.prompt.task).sizes(size))


def check_recipe(recipe: Recipe, metric: str | None = None) -> None:
    """Make sure that a recipe's task is known, and can be trained and evaluated with its settings.

    Parameters
    ----------
    metric
        The metric of a sweep, which the task must measure on validation cases.

    Raises
    ------
    RecipeError
        Naming the setting and what to do.
    """
    task = get_task(recipe.prompt.task)
    task.check(recipe)
    _check_columns(recipe, task)
    if not task.can_evaluate(recipe):
        raise RecipeError(
            f'prompt.task = "{task.name}" cannot be evaluated without options',
            hint="give the recipe a [candidates] section, or, for a task that writes texts, set evaluation.generate",
        )
    measured = (*task.validation_metrics, *(["accuracy"] if recipe.candidates is not None else []))
    if metric is not None and metric not in measured:
        raise RecipeError(
            f'sweep.metric = "{metric}" is not measured for prompt.task = "{task.name}" in this recipe',
            hint=f"it measures: {', '.join(measured)} (accuracy with a [candidates] section)",
        )


def _check_columns(recipe: Recipe, task: Task) -> None:
    """Make sure that the dataset holds every column that the task and its prompts read.

    Raises
    ------
    RecipeError
        Naming the column and the setting that keeps it.
    """
    for column in task.columns:
        if column in recipe.kept_columns:
            continue
        cure = "prompt.fields" if column == REVIEW else "data.keep"
        raise RecipeError(
            f'prompt.task = "{task.name}" needs the column {column!r}, and the recipe does not keep it',
            hint=f'put "{column}" into {cure}',
        )
    if recipe.data.items is None and (of_items := sorted({*recipe.prompt.fields, *task.columns} & _ITEM_COLUMNS)):
        raise RecipeError(
            f"the column {of_items[0]!r} needs a file of items, and the recipe names none",
            hint=f'set data.items, or leave "{of_items[0]}" out of prompt.fields',
        )


def load_recipe(path: Path, overrides: Sequence[str] = (), seed: int | None = None) -> Recipe:
    """Read a recipe, complete it with the defaults of its task, and check it (see `shoptalk.recipe.read_recipe`).

    Raises
    ------
    RecipeError
        With file and line, and what to do.
    """
    return read_recipe(path, overrides, seed, complete=complete_settings, check=check_recipe)
