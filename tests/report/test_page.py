"""The page's verdict says what the numbers say."""

from typing import Any

import pytest

from shoptalk.report.bars import draw_bars
from shoptalk.report.page import accuracy_rows, verdict


def estimate(value: float, half: float = 0.01) -> dict[str, float]:
    return {"value": value, "low": value - half, "high": value + half, "n": 1000}


def metrics(own: float, swapped: float, simple: float) -> dict[str, Any]:
    return {
        "metrics": {
            "accuracy": estimate(own),
            "swapped_accuracy": estimate(swapped),
            "personalisation_gap": estimate(own - swapped),
        },
        "baselines": {
            "chance": {"accuracy": estimate(0.25, 0)},
            "tfidf": {"accuracy": estimate(simple)},
            "options_only": {"accuracy": estimate(0.99)},  # a probe is no competitor
        },
    }


@pytest.mark.parametrize(
    ("own", "swapped", "simple", "says"),
    [
        (0.99, 0.985, 0.53, "hardly for their histories"),
        (0.60, 0.30, 0.53, "better than the best simple method (TF-IDF"),
        (0.54, 0.30, 0.53, "not clearly better than"),
        (0.45, 0.26, 0.53, "worse than"),
    ],
)
def test_the_verdict_is_that_of_the_numbers(own: float, swapped: float, simple: float, says: str) -> None:
    said = verdict(metrics(own, swapped, simple))
    assert says in said
    assert f"{own:.3f}" in said


def test_the_model_comes_first_then_itself_with_other_histories() -> None:
    rows = accuracy_rows(metrics(0.6, 0.3, 0.5))
    assert [row["kind"] for row in rows] == ["model", "swapped", "baseline", "baseline", "baseline"]
    assert draw_bars(rows).startswith("data:image/svg+xml;base64,")
    assert draw_bars(rows) == draw_bars(rows)  # the same figures draw the same picture
