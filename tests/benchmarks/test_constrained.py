"""The benchmark of constrained decoding at a tiny size: what it counts, and that it finds nothing wrong."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

from shoptalk.schema import History, RankedList
from tests.words import CATALOGUE

FOLDER = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def benchmark(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The benchmark as a module, with a small shop."""
    monkeypatch.syspath_prepend(str(FOLDER))
    spec = importlib.util.spec_from_file_location("constrained", FOLDER / "constrained.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "constrained", module)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "PRODUCTS", 40)
    monkeypatch.setattr(module, "LEARNED", 30)
    return module


def test_all_outputs_are_real_and_none_repeats(benchmark: ModuleType) -> None:
    report = benchmark.benchmark(None, outputs=20, seconds=0.0, free=False)
    assert list(report["methods"]) == ["lists of ten", "titles, 1 beam", "titles, 10 beams"]
    for figures in report["methods"].values():
        assert figures.outputs == 20
        assert figures.not_in_catalogue == figures.lists_with_a_repeat == figures.in_the_history == 0
        assert figures.ratio == figures.constrained / figures.free > 0


def test_faults_are_counted(benchmark: ModuleType) -> None:
    figures = benchmark.Figures()
    lists = [RankedList("u", ("R0", "R1", "R1", "unknown")), RankedList("v", ("C1", "C2"))]
    figures.add(lists, [History("u", ("R0",)), History("v", ("R0",))], CATALOGUE, each=True)
    assert (figures.outputs, figures.not_in_catalogue) == (6, 1)
    assert (figures.lists_with_a_repeat, figures.in_the_history) == (1, 1)
