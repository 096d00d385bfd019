"""Default settings on a dozen generated shops of different kinds: no simple method is significantly better."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest


def load_benchmark() -> ModuleType:
    spec = importlib.util.spec_from_file_location(
        "benchmark_generated", Path(__file__).parents[2] / "benchmarks" / "generated.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


benchmark = load_benchmark()


def test_there_are_a_dozen_kinds() -> None:
    assert len(benchmark.KINDS) == 12


@pytest.mark.parametrize("name", benchmark.KINDS)
def test_no_simple_method_is_significantly_better(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shoptalk.stages.judge.write_report", lambda folder: None)
    monkeypatch.setattr("shoptalk.experiment.draw_losses", lambda losses, path: None)
    kind = benchmark.KINDS[name]
    method, result = benchmark.evaluate_kind(kind, 50 if kind.users > 1 else 100, 1, tmp_path)
    ranking = result.training.ranking
    assert ranking is not None
    assert method == ranking.chosen
    assert ranking.ndcg[method] == max(ranking.ndcg.values())
    difference = benchmark.row(name, 1, method, result)["difference"]
    assert difference[2] >= 0, f"{method} is worse than the best simple method: {difference}"
