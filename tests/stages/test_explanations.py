"""The benchmark of explanations on a small run: counts, intervals, and what a planted false reason does to them."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

from shoptalk.results import as_json
from shoptalk.runs import open_run
from shoptalk.stages.load_dataset import run_split
from shoptalk.stages.trained_run import open_trained_run

PATH = Path(__file__).parents[2] / "benchmarks" / "explanations.py"


@pytest.fixture
def benchmark(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The benchmark as a module."""
    spec = importlib.util.spec_from_file_location("explanations", PATH)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "explanations", module)
    spec.loader.exec_module(module)
    return module


def test_figures_of_a_run_and_of_a_baseline(
    benchmark: ModuleType, trained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = open_trained_run(open_run(trained))
    cases = list(run_split(run.run, run.dataset).test)[:12]
    for _, method in benchmark.methods(run, ["item_knn"]):
        lists = benchmark.best_items(method.recommender, cases, 2)
        reasons = benchmark.judge_reasons(method, cases, lists)
        assert reasons["recommendations"] == 24
        assert reasons["true"].value == 1
        assert sum(reasons["kinds"].values()) + sum(reasons["without"].values()) == 24
        effects = as_json(benchmark.judge_effects(method.recommender, cases, lists, draws=3))
        row = effects["effects"]["comprehensiveness, one"]
        assert row["effect"]["value"] >= row["random"]["value"]
        assert row["effect - random"]["n"] == effects["users"]
    monkeypatch.setattr("shoptalk.recommend.reasons.reason_sentence", lambda title, fact: f"Buy “{title}”: {fact}.")
    reasons = benchmark.judge_reasons(run, cases, benchmark.best_items(run.recommender, cases, 2))
    assert (reasons["true"].value, reasons["with_reason"].value) == (0, 0)
    assert reasons["false"].keys() == {"form"}
