"""Judging rankings: by hand on a shop of six users, and through the whole stage."""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray

from shoptalk.baselines.chance import Chance
from shoptalk.data.dataset import Dataset, open_dataset
from shoptalk.data.prepare import prepare
from shoptalk.errors import MissingExtra, RecipeError
from shoptalk.evaluation.catalogue import score_lists
from shoptalk.progress import silent
from shoptalk.ranking import CatalogueRecommender
from shoptalk.recipe import Recipe
from shoptalk.report.page import write_report
from shoptalk.results import as_json
from shoptalk.runs import Run, create_run
from shoptalk.schema import Catalogue, History, RankedList, Split
from shoptalk.stages import baselines as fitting
from shoptalk.stages import judge as stage
from shoptalk.stages.load_dataset import run_split
from shoptalk.stages.trained_run import TrainedRun
from shoptalk.tasks.evaluate_rankings import evaluate_rankings
from shoptalk.tasks.evaluation import Columns, Evaluation
from tests.data.small_dataset import recipe_of, write_small_dataset

ITEMS = {"task": "next_item"}


class Following(CatalogueRecommender):
    """Knows that item n + 1 follows item n, and ranks the items after it by their distance."""

    name = "model"

    def __init__(self, catalogue: Catalogue, step: int = 1) -> None:
        self.items = list(catalogue)
        self.step = step

    def score_all(self, histories: Sequence[History]) -> NDArray[np.float32]:
        last = np.array([self.items.index(history.items[-1]) if history.items else 0 for history in histories])
        distance = (np.arange(len(self.items))[None, :] - last[:, None] - self.step) % len(self.items)
        return -distance.astype(np.float32)


@pytest.fixture
def shop(tmp_path: Path) -> Dataset:
    """User n had items n .. n + 3 and bought n + 4 next: ten items, six users."""
    write_small_dataset(tmp_path)
    prepare(recipe(tmp_path), tmp_path / "dataset")
    return open_dataset(tmp_path / "dataset")


def recipe(folder: Path, **sections: Any) -> Recipe:
    return recipe_of(folder, **{"candidates": None, "prompt": ITEMS, "evaluation": {"resamples": 100}, **sections})


def run_of(folder: Path, shop: Dataset, made: Recipe | None = None) -> Run:
    run = create_run(folder / "run", made or recipe(folder), shop.folder, shop.fingerprint)
    run.model.mkdir()
    return run.note(trained=True, training={"seconds": 1.0})


def judge(run: Run, shop: Dataset, model: Any, others: Mapping[str, Any]) -> tuple[Any, Columns]:
    split = run_split(run, shop)
    judged = evaluate_rankings(Evaluation(run.recipe, shop.catalogue, split, model, others, run.folder, silent))
    return as_json(judged.result), judged.columns


def test_a_perfect_model_by_hand(tmp_path: Path, shop: Dataset) -> None:
    run = run_of(tmp_path, shop)
    # The other method begins one item too late and so names the right one last: sixth, as four of ten items are
    # history and left out.
    report, columns = judge(run, shop, Following(shop.catalogue), {"item_knn": Following(shop.catalogue, 2)})
    metrics = report["metrics"]
    assert metrics["recall@10"] == {"value": 1, "low": 1, "high": 1, "n": 6}
    assert (metrics["mrr@5"]["value"], metrics["precision@10"]["value"]) == (1, pytest.approx(1 / 10))
    assert report["baselines"]["item_knn"]["mrr@10"]["value"] == pytest.approx(1 / 6)
    assert report["baselines"]["item_knn"]["recall@5"]["value"] == 0
    assert report["versus"]["item_knn"]["ndcg@10"]["difference"] == pytest.approx(1 - 1 / math.log2(7))
    assert report["versus"]["item_knn"]["recall@10"]["p"] == 1  # both find it within ten
    assert (metrics["repeat_share"]["value"], metrics["echo_share"]["value"], metrics["invalid_share"]["value"]) == (
        0, 0, 0,
    )  # fmt: skip
    assert metrics["coverage@10"]["value"] == 1  # each of the ten items is left to somebody
    assert columns["ranked"][0] == ["i04", "i05", "i06", "i07", "i08", "i09"]
    assert columns["ranked_item_knn"][0] == ["i05", "i06", "i07", "i08", "i09", "i04"]
    # Training holds the items n .. n + 2 of user n = 0 .. 5, so items 8 and 9 are cold: the truths of users 4 and 5.
    assert metrics["cold_recall@10"] == {"value": 1, "low": 1, "high": 1, "n": 2}
    segments = report["segments"]
    assert segments["cold"]["warm"]["model"]["recall@10"]["n"] == 4
    assert list(segments["history"]) == ["3-4"]
    assert list(segments["ties"]) == ["untied"]
    assert sum(own["model"]["recall@10"]["n"] for own in segments["popularity"].values()) == 4


