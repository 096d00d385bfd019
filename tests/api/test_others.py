"""Models with the methods of RecTools and ranked tables as recommenders on a dataset's test cases."""

import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import pytest

import shoptalk
from shoptalk.api.others import as_recommender
from shoptalk.schema import Split
from tests.api.conftest import FAST, ITEMS


class Recorder:
    """Records what it is given, and recommends to each user every item of the table, in reverse alphabetical order."""

    def fit(self, dataset: Any) -> "Recorder":
        self.fitted = dataset
        return self

    def recommend(self, users: Sequence[str], dataset: Any, k: int, filter_viewed: bool) -> pd.DataFrame:
        self.users, self.shown, self.k, self.filter_viewed = users, dataset, k, filter_viewed
        rows = [
            (user, item, 1.0 / rank, rank)
            for user in users
            for rank, item in enumerate(sorted(dataset["item_id"].unique(), reverse=True)[:k], 1)
        ]
        return pd.DataFrame(rows, columns=["user_id", "item_id", "score", "rank"])


def split_of(data: shoptalk.Dataset, *, refit: bool) -> Split:
    return replace(data.split("last"), refit=refit)


def items_of(table: pd.DataFrame, user: str) -> list[str]:
    return table.loc[table["user_id"] == user, "item_id"].tolist()


@pytest.mark.parametrize(("refit", "fitted"), [(False, 4), (True, 5)])  # of 6 purchases, one each for validation, test
def test_a_model_is_fitted_as_baselines_are_and_sees_the_history_of_the_test(
    data: shoptalk.Dataset, refit: bool, fitted: int
) -> None:
    model = Recorder()
    as_recommender("recorder", model, split_of(data, refit=refit), data)
    assert model.fitted.columns.tolist() == ["user_id", "item_id", "weight", "datetime"]
    assert items_of(model.fitted, "u3") == ["i3", "i4", "i5", "i6", "i7"][:fitted]
    assert items_of(model.shown, "u3") == ["i3", "i4", "i5", "i6", "i7"]
    assert sorted(model.users) == sorted(f"u{user}" for user in range(40))
    assert model.filter_viewed
    assert (model.fitted["weight"] == 1).all()


def test_times_are_those_of_the_purchases_and_ties_keep_their_order() -> None:
    days = [1, 1, 1, 2, 3, 3]
    rows = [(f"u{user}", f"i{step}", pd.Timestamp(2020, 1, day)) for user in range(9) for step, day in enumerate(days)]
    purchases = pd.DataFrame(rows, columns=["user_id", "item_id", "timestamp"])
    data = shoptalk.prepare(interactions=purchases, progress=False)
    model = Recorder()
    as_recommender("recorder", model, split_of(data, refit=True), data)
    table = model.shown[model.shown["user_id"] == "u0"]
    assert table["item_id"].tolist() == [f"i{step}" for step in range(5)]
    assert table["datetime"].dt.date.tolist() == [pd.Timestamp(2020, 1, day).date() for day in days[:5]]
    assert table["datetime"].is_monotonic_increasing
    assert table["datetime"].is_unique


