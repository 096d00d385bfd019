"""The page of learning curves, and the curves of `shoptalk choose`: the means of the benchmark's points."""

import importlib
import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from shoptalk.evaluation.expected_gap import LearningCurves
from shoptalk.typed_json import from_json


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], ModuleType]:
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "benchmarks"))
    return importlib.import_module


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., None]:
    def write_point(name: str, **point: Any) -> None:
        content = {"data": "shop", "seed": 1, "users": 16, "purchases": 90, "hits": None, "fit_seconds": 1.0,
                   "seconds_per_question": 0.01, "processor": "one", "test_users": list("abcd"), **point}  # fmt: skip
        (tmp_path / f"{name}.json").write_text(json.dumps(content))

    return write_point


def test_a_page_of_two_seeds(tmp_path: Path, module: Callable[[str], ModuleType], write: Callable[..., None]) -> None:
    write("popular", method="popularity", right=[0, 0, 0, 1])
    write("popular 2", method="popularity", seed=2, right=[1, 1, 0, 1], test_users=list("cdef"))
    write("text", method="tfidf", right=[1, 1, 1, 1])
    write("text 2", method="tfidf", seed=2, right=[0, 0, 0, 0], test_users=list("cdef"), processor="two")
    write("model", method="SmolLM2", seed=2, right=[1, 0, 0, 0], test_users=list("cdef"))
    module("learning_curves_page").write_page(tmp_path, tmp_path / "page.md")
    page = (tmp_path / "page.md").read_text()
    popularity, text, model = (
        next(line for line in page.splitlines() if line.startswith(f"| {name} "))
        for name in ("popularity", "TF-IDF", "SmolLM2")
    )
    assert popularity.startswith("| popularity | 0.500 [")  # four of eight answers
    assert popularity.endswith("] (2) |")
    assert text.startswith("| TF-IDF | 0.500 [")
    assert model.endswith("] |")  # of one seed
    assert "+0.250 [" in page  # the model less TF-IDF, of the seed that both have: (1 - 0) / 4
    assert "one; two." in page
    assert (tmp_path / "page.png").stat().st_size > 1000


def test_means_of_the_points_are_written(
    tmp_path: Path, module: Callable[[str], ModuleType], write: Callable[..., None]
) -> None:
    write("one", method="popularity", right=[1, 0, 0, 0], hits=[0, 0, 0, 1])
    write("two", method="SmolLM2", right=[1, 1, 0, 0.5])
    write("three", method="tfidf", users=0, purchases=0, right=[0, 1, 0, 0], hits=[1, 1, 0, 0])
    write("another seed", method="tfidf", seed=2, right=[1, 1, 1, 1])
    write("failed", method="nano", error="no memory")
    module("learning_curves_file").write_curves(tmp_path, tmp_path / "curves.txt")
    curves = from_json(LearningCurves, json.loads((tmp_path / "curves.txt").read_text()))
    none, some = curves.points
    assert (none.users, none.purchases, none.accuracy, none.recall) == (0, 0, {"tfidf": 0.25}, {"tfidf": 0.5})
    assert (some.shop, some.users, some.purchases, some.tested) == ("shop", 16, 90, 4)
    assert some.accuracy == {"popularity": 0.25, "tfidf": 0.25, "SmolLM2": 0.625}
    assert some.recall == {"popularity": 0.25, "tfidf": 0.5}
