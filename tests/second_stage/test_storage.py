from pathlib import Path

import numpy as np
import pytest

from shoptalk.errors import ModelError
from shoptalk.second_stage.recommender import SecondStage
from shoptalk.second_stage.sources import ModelSource
from shoptalk.second_stage.storage import CARD, TENSORS, TREES, load_second_stage, save_second_stage

from .test_fitting import fitted
from .test_sources import Fixed
from .world import split

HISTORIES = [case.history for case in split().test[:20]]


@pytest.mark.parametrize("ranker", ["linear", "lambdamart"])
def test_what_is_loaded_ranks_the_same(tmp_path: Path, ranker: str) -> None:
    if ranker == "lambdamart":
        pytest.importorskip("lightgbm")
    stage, _ = fitted(ranker)
    save_second_stage(stage, tmp_path)
    loaded = load_second_stage(tmp_path)
    assert loaded is not None
    assert np.array_equal(loaded.score_all(HISTORIES), stage.score_all(HISTORIES))
    names = {CARD, TENSORS} | ({TREES} if ranker == "lambdamart" else set())
    assert {path.name for path in tmp_path.iterdir()} == names


def test_a_folder_without_one(tmp_path: Path) -> None:
    assert load_second_stage(tmp_path) is None


@pytest.mark.parametrize("name", [CARD, TENSORS])
def test_damage_is_an_error(tmp_path: Path, name: str) -> None:
    save_second_stage(fitted()[0], tmp_path)
    path = tmp_path / name
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(ModelError, match="the second stage is damaged"):
        load_second_stage(tmp_path)


def test_damaged_trees_are_an_error(tmp_path: Path) -> None:
    pytest.importorskip("lightgbm")
    save_second_stage(fitted("lambdamart")[0], tmp_path)
    (tmp_path / TREES).write_text("no trees", encoding="utf-8")
    with pytest.raises(ModelError, match="the second stage is damaged"):
        load_second_stage(tmp_path)


def test_the_model_is_given_again(tmp_path: Path) -> None:
    stage, _ = fitted()
    model = ModelSource(Fixed(60))
    sources = [model, *stage.sources[1:]]  # of the same number of features
    save_second_stage(SecondStage(stage.items, sources, stage.tables, stage.ranker, stage.depth), tmp_path)
    with pytest.raises(ModelError, match="needs the source 'model'"):
        load_second_stage(tmp_path)
    loaded = load_second_stage(tmp_path, model)
    assert loaded is not None
    assert loaded.sources[0] is model
