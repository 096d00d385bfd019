"""Pages name the processors of their points."""

import importlib
import os
from pathlib import Path

import pytest


def test_processors_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(Path(__file__).parents[2] / "benchmarks")
    module = importlib.import_module("processor")
    assert module.processor().endswith(f", {os.cpu_count()} cores")
    points = [{"processor": "B"}, {"processor": "A"}, {"processor": "B"}, {}]
    assert module.names_of_processors(points) == "A; B; a processor that was not noted"