def test_times_that_are_no_dates_are_replaced_by_positions(data: shoptalk.Dataset) -> None:
    rows = replace(data.rows, time=data.rows.time * 1e6)  # beyond the year 2262
    later = replace(data)
    later.__dict__["rows"] = rows
    model = Recorder()
    as_recommender("recorder", model, split_of(data, refit=True), later)
    times = model.shown.loc[model.shown["user_id"] == "u0", "datetime"]
    assert (times.astype("int64") // 10**9).tolist() == [0, 1, 2, 3, 4]


def test_at_least_as_many_items_are_asked_for_as_are_evaluated(data: shoptalk.Dataset) -> None:
    model = Recorder()
    as_recommender("recorder", model, split_of(data, refit=True), data, k=250)
    assert model.k == 250


def test_items_of_the_history_are_left_out_of_the_lists(data: shoptalk.Dataset) -> None:
    split = split_of(data, refit=True)
    recommender = as_recommender("recorder", Recorder(), split, data)
    histories = [case.history for case in split.test]
    for history, ranked in zip(histories, recommender.rank(histories, ITEMS), strict=True):
        assert set(ranked.items) == {f"i{number}" for number in range(ITEMS)} - set(history.items)


@pytest.mark.parametrize("recommends_for_cold", [False, True])
def test_users_outside_training(purchases: pd.DataFrame, recommends_for_cold: bool) -> None:
    """As of RecTools' models: only some recommend to users that they were not fitted on."""
    split = {"method": "by-user", "history": 3}
    data = shoptalk.prepare(interactions=purchases, columns={"user_id": "customer"}, split=split, progress=False)
    model = Recorder()
    model.recommends_for_cold = recommends_for_cold  # type: ignore[attr-defined]
    if not recommends_for_cold:
        with pytest.raises(shoptalk.ShoptalkError, match="only recommend to users that it is fitted on"):
            as_recommender("recorder", model, split_of(data, refit=False), data)
        return
    as_recommender("recorder", model, split_of(data, refit=False), data)
    assert set(model.users).isdisjoint(model.fitted["user_id"])
    assert set(model.users) <= set(model.shown["user_id"])


@pytest.mark.parametrize(
    ("table", "says"),
    [
        (pd.DataFrame({"user_id": [0.0], "item_id": ["i1"], "rank": [1]}), r"x has no user of the test.*'0\.0'"),
        (pd.DataFrame({"user_id": ["u0"], "item_id": [1], "rank": [1]}), "x has no item of the test.*'1'"),
    ],
)
def test_a_table_with_ids_of_another_kind_is_refused(data: shoptalk.Dataset, table: pd.DataFrame, says: str) -> None:
    with pytest.raises(shoptalk.ShoptalkError, match=says):
        as_recommender("x", table, split_of(data, refit=True), data)


class IdMap:
    """The part of RecTools' ``IdMap`` that is used: ``external_ids``, and internal ids by position."""

    def __init__(self, external_ids: np.ndarray) -> None:
        self.external_ids = external_ids

    @classmethod
    def from_values(cls, values: Sequence[Any]) -> "IdMap":
        return cls(pd.unique(np.asarray(values, dtype=object)))


class Interactions:
    """RecTools' ``Interactions``: a table with internal ids."""

    def __init__(self, df: pd.DataFrame) -> None:
        self.df = df

    @classmethod
    def from_raw(cls, interactions: pd.DataFrame, user_id_map: IdMap, item_id_map: IdMap) -> "Interactions":
        columns = (("user_id", user_id_map), ("item_id", item_id_map))
        ids = {name: pd.Index(ids.external_ids).get_indexer(interactions[name]) for name, ids in columns}
        if any((numbers < 0).any() for numbers in ids.values()):
            raise KeyError("Some indices do not exist")
        return cls(pd.DataFrame({**ids, "weight": interactions["weight"], "datetime": interactions["datetime"]}))


@dataclass(frozen=True)
class RecToolsDataset:
    """RecTools' ``Dataset`` with the attributes and the constructor that are used."""

    user_id_map: IdMap
    item_id_map: IdMap
    interactions: Interactions

    @classmethod
    def construct(cls, interactions_df: pd.DataFrame) -> "RecToolsDataset":
        users, items = (IdMap.from_values(interactions_df[name]) for name in ("user_id", "item_id"))
        return cls(users, items, Interactions.from_raw(interactions_df, users, items))


@pytest.fixture
def rectools_module(monkeypatch: pytest.MonkeyPatch) -> None:
    """A package ``rectools`` with the signatures of version 0.19, so that these tests do not need it."""
    module = ModuleType("rectools.dataset")
    module.Dataset, module.Interactions = RecToolsDataset, Interactions  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "rectools", ModuleType("rectools"))
    monkeypatch.setitem(sys.modules, "rectools.dataset", module)


class ModelBase:
    """The signature of RecTools' ``ModelBase``."""

    def fit(self, dataset: RecToolsDataset) -> "ModelBase":
        self.fitted = dataset
        return self

    def recommend(
        self,
        users: Sequence[str],
        dataset: RecToolsDataset,
        k: int,
        filter_viewed: bool,
        items_to_recommend: Sequence[str] | None = None,
        add_rank_col: bool = True,
        on_unsupported_targets: str = "raise",
        context: pd.DataFrame | None = None,
    ) -> pd.DataFrame:
        assert filter_viewed
        assert add_rank_col
        assert on_unsupported_targets == "warn"
        assert items_to_recommend is None
        assert context is None
        self.shown = dataset
        items = dataset.item_id_map.external_ids[:k].tolist()
        rows = [(user, item, 1.0 / rank, rank) for user in users for rank, item in enumerate(items, 1)]
        return pd.DataFrame(rows, columns=["user_id", "item_id", "score", "rank"])


