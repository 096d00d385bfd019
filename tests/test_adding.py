"""A baseline, a metric and a source as the guide writes them: one file, one line, and every command knows them."""

import doctest
import json
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pyarrow.parquet as pq
import pytest

from shoptalk.baselines import make_baseline
from shoptalk.cli.main import main
from shoptalk.data.dataset import open_dataset
from shoptalk.data.prepare import prepare
from shoptalk.errors import BadLines, SourceError
from shoptalk.evaluation.metrics import METRICS
from shoptalk.plugins import Registry
from shoptalk.progress import silent
from shoptalk.recipe import Evaluation, parse_recipe
from shoptalk.registry import BASELINES, SOURCES
from shoptalk.report.names import baseline_label
from shoptalk.results import as_json
from shoptalk.schema import Catalogue, EvalExample, History, Item, Split
from shoptalk.stages.judge import judge
from shoptalk.stages.trained_run import TrainedRun
from tests.data.small_dataset import write_small_dataset
from tests.stages.test_rankings import Following, recipe, run_of
from tests.test_plugins import distribution, run_python, shoptalk

GUIDE = (Path(__file__).parents[1] / "docs/guide/adding.md").read_text(encoding="utf-8")


def examples(heading: str) -> list[str]:
    """The Python examples of a section of the guide: the file and, except for a package, the line of registration."""
    part = re.search(rf"^## {heading}\n(.*?)(?:^## |\Z)", GUIDE, re.DOTALL | re.MULTILINE)
    assert part
    return re.findall(r"```python\n(.*?)```", part[1], re.DOTALL)


def registered(
    heading: str, module: str, registry: str, table: Registry[Any], monkeypatch: pytest.MonkeyPatch
) -> ModuleType:
    """Write the example's file as a module, and put what its line makes into the registry."""
    file, line = examples(heading)
    example = ModuleType(module)
    exec(compile(file, module, "exec"), example.__dict__)
    monkeypatch.setitem(sys.modules, module, example)
    names: dict[str, Any] = dict(vars(sys.modules[registry]))
    exec(compile(f"ENTRIES = {{\n{line}}}", "line", "exec"), names)
    for name, entry in names["ENTRIES"].items():
        monkeypatch.setitem(table, name, entry)
    return example


