"""Variants are recipes, points have names of their own, and the page is written from the points."""

import importlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
NAMES = ("questions", "questions_mixing", "questions_page", "questions_variants", "sizes")


@pytest.fixture
def modules(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, ModuleType]]:
    """The parts of the benchmark."""
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    yield {name: importlib.import_module(name) for name in NAMES}
    for name in NAMES:
        sys.modules.pop(name, None)


def test_every_variant_is_a_recipe_with_a_file_of_its_own(modules: dict[str, ModuleType], tmp_path: Path) -> None:
    questions, variants = modules["questions"], modules["questions_variants"]
    (tmp_path / "random-weights").mkdir()
    points = list(questions.points([question.number for question in variants.QUESTIONS]))
    assert len({point.name for point in points}) == len(points)
    for point in points:
        if not point.variant.method:
            recipe = questions.recipe_of(point, tmp_path)
            assert recipe.seed == point.seed
            assert recipe.data_seed == 1  # the same users and options for every seed
    measured = {(point.variant.shop, point.variant.name) for point in points}
    for question in variants.QUESTIONS:
        for shop, pairs in question.pairs.items():
            assert {(shop, name) for pair in pairs for name in pair} <= measured


def test_the_model_that_others_start_from_is_measured_before_them(modules: dict[str, ModuleType]) -> None:
    questions, variants = modules["questions"], modules["questions_variants"]
    names = [(point.variant.name, point.seed) for point in questions.points([7])]
    tuned = [name for name in names if variants.TUNED in str(variants.VARIANTS["beauty", name[0]].settings)]
    assert tuned
    assert names.index((variants.TITLES, 1)) < min(names.index(name) for name in tuned)


def test_weights_of_a_mixture_follow_the_source_that_is_right(modules: dict[str, ModuleType]) -> None:
    random = np.random.default_rng(1)
    answers = random.integers(4, size=300)
    noise, signal = random.normal(size=(2, 300, 4))
    signal[np.arange(300), answers] += 2
    scores, weights = modules["questions_mixing"].mixed([noise, 100 * signal], answers.tolist(), [noise, 100 * signal])
    assert abs(weights[0]) < 0.2 < 1 < weights[1]  # the scale of a source does not matter
    assert (scores.argmax(axis=1) == signal.argmax(axis=1)).mean() > 0.9


def test_page(modules: dict[str, ModuleType], tmp_path: Path) -> None:
    variants = modules["questions_variants"]
    random = np.random.default_rng(1)
    answers = random.integers(4, size=100).tolist()

    def write(name: str, right: float, **more: object) -> None:
        """A point of a hundred users with a share of right answers."""
        values = [float(number < 100 * right) for number in range(100)]
        users = [str(number) for number in range(100)]
        point = {"shop": "beauty", "variant": name, "seed": 1, "test_users": users, "right": values, "hits": None}
        content = {**point, "fit_seconds": 10.0, "seconds_per_question": 0.1, **more}
        (tmp_path / f"{len(list(tmp_path.iterdir()))}.json").write_text(json.dumps(content))

    scores = random.normal(size=(100, 4))
    scores[np.arange(100), answers] += 1
    both = {"scores": scores.tolist(), "validation_scores": scores.tolist()}
    write(variants.TITLES, 0.6, **both)
    write("random weights, LoRA", 0.3)
    write("SmolLM2, not trained", 0.6, **both)
    parts = {"transitions": np.zeros((100, 4)).tolist(), "texts": random.normal(size=(100, 4)).tolist()}
    known = {"parts": parts, "validation_parts": parts, "answers": answers, "validation_answers": answers}
    (tmp_path / "scorer.json").write_text(
        json.dumps({"shop": "beauty", "variant": variants.SCORER, "seed": 1, "test_users": [], **known})
    )
    modules["questions_page"].write_page(tmp_path, tmp_path / "page.md")
    text = (tmp_path / "page.md").read_text()
    assert "| SmolLM2, LoRA less random weights, LoRA | +0.300 [" in text
    assert "| SmolLM2, LoRA less SmolLM2, not trained | +0.000 [+0.000, +0.000] | p = 1.000 |" in text
    assert "significant: beauty, accuracy: SmolLM2, LoRA less random weights, LoRA +0.300." in text
    assert f"| with {variants.TITLES} less without | +0." in text
    assert text.count("Not measured yet.") == 6  # questions 3 to 7 and 10: no pair was measured
