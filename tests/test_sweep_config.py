"""The section [sweep]: its configurations, and the errors that are raised before a sweep begins."""

from pathlib import Path

import pytest

from shoptalk.errors import RecipeError
from shoptalk.recipe import Recipe
from shoptalk.tasks import load_recipe

TEXT = """\
name = "small"
[data]
source = "table"
interactions = "purchases.csv"
[candidates]
options = 4
"""
TPE = '[sweep]\nmethod = "tpe"\n'


def read(folder: Path, section: str) -> Recipe:
    path = folder / "recipe.toml"
    path.write_text(TEXT + section)
    return load_recipe(path)


@pytest.mark.parametrize("section", [
    "[sweep.space]\nlora.r = [4, 8]\ntraining.epochs = [1, 2, 3]\n",
    '[sweep.space]\n"lora.r" = [4, 8]\n"training.epochs" = [1, 2, 3]\n',
])  # fmt: skip
def test_a_grid_is_every_combination(tmp_path: Path, section: str) -> None:
    sweep = read(tmp_path, section).sweep
    assert sweep is not None
    assert sweep.keys == ("lora.r", "training.epochs")
    assert [tuple(point.values()) for point in sweep.points()] == [(4, 1), (4, 2), (4, 3), (8, 1), (8, 2), (8, 3)]
    assert sweep.size == 2 * 3


def test_configurations_are_listed_as_they_are(tmp_path: Path) -> None:
    sweep = read(tmp_path, "[[sweep.configurations]]\n[[sweep.configurations]]\nlora.r = 4\nlora.alpha = 8\n").sweep
    assert sweep is not None
    assert list(sweep.points()) == [{}, {"lora.r": 4, "lora.alpha": 8}]
    assert sweep.keys == ("lora.r", "lora.alpha")


def test_a_configuration_is_a_recipe_of_its_own(tmp_path: Path) -> None:
    recipe = read(tmp_path, "[sweep.space]\nlora.r = [4, 8]\n")
    configured = recipe.at({"lora.r": 4})
    assert configured.lora.r == 4
    assert configured.sweep is None
    assert configured == recipe.model_copy(update={"sweep": None, "lora": configured.lora})


def test_what_is_written_reads_back_the_same(tmp_path: Path) -> None:
    recipe = read(tmp_path, TPE + "[sweep.space]\nlora.r = {low = 2, high = 8}\nlora.dropout = [0.0, 0.1]\n")
    (tmp_path / "again.toml").write_text(recipe.to_toml())
    assert load_recipe(tmp_path / "again.toml") == recipe


@pytest.mark.parametrize(
    ("section", "line", "says", "hint"),
    [
        ("[sweep.space]\nlora.rank = [4]\n", 8, "unknown key lora.rank", "known here: alpha, dropout, r, targets"),
        ("[sweep.space]\nlroa.r = [4]\n", 8, "unknown key lroa", "did you mean lora?"),
        ("[sweep.space]\nlora.r = [4, 0]\n", 8, "the sweep cannot try lora.r = 0", None),
        ("[sweep.space]\nlora.r = 4\n", 7, "lora.r needs a list of values, or {low", None),
        ("[sweep.space]\nlora.r = []\n", 7, "at least one value", None),
        ("[sweep.space]\nlora.r = [4, 4]\n", 7, "each only once", None),
        ("[sweep.space]\nlora.r = [4, {}]\n", 8, "a setting's value is text, a number", None),
        ("[sweep.space]\nlora.r = {low = 2, high = 4}\n", 7, "a grid needs the values of lora.r listed", None),
        (TPE + "[sweep.space]\nlora.r = {low = 2.0, high = 4}\n", 10, "cannot try lora.r = 2.0", None),
        (TPE + "[sweep.space]\nlora.r = {low = 4, high = 2}\n", 10, "4 is not below 2", None),
        (TPE + "[sweep.space]\nlora.r = {low = 2, hihg = 4}\n", 10, "high is missing", None),
        (TPE + "[sweep.space]\nlora.r = {low = 2, high = 4, logg = true}\n", 10, "unknown key", "did you mean log?"),
        (TPE + "[sweep.space]\nlora.dropout = {low = 0, high = 0.5, log = true}\n", 10, "low must be above 0", None),
        (TPE + "[sweep.space]\nlora.dropout = {low = 0.0, high = inf}\n", 10, "finite", None),
        (TPE + "[sweep.space]\nmodel.width = {low = 64, high = 128}\n", 10, "multiple of 32", None),
        (TPE + "[[sweep.configurations]]\nlora.r = 4\n", 7, 'needs method = "grid"', None),
        ("[sweep]\nmethd = 'tpe'\n", 8, "unknown key sweep.methd", "did you mean method?"),
        ("[sweep]\n", 7, "list the configurations", None),
        ("[sweep.space]\nseed = [1, 2]\n", 7, "the best of several seeds is best by chance", None),
        ("[sweep.space]\ndata.cleaning = ['raw']\n", 7, "judged on the same cases", None),
        ("[sweep.space]\nevaluation.k = [5]\n", 7, "judged in the same way", None),
        ("[sweep.space]\nepochs = [5]\n", 7, "epochs is not a setting", None),
        ("[sweep.space]\nprompt.answer = ['title', 'letter']\n", 7, "losses under different prompt.answer", None),
        ("[sweep]\nmetric = 'accuracy'\nprune = true\n[sweep.space]\nmodel.base = ['a']\n", 7, "prune = false", None),
        ("[sweep]\nmetric = 'ndcg@10'\n[sweep.space]\nlora.r = [4]\n", 9, "is not measured for prompt.task", None),
        ("[sweep.space]\nprompt.fields = [['title', 'brand']]\n", 8, "recipe needs brand in prompt.fields", None),
        (f"[sweep.space]\nlora.r = {list(range(1, 2000))}\n", 7, "has 1,999 configurations", None),
        ("[[sweep.configurations]]\n[[sweep.configurations]]\nlora.r = 4\nlora.alpha = 'x'\n", 10, "lora.alpha", None),
    ],
)  # fmt: skip
def test_a_bad_space_is_refused_with_its_place(
    tmp_path: Path, section: str, line: int | None, says: str, hint: str | None
) -> None:
    with pytest.raises(RecipeError) as caught:
        read(tmp_path, section)
    assert says in caught.value.message
    path = tmp_path / "recipe.toml"
    assert caught.value.where == (f"{path}:{line}" if line else str(path))
    assert hint is None or hint in (caught.value.hint or "")
