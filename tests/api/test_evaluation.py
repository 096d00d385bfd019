"""Evaluating from Python: ours, baselines and what others bring, on the same test cases."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import shoptalk
from tests.api.conftest import FAST, ITEMS, SMALL


class Oracle:
    """A model of RecTools' shape that knows the rule of the shop."""

    def fit(self, dataset: pd.DataFrame) -> "Oracle":
        self.last = dataset.groupby("user_id")["item_id"].last()
        return self

    def recommend(self, users: list[str], dataset: pd.DataFrame, k: int, filter_viewed: bool) -> pd.DataFrame:
        assert filter_viewed
        assert set(users) <= set(dataset["user_id"])
        rows = [(user, f"i{(int(self.last[user][1:]) + 1 + step) % ITEMS}", step + 1)
                for user in users for step in range(min(k, ITEMS))]  # fmt: skip
        return pd.DataFrame(rows, columns=["user_id", "item_id", "rank"])


@pytest.fixture(scope="module")
def report(model: shoptalk.Model, data: shoptalk.Dataset) -> shoptalk.Report:
    table = pd.DataFrame({"user_id": ["u0", "u0"], "item_id": ["i4", "i5"], "score": [0.1, 0.9]})
    return shoptalk.evaluate(model, data, others={"oracle": Oracle(), "table": table}, **FAST)


def test_metrics_baselines_and_others(report: shoptalk.Report) -> None:
    assert {"recall@10", "ndcg@10", "personalisation_gap"} <= report.metrics.keys()
    assert set(report.baselines) == {"popularity", "item_knn", "oracle", "table"}
    assert report.baselines["oracle"]["ndcg@10"].value == 1
    assert report.baselines["table"]["recall@10"].value == pytest.approx(1 / 40)  # i5 for one of 40 users
    table = report.table("recall@10")
    assert list(table.columns) == ["method", "metric", "value", "low", "high", "n"]
    assert table["method"].tolist() == ["model", "popularity", "item_knn", "oracle", "table"]


def test_the_report_is_shown_and_saved(report: shoptalk.Report, tmp_path: Path) -> None:
    shown = report._repr_html_()
    assert "<td>oracle</td><td>1.0000</td>" in shown
    assert report.headline in repr(report)
    assert report.verdict == report.result.verdict
    assert report.ranking is not None
    assert report.ranking.ndcg[report.ranking.chosen] == max(report.ranking.ndcg.values())
    page = report.save(tmp_path / "page.html")
    assert "oracle" in page.read_text(encoding="utf-8")


def test_an_evaluated_model_is_audited_and_compared(
    report: shoptalk.Report, model: shoptalk.Model, data: shoptalk.Dataset, tmp_path: Path
) -> None:
    findings = shoptalk.audit(model, progress=False)
    assert "personalisation" in {finding.check for finding in findings.findings}
    assert shoptalk.audit(data, progress=False).findings
    other = shoptalk.fit(data, out=tmp_path / "other", progress=False, **{**SMALL, "width": 64})
    shoptalk.evaluate(other, **FAST)
    compared = shoptalk.compare(report, tmp_path / "other")
    assert {group.name for group in compared.groups} == {"width = 32", "width = 64"} or len(compared.groups) == 2
    assert compared.users == 40


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"width": 64}, "width is not a setting of the section evaluation"),
        ({"baselines": ("popularty",)}, "did you mean popularity"),
        ({"others": {"x": Oracle}}, "x is a class"),
        ({"others": {"x": pd.DataFrame({"user_id": ["u0"], "item_id": ["i1"]})}}, "x has no column rank or score"),
        ({"others": {"x": 3}}, "x is a int, not a table"),
    ],
)
def test_what_cannot_be_evaluated(model: shoptalk.Model, settings: dict[str, Any], says: str) -> None:
    with pytest.raises(shoptalk.ShoptalkError, match=says):
        shoptalk.evaluate(model, progress=False, **settings)


def test_another_dataset_is_refused(model: shoptalk.Model, purchases: pd.DataFrame) -> None:
    other = shoptalk.prepare(interactions=purchases.iloc[6:], columns={"user_id": "customer"}, progress=False)
    with pytest.raises(shoptalk.ShoptalkError, match="not the dataset that the model was trained on"):
        shoptalk.evaluate(model, other, progress=False)