def test_swapped_histories_lose_what_was_personal(tmp_path: Path, shop: Dataset) -> None:
    class Last(Following):
        """Recommends the next item and nothing else."""

        def score_all(self, histories: Sequence[History]) -> NDArray[np.float32]:
            scores = super().score_all(histories)
            return np.where(scores == 0, scores, -np.inf).astype(np.float32)

    given: list[list[History]] = []

    class Spy(Last):
        def score_all(self, histories: Sequence[History]) -> NDArray[np.float32]:
            given.append(list(histories))
            return super().score_all(histories)

    report, _ = judge(run_of(tmp_path, shop), shop, Spy(shop.catalogue), {})
    metrics = report["metrics"]
    assert metrics["recall@10"]["value"] == 1
    assert metrics["swapped_recall@10"]["value"] == 0  # everybody is told another's next item
    assert metrics["personalisation_gap"]["value"] == 1
    own, swapped = given
    for case, history in zip(shop.split("last").test, swapped, strict=True):
        assert history.user_id != case.history.user_id
        assert not set(case.targets) & set(history.items)  # else it would be excluded from the list
    assert [history.user_id for history in own] == [case.history.user_id for case in shop.split("last").test]


def test_a_model_that_writes_its_lists(tmp_path: Path, shop: Dataset) -> None:
    class Writer:
        """Says one right item, then one that does not exist, which it leaves out and counts."""

        repeat_share = invalid_share = np.empty(0)

        def rank(self, histories: Sequence[History], k: int, **rest: Any) -> list[RankedList]:
            self.invalid_share, self.repeat_share = np.full(len(histories), 1 / 2), np.zeros(len(histories))
            return [
                RankedList(history.user_id, (f"i{int(history.items[-1][1:]) + 1:02}",), (0.0,)) for history in histories
            ]

    report, columns = judge(run_of(tmp_path, shop), shop, Writer(), {})
    assert report["metrics"]["recall@20"]["value"] == 1  # a list shorter than k is fine
    assert report["metrics"]["invalid_share"] == {"value": 0.5, "low": 0.5, "high": 0.5, "n": 6}
    assert columns["ranked"][0] == ["i04"]


def test_the_stage_writes_what_score_reads(tmp_path: Path, shop: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    made = recipe(tmp_path, evaluation={"resamples": 100, "baselines": ("item_knn", "svd", "als", "chance")})
    run = run_of(tmp_path, shop, made)

    def learn(name: str, split: Split, catalogue: Catalogue, seed: int) -> object:
        assert not split.refit  # the run's model has not seen validation purchases either
        if name == "svd":
            raise MissingExtra("surprise is not installed")
        if name == "als":
            raise RecipeError("there is nothing to learn from")
        return Chance(catalogue) if name == "chance" else Following(catalogue, 3)

    monkeypatch.setattr(fitting, "make_baseline", learn)
    trained = TrainedRun(run, shop, Following(shop.catalogue))
    report = as_json(stage.judge(trained, silent).evaluation)
    assert list(report["baselines"]) == list(report["versus"]) == ["item_knn"]
    assert [warning.split(":")[0] for warning in report["warnings"]] == [
        "no baseline svd",
        "no baseline als",
        "not compared, because they only score options",
    ]
    rows = pq.read_table(run.folder / "predictions.parquet").to_pylist()
    assert list(rows[0]) == ["user_id", "history", "truth", "ranked", "scores", "tied", "rank", "swapped_ranked",
                             "ranked_item_knn", "rank_item_knn"]  # fmt: skip
    for row in rows:  # the rank of the first right item is where it stands in its list, if it is there
        assert row["rank"] == row["ranked"].index(row["truth"][0]) + 1 if row["truth"][0] in row["ranked"] else True
    again = score_lists([row["ranked"] for row in rows], [row["truth"] for row in rows], 10, resamples=100)
    for name, value in again.metrics.items():
        assert report["metrics"][name] == pytest.approx(as_json(value)), name
    write_report(run.folder)
    page = (run.folder / "report.html").read_text()
    assert "Ranking the whole catalogue" in page
    assert "Recall@10 by segment" in page
    written = json.loads((run.folder / "metrics.json").read_text())
    assert written["metrics"]["coverage@10"]["low"] is None  # a share of the catalogue has no interval over users


def test_options_are_judged_by_the_same_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_small_dataset(tmp_path)
    made = recipe(
        tmp_path, candidates={"options": 4}, evaluation={"resamples": 100, "baselines": ("popularity", "chance")}
    )
    prepare(made, tmp_path / "dataset")
    shop = open_dataset(tmp_path / "dataset")
    run = run_of(tmp_path, shop, made)
    monkeypatch.setattr(fitting, "make_baseline", lambda name, *rest: Following(rest[1], 1 if name == "chance" else 2))
    trained = TrainedRun(run, shop, Following(shop.catalogue))
    report = as_json(stage.judge(trained, silent).evaluation)
    write_report(run.folder)
    page = (run.folder / "report.html").read_text()
    assert "Ranking the whole catalogue" in page
    assert "Multiple choice" in page
    assert report["metrics"]["accuracy"]["value"] == report["metrics"]["recall@10"]["value"] == 1
    assert report["metrics"]["options_personalisation_gap"]["value"] == pytest.approx(
        1 - report["metrics"]["swapped_accuracy"]["value"]
    )
    assert report["baselines"]["popularity"]["accuracy"]["value"] == 0  # the right one is the last that it would name
    assert report["baselines"]["popularity"]["mrr@10"]["value"] == pytest.approx(1 / 6)
    assert report["cut"] == 0
    names = pq.read_schema(run.folder / "predictions.parquet").names
    assert {"options", "answer", "option_scores", "swapped_option_scores", "ranked", "scores"} <= set(names)
