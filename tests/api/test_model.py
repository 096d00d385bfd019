"""Fitting, recommending, saving and loading from Python."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import shoptalk
from tests.api.conftest import ITEMS, SMALL


def test_the_defaults_are_item_tokens_with_the_scorer_and_a_final_fit(model: shoptalk.Model) -> None:
    recipe = model.recipe
    assert (recipe.prompt.task, recipe.prompt.style) == ("next_item", "bare")
    assert recipe.items.transition_text
    assert recipe.training.refit
    assert repr(model).startswith("Model(task='next_item', items=12, folder=")


def test_recommendations_are_a_table(model: shoptalk.Model, data: shoptalk.Dataset) -> None:
    table = model.recommend(["u0", "u5"], k=3)
    assert list(table.columns) == ["user_id", "item_id", "rank", "score"]
    assert table["user_id"].tolist() == ["u0"] * 3 + ["u5"] * 3
    assert table["rank"].tolist() == [1, 2, 3] * 2
    for user, rows in table.groupby("user_id"):
        assert rows["score"].is_monotonic_decreasing
        assert not set(rows["item_id"]) & set(data.history(str(user)).items)
    assert model.recommend("u0", k=3).equals(table[table["user_id"] == "u0"])


def test_histories_of_ids_and_titles(model: shoptalk.Model) -> None:
    by_id = model.recommend(histories=[["i1", "i2"], []], k=2)
    assert by_id["user_id"].tolist() == [0, 0, 1, 1]
    by_title = model.recommend(histories=[["mint soap 1", "oak soap 2"]], k=2)
    assert by_title["item_id"].tolist() == by_id["item_id"].tolist()[:2]


def test_everything_may_be_recommended_again(model: shoptalk.Model) -> None:
    assert len(model.recommend("u0", k=100, exclude_history=False)) == ITEMS
    assert len(model.recommend("u0", k=100)) == ITEMS - 6


def test_conditions(model: shoptalk.Model) -> None:
    table = model.recommend("u0", k=100, exclude_history=False, min_price=4, max_price=8, deny=["i5"])
    assert set(table["item_id"]) == {"i4", "i6", "i7", "i8"}
    assert set(model.recommend("u0", options=["i1", "i9"])["item_id"]) == {"i1", "i9"}
    with pytest.raises(shoptalk.ShoptalkError, match="no product is left"):
        model.recommend("u0", min_price=1000)


def test_explanations_add_up_from_the_history(model: shoptalk.Model, data: shoptalk.Dataset) -> None:
    table = model.recommend("u0", k=2, explain=True)
    for because in table["because"]:
        assert {item for item, _ in because} == set(data.history("u0").items)
    for because, reason in zip(table["because"], table["reason"], strict=True):
        title = data.catalogue[because[0][0]].title
        assert reason is None or reason.startswith(f"Because you have bought “{title}”: ")
    assert table["reason"].notna().any()


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({}, "say whom to recommend to"),
        ({"users": "u0", "histories": [["i1"]]}, "say whom to recommend to"),
        ({"users": "u999"}, "no user 'u999'"),
        ({"histories": [["unknown thing"]]}, "no product fits"),
    ],
)
def test_whom_it_cannot_recommend_to(model: shoptalk.Model, asked: dict[str, Any], says: str) -> None:
    with pytest.raises(shoptalk.ShoptalkError, match=says):
        model.recommend(**asked)


def test_a_saved_model_is_loaded_anywhere(model: shoptalk.Model, tmp_path: Path) -> None:
    folder = model.save(tmp_path / "model")
    moved = folder.rename(tmp_path / "moved")
    pd.testing.assert_frame_equal(shoptalk.load(moved).recommend("u1"), model.recommend("u1"))
    assert shoptalk.load(moved).data.folder == moved / "dataset"
    with pytest.raises(shoptalk.ShoptalkError, match="this folder exists"):
        model.save(moved)


def test_another_task_begins_with_its_own_defaults(data: shoptalk.Dataset, tmp_path: Path) -> None:
    small = {name: value for name, value in SMALL.items() if name != "dimensions"}
    model = shoptalk.fit(
        data,
        task="generate_title",
        generate=2,
        baselines=("popularity",),
        out=tmp_path / "run",
        progress=False,
        **small,
    )
    assert model.folder == tmp_path / "run"
    assert (model.recipe.prompt.style, model.recipe.training.refit) == ("alpaca", False)
    assert model.recommend("u0", k=1)["rank"].tolist() == [1]


def test_a_recipe_of_other_data_is_refused(data: shoptalk.Dataset) -> None:
    with pytest.raises(shoptalk.ShoptalkError, match="the dataset was made with other settings"):
        shoptalk.fit(data, split={"method": "by-time"}, progress=False, **SMALL)
