"""Tasks are found by name and checked with their recipe; other modules do not depend on which task it is."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import shoptalk
from shoptalk.errors import RecipeError
from shoptalk.recipe import parse_recipe
from shoptalk.tasks import check_recipe, get_task, load_recipe, register, task_names, unregister
from shoptalk.tasks.generate_title import GenerateTitle

SOURCE = Path(shoptalk.__file__).parent
DOCS = Path(__file__).parents[2] / "docs"
DATA = {"source": "table", "interactions": "purchases.csv"}


@pytest.mark.parametrize("name", task_names())
def test_every_task_is_known_by_its_own_name(name: str) -> None:
    task = get_task(name)
    assert task.name == name
    assert task.summary[0].islower()
    assert "validation_loss" in task.validation_metrics


def test_an_unknown_task_is_an_error_with_the_nearest_name() -> None:
    with pytest.raises(RecipeError, match="unknown task 'multiple_choise'.*did you mean multiple_choice"):
        get_task("multiple_choise")


@pytest.mark.parametrize(
    ("sections", "says"),
    [
        ({"prompt": {"task": "multiple_choice"}}, r"needs a \[candidates\] section"),
        ({"prompt": {"task": "pointwise", "style": "bare"}}, 'cannot use prompt.style = "bare"'),
        ({"prompt": {"task": "generate_title", "answer": "letter"}}, 'cannot use prompt.answer = "letter"'),
        (
            {"prompt": {"task": "generate_ids"}, "training": {"choice_epochs": 1}, "candidates": {}},
            "cannot use training",
        ),
        ({"prompt": {"task": "generate_title"}, "training": {"choice_epochs": 1}}, r"needs a \[candidates\] section"),
        ({"prompt": {"task": "generate_title"}}, "cannot be evaluated without options"),
        ({"prompt": {"task": "generate_reason", "style": "plain"}}, "cannot be evaluated without options"),
        ({"candidates": {}, "prompt": {"fields": ["title", "brand"]}}, "the column 'brand' needs a file of items"),
    ],
)
def test_a_recipe_that_a_task_cannot_use_is_refused(sections: dict, says: str) -> None:
    with pytest.raises(RecipeError, match=says):
        check_recipe(parse_recipe({"data": DATA, **sections}))


def test_a_recipe_that_fits_passes() -> None:
    check_recipe(parse_recipe({"data": DATA, "candidates": {}}))
    check_recipe(parse_recipe({"data": DATA, "prompt": {"task": "next_item", "style": "bare"}}))
    check_recipe(parse_recipe({"data": DATA, "prompt": {"task": "pointwise"}}))  # evaluated by the ratings
    texts = {"prompt": {"task": "generate_title"}, "evaluation": {"generate": 10}}
    check_recipe(parse_recipe({"data": DATA, **texts}))
    fields = {"fields": ["title", "brand", "review"]}
    check_recipe(parse_recipe({"data": DATA | {"items": "items.csv"}, "candidates": {}, "prompt": fields}))


class ColumnTask(GenerateTitle):
    """Reads the brand of items and the reviews of interactions."""

    name = "columns"
    columns = ("brand", "review")


@pytest.fixture
def column_task() -> Iterator[None]:
    register(ColumnTask())
    yield
    unregister("columns")


@pytest.mark.usefixtures("column_task")
def test_a_column_that_the_task_needs_must_be_kept(tmp_path: Path) -> None:
    data = DATA | {"items": "items.csv"}
    sections = {"candidates": {}, "prompt": {"task": "columns"}}
    with pytest.raises(RecipeError, match=r"needs the column 'brand'.*put \"brand\" into data.keep"):
        check_recipe(parse_recipe({"data": data, **sections}))
    data["keep"] = ["brand"]
    with pytest.raises(RecipeError, match=r"needs the column 'review'.*put \"review\" into prompt.fields"):
        check_recipe(parse_recipe({"data": data, **sections}))
    sections["prompt"] = {"task": "columns", "fields": ["title", "review"]}
    check_recipe(parse_recipe({"data": data, **sections}))
    del data["items"]
    with pytest.raises(RecipeError, match="the column 'brand' needs a file of items"):
        check_recipe(parse_recipe({"data": data, **sections}))
    path = tmp_path / "recipe.toml"
    path.write_text('[data]\nsource = "table"\ninteractions = "p.csv"\n[candidates]\n[prompt]\ntask = "columns"\n')
    with pytest.raises(RecipeError) as caught:
        load_recipe(path)
    assert caught.value.where == f"{path}:6"


def test_the_table_of_the_glossary_lists_every_task_with_its_summary() -> None:
    page = (DOCS / "glossary.md").read_text(encoding="utf-8")
    table = page.split("### Tasks\n")[1].split("\n### ")[0]
    rows = re.findall(r"^\| `(\w+)` \| (.+) \|$", table, re.MULTILINE)
    assert rows == [(name, get_task(name).summary) for name in task_names()]


def test_the_guide_lists_every_task_as_a_value_of_its_setting() -> None:
    page = (DOCS / "guide" / "recipes.md").read_text(encoding="utf-8")
    values = re.search(r"^\| `\[prompt\]` \| `task`[^:]*: ([^;]+);", page, re.MULTILINE)
    assert values
    assert re.findall(r"`(\w+)`", values[1]) == list(task_names())


def test_no_other_module_depends_on_the_name_of_the_task() -> None:
    """No comparison of a task's name, and no isinstance of a recommender, anywhere but in ``tasks/``."""
    comparisons = [
        f"{path.relative_to(SOURCE)}:{node.lineno}"
        for path in sorted(SOURCE.rglob("*.py"))
        if "tasks" not in path.relative_to(SOURCE).parts
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if _depends_on_task(node)
    ]
    assert comparisons == []


def _depends_on_task(node: ast.AST) -> bool:
    if isinstance(node, ast.Compare):
        return any(isinstance(part, ast.Attribute) and part.attr == "task" for part in [node.left, *node.comparators])
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "isinstance":
        return "Recommender" in ast.unparse(node.args[1])
    return isinstance(node, ast.Subscript) and ast.unparse(node.slice).endswith(".task")