@pytest.fixture
def rbp(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    where = "shoptalk.evaluation.metrics"
    return registered("A metric", f"{where}.rbp", where, METRICS, monkeypatch)


@pytest.fixture
def retailrocket(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    where = "shoptalk.data.sources.retailrocket"
    return registered("A source", where, "shoptalk.registry", SOURCES, monkeypatch)


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
    scores = json.loads(capsys.readouterr().out)
    # Hits at ranks 1 and 3 for the first user, none for the second; the third has no truth.
    assert scores["rbp@3"] == pytest.approx((0.2 * (1 + 0.8**2) + 0) / 2)
    assert scores["intervals"].keys() >= {"rbp@3", "recall@3"}
    with pytest.raises(SystemExit, match="0"):
        main(["score", str(path), "--k", "3"])
    assert "rbp@3" in capsys.readouterr().out


def test_evaluate_writes_a_new_metric_and_a_new_baseline(
    tmp_path: Path, rbp: ModuleType, same_brand: ModuleType
) -> None:
    write_small_dataset(tmp_path)
    with_baseline = recipe(tmp_path, evaluation={"resamples": 100, "baselines": ("same_brand",)})
    prepare(with_baseline, tmp_path / "dataset")
    dataset = open_dataset(tmp_path / "dataset")
    run = run_of(tmp_path, dataset, with_baseline)
    report = as_json(judge(TrainedRun(run, dataset, Following(dataset.catalogue)), silent).evaluation)
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
    scores = baseline.score_all([History("u", ("a", "d", "unknown"))])  # type: ignore[attr-defined]
    assert scores.tolist() == [[1, 1 + 1 / 4, 2 / 4, 0, 0]]
    assert [ranked.items for ranked in baseline.rank([History("u", ("a",))], 2)] == [("b", "c")]
    assert Evaluation(baselines=("same_brand",)).baselines == ("same_brand",)
    assert baseline_label("same_brand", "recall@10") == "popular of the same brand"


EVENTS = """\
timestamp,visitorid,event,itemid,transactionid
1433221332117,257597,view,355908,
1433222276276,599528,transaction,356475,4000
1433193500981,121688,transaction,15335,11117
1433193915008,599528,transaction,81345,5444
"""


def prepare_events(folder: Path, text: str) -> list[dict[str, Any]]:
    """The interactions of the dataset that `prepare` makes of a file of events."""
    path = folder / "events.csv"
    path.write_text(text, encoding="utf-8")
    data = {"source": "retailrocket", "interactions": str(path), "max_bad_lines": 0.0}
    split = {"method": "by-user", "fractions": [1.0, 0.0, 0.0]}
    prepare(parse_recipe({"data": data, "split": split, "prompt": {"task": "next_item"}}), folder / "dataset")
    return pq.read_table(folder / "dataset" / "interactions.parquet").to_pylist()


def test_the_source_of_the_guide_reads_transactions(tmp_path: Path, retailrocket: ModuleType) -> None:
    rows = prepare_events(tmp_path, EVENTS)
    # Milliseconds become seconds; the view is left out; the purchases of a user are in the order of time.
    assert [(row["user_id"], row["item_id"], row["timestamp"]) for row in rows] == [
        ("121688", "15335", 1433193500.981),
        ("599528", "81345", 1433193915.008),
        ("599528", "356475", 1433222276.276),
    ]


def test_the_source_of_the_guide_names_what_is_wrong_with_a_file(tmp_path: Path, retailrocket: ModuleType) -> None:
    with pytest.raises(BadLines, match=r"events.csv.*yesterday"):
        prepare_events(tmp_path, EVENTS.replace("1433193500981", "yesterday"))
    with pytest.raises(SourceError, match="itemid"):
        prepare_events(tmp_path, EVENTS.replace("itemid", "product"))


def test_the_package_of_the_guide(tmp_path: Path) -> None:
    (plugin,) = examples("A package of your own")
    distribution(tmp_path, "my-package", "my_package.plugin", plugin, ":add")
    for heading, module in (("A baseline", "same_brand"), ("A metric", "rbp"), ("A source", "retailrocket")):
        (tmp_path / "my_package" / f"{module}.py").write_text(examples(heading)[0], encoding="utf-8")
    predictions = tmp_path / "predictions.jsonl"
    predictions.write_text('{"user": "u", "truth": ["a"], "ranked": ["a"]}', encoding="utf-8")
    completed = shoptalk(tmp_path, "score", predictions, "--json")
    assert completed.returncode == 0, completed.stderr
    assert json.loads(completed.stdout)["rbp@10"] == pytest.approx(0.2)  # a hit at rank 1: 0.2 * 0.8 ** 0
    rows = "".join(f"u{user},i{item},{1600000000 + item}\n" for user in range(4) for item in range(4))
    (tmp_path / "purchases.csv").write_text(f"user_id,item_id,timestamp\n{rows}", encoding="utf-8")
    data = {"source": "table", "interactions": str(tmp_path / "purchases.csv")}
    prepare(parse_recipe({"data": data, "prompt": {"task": "next_item"}}), tmp_path / "dataset")
    completed = shoptalk(tmp_path, "audit", tmp_path / "dataset", "--json")
    findings = json.loads(completed.stdout)["findings"]
    assert [row["says"] for row in findings if row["check"] == "few_users"] == ["the dataset has 4 users"]
    program = """
import importlib
from shoptalk.registry import BASELINES, SOURCES
print(importlib.import_module(SOURCES["retailrocket"]).read.__doc__)
print(importlib.import_module(BASELINES["same_brand"].module).SameBrand.name)
"""
    completed = run_python(tmp_path, ["-c", program])
    assert completed.stdout.splitlines() == ["Read the transactions; other events are left out.", "same_brand"]
