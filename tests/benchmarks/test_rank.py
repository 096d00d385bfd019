"""The benchmark of ranking at a tiny size: all methods run, and its ratios are those of its times."""

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

SIZES = {"items": 300, "histories": 4, "batch": 3, "rounds": 2, "length": 4, "allow": 50, "width": 32, "layers": 1}
ARGUMENTS = [part for name, value in SIZES.items() for part in (f"--{name}", str(value))]
EXACT = {"forward", "product", "exact", "exact, allow list", "exact, scorer", "generate"}
NEAR = {"index", "index, allow list", "index, scorer"}


@pytest.fixture
def benchmark(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The benchmark as a module."""
    spec = importlib.util.spec_from_file_location("rank", Path(__file__).parents[2] / "benchmarks" / "rank.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "rank", module)
    spec.loader.exec_module(module)
    return module


def run(benchmark: ModuleType, monkeypatch: pytest.MonkeyPatch, *options: str) -> None:
    """Call the benchmark as its command."""
    monkeypatch.setattr(sys, "argv", ["rank.py", *ARGUMENTS, *options])
    benchmark.main()


@pytest.mark.parametrize("large", [100, 1_000])
def test_all_methods_run(
    benchmark: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], large: int
) -> None:
    if large == 100:
        pytest.importorskip("faiss")
    monkeypatch.setattr(benchmark, "LARGE", large)
    run(benchmark, monkeypatch, "--json")
    (result,) = json.loads(capsys.readouterr().out)["sizes"]
    assert result["one"].keys() == (EXACT | NEAR if large == 100 else EXACT)
    for kind in ("one", "batch"):
        row: dict[str, Any] = result[kind]["exact"]
        assert row["to_forward"] == pytest.approx(row["p50_ms"] / result[kind]["forward"]["p50_ms"])
        assert row["p99_ms"] >= row["p50_ms"] > 0
    if large == 100:
        assert result["index"]["recall@10"] == 1  # with so few inverted lists, all are searched
    run(benchmark, monkeypatch)
    assert "300 items" in capsys.readouterr().out


def test_generated_ids_are_new_and_differ(benchmark: ModuleType) -> None:
    world = benchmark.make_world(300, 32, 1, 3, 4)
    prompts = [benchmark.prompt_of(world.model, history) for history in world.histories]
    with benchmark.torch.inference_mode():
        generated = benchmark.generate(world.model, prompts)
    # The first id generated is the best of the whole catalogue: both read the same history.
    assert [world.model.items[ids[0]] for ids in generated] == [
        ranked.items[0] for ranked in world.model.rank(world.histories, 1)
    ]
    for ids, history in zip(generated, world.histories, strict=True):
        assert len(set(ids)) == len(ids) == 10
        assert not {world.model.items[index] for index in ids} & set(history.items)
