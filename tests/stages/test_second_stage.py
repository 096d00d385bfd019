"""A trained model with a second stage: chosen, written, loaded, explained, and extended with new items."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from shoptalk.data.dataset import open_dataset
from shoptalk.data.prepare import prepare
from shoptalk.data.sample import write_sample
from shoptalk.errors import RecipeError, RunError
from shoptalk.progress import silent
from shoptalk.recipe import read_recipe
from shoptalk.recommend.items import ItemRecommender
from shoptalk.runs import open_run
from shoptalk.second_stage.ranker import TreeSettings
from shoptalk.second_stage.reranked import RerankedModel
from shoptalk.second_stage.storage import CARD
from shoptalk.stages import second_stage, train
from shoptalk.stages.catalogue import add_items
from shoptalk.stages.load_dataset import open_run_dataset
from shoptalk.stages.recommend import RecommendRequest, recommend
from shoptalk.stages.trained_run import open_trained_run
from tests.stages.conftest import SMALL

SETTINGS = [
    *SMALL,
    "split.method=leave-one-out",
    "split.history=0",
    "training.refit=true",
    "items.second_stage=auto",
]


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run whose second stage is used, whatever validation says of so small a model."""
    folder = tmp_path_factory.mktemp("second")
    write_sample(folder, users=320, items=60)
    recipe = read_recipe(folder / "recipe.toml", SETTINGS)
    prepare(recipe, folder / "dataset")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(train, "is_better", lambda choice: True)
        small = second_stage.Settings(depth=15, choosing=50, trees=TreeSettings(trees=30, smallest_leaf=20))
        patch.setattr(second_stage, "SETTINGS", small)
        train.train(recipe, open_dataset(folder / "dataset"), folder / "run", silent)
    return folder / "run"


def open_model(folder: Path) -> RerankedModel:
    model = open_trained_run(open_run(folder)).recommender
    assert isinstance(model, RerankedModel)
    return model


def test_the_run_reports_what_was_chosen(run_folder: Path) -> None:
    report = json.loads((run_folder / "run.json").read_text())["training"]["ranking"]
    assert {"model", "transition_text", "linear"} <= report["ndcg"].keys()
    assert report["ndcg"][report["chosen"]] == max(report["ndcg"].values())
    assert report["calibration_error"] <= report["uncalibrated_error"] + 0.02
    assert open_run(run_folder).ranking_method == report["chosen"]


def test_recommendations_name_the_method(run_folder: Path) -> None:
    trained = open_trained_run(open_run(run_folder))
    user = trained.dataset.split().test[0].history.user_id
    (result,) = recommend(trained, RecommendRequest(users=[user], k=3), silent)
    assert result.method == trained.run.ranking_method
    (explained,) = recommend(trained, RecommendRequest(users=[user], k=3, explain=True), silent)
    for item in explained.items:
        effects = [abs(part.effect) for part in item.sources]
        assert effects == sorted(effects, reverse=True)
        assert {"model", "transition_text", "popularity"} <= {part.source for part in item.sources}


def test_lists_come_from_the_second_stage(run_folder: Path) -> None:
    run = open_run(run_folder)
    histories = [case.history for case in open_run_dataset(run).split().test[:20]]
    model = open_model(run_folder)
    assert np.abs(model.score_all(histories) - model.first_stage.score_all(histories)).max() > 0.1
    fitted = open_run_dataset(run).split()
    bought = sum(len(history.items) for history in fitted.train) + len(fitted.validation)
    assert model.tables.counts.sum() == bought  # rebuilt with validation purchases
    assert model.explain(histories[0], [model.items[0]])[0]
    assert "model" in model.contributions(histories[0], [model.items[0]])[0]


def test_new_items_join(run_folder: Path, tmp_path: Path) -> None:
    items = tmp_path / "new.json"
    items.write_text(json.dumps({"item_id": "NEW1", "title": "A new thing", "brand": "Some"}) + "\n")
    before = len(open_model(run_folder).items)
    copy = Path(shutil.copytree(run_folder, tmp_path / "run"))
    assert add_items(copy, items)["added"] == 1
    model = open_model(copy)
    assert model.items[-1] == "NEW1"
    assert len(model.tables.counts) == before + 1
    assert np.isfinite(model.score_all([open_run_dataset(open_run(run_folder)).split().test[0].history])).all()


def test_a_run_that_has_lost_its_second_stage_is_refused(run_folder: Path, tmp_path: Path) -> None:
    run = open_run(Path(shutil.copytree(run_folder, tmp_path / "run")))
    (run.model / CARD).unlink()
    with pytest.raises(RunError, match=f"{CARD} is missing"):
        open_trained_run(run)


def test_a_run_without_one_ranks_as_before(run_folder: Path, tmp_path: Path) -> None:
    run = open_run(Path(shutil.copytree(run_folder, tmp_path / "run"))).note(files=[])
    (run.model / CARD).unlink()
    assert isinstance(open_trained_run(run).recommender, ItemRecommender)


def test_it_excludes_the_cold_start_bonus(tmp_path: Path) -> None:
    write_sample(tmp_path, users=20, items=20)
    with pytest.raises(RecipeError, match="exclude each other"):
        read_recipe(tmp_path / "recipe.toml", [*SETTINGS, "items.cold_start_items=true"])
