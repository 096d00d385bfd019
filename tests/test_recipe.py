"""Recipes: strict, frozen, with errors that name the line and the nearest key."""

from pathlib import Path

import pytest

from shoptalk.errors import RecipeError
from shoptalk.recipe import read_recipe, resolve, with_settings
from shoptalk.tasks import load_recipe

TEXT = """\
name = "small"

[data]
source = "table"
interactions = "purchases.csv"

[candidates]
options = 4
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "recipe.toml"
    path.write_text(text)
    return path


def test_what_is_written_reads_back_the_same(tmp_path: Path) -> None:
    recipe = read_recipe(written(tmp_path, TEXT))
    assert read_recipe(written(tmp_path, recipe.to_toml())) == recipe


@pytest.mark.parametrize(
    ("added", "line", "says", "hint"),
    [
        ('\n[prompt]\nstile = "plain"\n', 11, "unknown key prompt.stile", "style"),
        ("\n[promt]\n", 10, "unknown key promt", "prompt"),
        ("\n[training]\nepochs = -1\n", 11, "greater than or equal to 0", None),
        ('\n[training]\nepochs = "3"\n', 11, "valid integer", None),
        ("\n[split]\nfractions = [0.5, 0.1, 0.1]\n", 10, "sum to 1, not 0.7", None),
        (
            '\n[prompt]\ntask = "generate_title"\nanswer = "letter"\n',
            12,
            'cannot use prompt.answer = "letter"',
            "title",
        ),
        (
            '\n[prompt]\ntask = "generate_tittle"\n',
            11,
            "unknown task 'generate_tittle'",
            "did you mean generate_title?",
        ),
        (
            '\n[prompt]\ntask = "pointwise"\n[training]\nchoice_epochs = 1\n',
            13,
            "cannot use training.choice_epochs",
            None,
        ),
        ("\n[split\n", 10, "not valid TOML", None),
    ],
)
def test_an_error_names_the_line_and_the_nearest_key(
    tmp_path: Path, added: str, line: int | None, says: str, hint: str | None
) -> None:
    path = written(tmp_path, TEXT + added)
    with pytest.raises(RecipeError) as caught:
        load_recipe(path)
    assert says in caught.value.message
    assert caught.value.where == (f"{path}:{line}" if line else str(path))
    assert hint is None or hint in (caught.value.hint or "")


def test_settings_lie_over_the_file(tmp_path: Path) -> None:
    settings = ["training.epochs=7", "split.fractions=[0.7, 0.15, 0.15]", "prompt.style=plain", "name=other"]
    recipe = read_recipe(written(tmp_path, TEXT), settings, seed=9)
    assert recipe.training.epochs == 7
    assert recipe.split.fractions == (0.7, 0.15, 0.15)
    assert recipe.prompt.style == "plain"
    assert (recipe.name, recipe.seed) == ("other", 9)


@pytest.mark.parametrize(
    ("setting", "says"),
    [
        ("training.epochs=-1", "greater than or equal to 0"),
        ("training.epoch=1", "unknown key training.epoch"),
        ("trainig.epochs=1", "unknown key trainig"),
        ("split.fractions=[0.5, 0.1, 0.1]", "sum to 1, not 0.7"),
        ("data.reviews=reviews.json", "name exactly one of `reviews` and `interactions`"),
        ("data.source=tabel", "unknown source tabel (did you mean table?)"),
        ("evaluation.baselines=['popular']", "unknown baseline popular (did you mean popularity?)"),
        ("items.cold_start_items=true", "items.cold_start_items needs"),
        ("prompt.task=generate_tittle", "unknown task 'generate_tittle'"),
        ("prompt.answer=letter", 'cannot use prompt.answer = "letter"'),
        ("training.choice_epochs=1", "cannot use training.choice_epochs"),
        ("sweep.space={lora.r = [4, 0]}", "the sweep cannot try lora.r = 0"),
    ],
)
def test_an_error_in_an_option_names_the_option(tmp_path: Path, setting: str, says: str) -> None:
    path = written(tmp_path, TEXT + '[prompt]\ntask = "pointwise"\n[split]\n[training]\nepochs = 2\n')
    with pytest.raises(RecipeError) as caught:
        load_recipe(path, ["model.layers=2", setting])
    assert says in caught.value.message
    assert caught.value.where == f"--set {setting}"


def test_an_error_of_the_file_names_its_line_beside_options(tmp_path: Path) -> None:
    path = written(tmp_path, TEXT + "[training]\nepochs = -1\n")
    with pytest.raises(RecipeError) as caught:
        load_recipe(path, ["training.patience=1"])
    assert caught.value.where == f"{path}:10"


def test_an_option_of_evaluate_is_named(tmp_path: Path) -> None:
    recipe = read_recipe(written(tmp_path, TEXT))
    with pytest.raises(RecipeError) as caught:
        with_settings(recipe, ["evaluation.resamples=1"], None, "evaluation")
    assert caught.value.where == "--set evaluation.resamples=1"


@pytest.mark.parametrize("setting", ["epochs", "=3", "a.b.c=1", "name.x=1", "training.=1"])
def test_a_setting_that_makes_no_sense(tmp_path: Path, setting: str) -> None:
    with pytest.raises(RecipeError):
        read_recipe(written(tmp_path, TEXT), [setting])


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"a = [" + b"[" * 5000])
def test_a_file_that_is_no_recipe(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "recipe.toml"
    path.write_bytes(content)
    with pytest.raises(RecipeError):
        load_recipe(path)


def test_a_folder_or_nothing_is_no_recipe(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none.toml"):
        with pytest.raises(RecipeError, match="cannot be read"):
            load_recipe(path)


def test_the_data_folder_is_filled_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOPTALK_DATA", "/somewhere")
    assert resolve("${SHOPTALK_DATA}/x.csv") == Path("/somewhere/x.csv")
    monkeypatch.delenv("SHOPTALK_DATA")
    assert resolve("${SHOPTALK_DATA}/x.csv") == Path("data/x.csv")
