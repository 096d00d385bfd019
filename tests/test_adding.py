"""A baseline and a metric as the guide writes them: one file, one line, and every command knows them."""

import doctest
import json
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from shoptalk.baselines import make_baseline
from shoptalk.cli.main import main
from shoptalk.data.dataset import open_dataset
from shoptalk.data.prepare import prepare
from shoptalk.evaluation.metrics import METRICS
from shoptalk.progress import silent
from shoptalk.recipe import Evaluation
from shoptalk.registry import BASELINES
from shoptalk.report.names import baseline_label
from shoptalk.results import as_json
from shoptalk.schema import Catalogue, EvalExample, History, Item, Split
from shoptalk.stages import judge as stage
from tests.data.small_dataset import write_small_dataset
from tests.stages.test_rankings import Following, recipe, run_of

GUIDE = (Path(__file__).parents[1] / "docs/guide/adding.md").read_text(encoding="utf-8")


def example(heading: str) -> tuple[str, str]:
    """The file and the line of registration that a part of the guide shows."""
    part = re.search(rf"^## {heading}\n(.*?)^## ", GUIDE, re.DOTALL | re.MULTILINE)
    assert part
    file, line = re.findall(r"```python\n(.*?)```", part[1], re.DOTALL)
    return file, line


def registered(
    heading: str, module: str, registry: str, known: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> ModuleType:
    """Write the example's file as a module, and put what its line makes into the registry."""
    file, line = example(heading)
    made = ModuleType(module)
    exec(compile(file, module, "exec"), made.__dict__)
    monkeypatch.setitem(sys.modules, module, made)
    names: dict[str, Any] = dict(vars(sys.modules[registry]))
    exec(compile(f"ENTRIES = {{\n{line}}}", "line", "exec"), names)
    for name, entry in names["ENTRIES"].items():
        monkeypatch.setitem(known, name, entry)
    return made


@pytest.fixture
def rbp(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    where = "shoptalk.evaluation.metrics"
    return registered("A metric", f"{where}.rbp", where, METRICS, monkeypatch)


@pytest.fixture
def same_brand(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    return registered("A baseline", "shoptalk.baselines.same_brand", "shoptalk.registry", BASELINES, monkeypatch)


def test_the_example_of_the_metric_is_right(rbp: ModuleType) -> None:
    result = doctest.testmod(rbp)
    assert (result.failed, result.attempted) == (0, 1)


def test_score_writes_a_new_metric(tmp_path: Path, rbp: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "predictions.jsonl"
    rows = [{"user": "u1", "truth": ["a", "b"], "ranked": ["a", "x", "b"]},
            {"user": "u2", "truth": ["c"], "ranked": []},
            {"user": "u3", "truth": [], "ranked": ["a"]}]  # fmt: skip
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    with pytest.raises(SystemExit, match="0"):
        main(["score", str(path), "--k", "3", "--json"])
    found = json.loads(capsys.readouterr().out)
    # Hits at ranks 1 and 3 for the first user, none for the second; the third has no truth.
    assert found["rbp@3"] == pytest.approx((0.2 * (1 + 0.8**2) + 0) / 2)
    assert found["intervals"].keys() >= {"rbp@3", "recall@3"}
    with pytest.raises(SystemExit, match="0"):
        main(["score", str(path), "--k", "3"])
    assert "rbp@3" in capsys.readouterr().out


def test_evaluate_writes_a_new_metric_and_a_new_baseline(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rbp: ModuleType, same_brand: ModuleType
) -> None:
    write_small_dataset(tmp_path)
    made = recipe(tmp_path, evaluation={"resamples": 100, "baselines": ("same_brand",)})
    prepare(made, tmp_path / "dataset")
    shop = open_dataset(tmp_path / "dataset")
    run = run_of(tmp_path, shop, made)
    monkeypatch.setattr(stage, "open_recommender", lambda run, shop: Following(shop.catalogue))
    report = as_json(stage.judge(run.folder, silent).evaluation)
    assert report["metrics"]["rbp@10"]["value"] == pytest.approx(0.2)  # the right item is always first: 0.2 * 0.8 ** 0
    assert list(report["baselines"]) == ["same_brand"]
    assert report["baselines"]["same_brand"].keys() >= {"rbp@5", "rbp@10", "rbp@20"}
    page = (run.folder / "report.html").read_text(encoding="utf-8")
    assert "RBP@10" in page
    assert "popular of the same brand" in page


def test_the_baseline_of_the_guide_by_hand(same_brand: ModuleType) -> None:
    catalogue: Catalogue = {name: Item(name, name, brand=brand) for name, brand in
                            (("a", "X"), ("b", "X"), ("c", "Y"), ("d", ""), ("e", ""))}  # fmt: skip
    split = Split((History("t", ("b", "c", "c")),), (), [EvalExample(History("t", ("b",)), ("d",))], (), refit=False)
    baseline = make_baseline("same_brand", split, catalogue, 1)
    # Bought once b, twice c: 1 / (1 + 3) and 2 / (1 + 3). The history has one X; d has no brand, so e gains nothing.
    found = baseline.score_all([History("u", ("a", "d", "unknown"))])  # type: ignore[attr-defined]
    assert found.tolist() == [[1, 1 + 1 / 4, 2 / 4, 0, 0]]
    assert [one.items for one in baseline.rank([History("u", ("a",))], 2)] == [("b", "c")]
    assert Evaluation(baselines=("same_brand",)).baselines == ("same_brand",)
    assert baseline_label("same_brand", "recall@10") == "popular of the same brand"