ModelBase.__module__ = "rectools.models.base"


class Derived(ModelBase):
    """A model of somebody's own that is derived from one of RecTools."""


@pytest.mark.usefixtures("rectools_module")
@pytest.mark.parametrize("refit", [False, True])
def test_a_model_of_rectools_gets_datasets_with_the_same_internal_ids(data: shoptalk.Dataset, refit: bool) -> None:
    model = Derived()
    recommender = as_recommender("derived", model, split_of(data, refit=refit), data)
    assert model.shown.user_id_map is model.fitted.user_id_map
    assert model.shown.item_id_map is model.fitted.item_id_map
    assert len(model.fitted.interactions.df) == 40 * (5 if refit else 4)
    assert len(model.shown.interactions.df) == 40 * 5
    assert recommender.name == "derived"


@pytest.mark.usefixtures("rectools_module")
def test_items_that_a_model_of_rectools_does_not_know_are_left_out(data: shoptalk.Dataset) -> None:
    """Without a final fit on validation purchases, an item of a test history may be new to the model."""
    split = split_of(data, refit=False)
    without = [replace(history, items=tuple(item for item in history.items if item != "i7")) for history in split.train]
    model = Derived()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("shoptalk.api.others._nanoseconds", lambda _, lengths, __: np.arange(sum(lengths)))
        as_recommender("derived", model, replace(split, train=without), data)
    assert "i7" not in model.shown.item_id_map.external_ids.tolist()
    assert model.shown.interactions.df["item_id"].max() == len(model.shown.item_id_map.external_ids) - 1


def test_models_of_rectools_itself(model: shoptalk.Model) -> None:
    """Where RecTools is installed: its models by `evaluate`, and their table by `evaluate_rankings`, score the same."""
    models = pytest.importorskip("rectools.models")
    nearest = pytest.importorskip("implicit.nearest_neighbours")
    knn = models.ImplicitItemKNNWrapperModel(nearest.CosineRecommender(K=5, num_threads=1))
    others = {
        "knn": knn,
        "ease": models.EASEModel(regularization=1.0, recommend_n_threads=1),
        "svd": models.PureSVDModel(factors=3),
        "popular": models.PopularModel(period=timedelta(days=2)),
        "random": models.RandomModel(random_state=1),
    }
    report = shoptalk.evaluate(model, others=others, **FAST)
    assert set(others) < set(report.baselines)
    assert report.baselines["knn"]["recall@10"].value > report.baselines["random"]["ndcg@10"].value
    split = split_of(model.data, refit=True)
    lists = as_recommender("knn", knn, split, model.data).rank([case.history for case in split.test], 10)
    ranked = {ranked_list.user_id: list(ranked_list.items) for ranked_list in lists}
    targets = {case.history.user_id: list(case.targets) for case in split.test}
    scores = shoptalk.evaluate_rankings(ranked, targets, k=10)
    for metric in ("recall@10", "ndcg@10"):
        assert scores.loc[metric, "value"] == pytest.approx(report.baselines["knn"][metric].value)


def test_the_blocks_of_the_guide_about_rectools(
    model: shoptalk.Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where RecTools is installed. They are marked ``py``, so that they are not run where it is not."""
    pytest.importorskip("rectools.models")
    monkeypatch.chdir(tmp_path)
    page = (Path(__file__).parents[2] / "docs" / "guide" / "python.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```py\n(.*?)```", page, re.DOTALL | re.MULTILINE)
    names: dict[str, Any] = {"shoptalk": shoptalk, "pd": pd, "model": model}
    reports = []
    for block in blocks:
        exec(block, names)
        reports.append(names["report"])
    by_object, by_table = reports[0].baselines["rectools_knn"], reports[-1].baselines["rectools_knn"]
    assert by_object["recall@10"].value == by_table["recall@10"].value
