"""The learning curves of `shoptalk choose` are the means of the benchmark's points."""

import importlib
import json
from pathlib import Path
from typing import Any

import pytest

from shoptalk.evaluation.expected_gap import LearningCurves
from shoptalk.typed_json import from_json


def test_means_of_the_points_are_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "benchmarks"))
    module = importlib.import_module("learning_curves_file")

    def write(name: str, **point: Any) -> None:
        content = {"data": "shop", "seed": 1, "users": 16, "purchases": 90, "hits": None, **point}
        (tmp_path / f"{name}.json").write_text(json.dumps(content))

    write("one", method="popularity", right=[1, 0, 0, 0], hits=[0, 0, 0, 1])
    write("two", method="SmolLM2", right=[1, 1, 0, 0.5])
    write("three", method="tfidf", users=0, purchases=0, right=[0, 1, 0, 0], hits=[1, 1, 0, 0])
    write("another seed", method="tfidf", seed=2, right=[1, 1, 1, 1])
    write("failed", method="nano", error="no memory")
    module.write_curves(tmp_path, tmp_path / "curves.txt")
    curves = from_json(LearningCurves, json.loads((tmp_path / "curves.txt").read_text()))
    none, some = curves.points
    assert (none.users, none.purchases, none.accuracy, none.recall) == (0, 0, {"tfidf": 0.25}, {"tfidf": 0.5})
    assert (some.shop, some.users, some.purchases, some.tested) == ("shop", 16, 90, 4)
    assert some.accuracy == {"popularity": 0.25, "tfidf": 0.25, "SmolLM2": 0.625}
    assert some.recall == {"popularity": 0.25, "tfidf": 0.5}
