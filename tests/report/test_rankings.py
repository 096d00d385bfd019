"""What page and terminal say of rankings is what the numbers say."""

from typing import Any

import pytest

from shoptalk.cli.show import show_evaluation
from shoptalk.report.page import accuracy_rows, verdict
from shoptalk.report.rankings import best_baseline, method_rows, recall_bars, segment_panels, show_p
from shoptalk.report.segments import draw_segments

HEADS = ("recall@5", "recall@10", "recall@20", "ndcg@10", "mrr@10")


def estimate(value: float, half: float = 0.001, n: int = 1000) -> dict[str, Any]:
    return {"value": value, "low": value - half, "high": value + half, "n": n}


def difference(value: float, p: float) -> dict[str, Any]:
    return {"difference": value, "low": value - 0.001, "high": value + 0.001, "p": p / 2, "p_holm": p, "n": 1000}


def metrics(own: float, swapped: float, p: float = 0.002) -> dict[str, Any]:
    def all_of(value: float) -> dict[str, Any]:
        return dict.fromkeys(HEADS, estimate(value))

    segment = {
        name: {"recall@10": estimate(value)} for name, value in (("model", own), ("als", 0.04), ("popularity", 0.01))
    }
    return {
        "metrics": {
            **all_of(own),
            "coverage@10": {"value": 0.5, "low": float("nan"), "high": None, "n": 1000},
            "swapped_recall@10": estimate(swapped),
            "personalisation_gap": estimate(own - swapped),
        },
        "baselines": {"popularity": all_of(0.01), "als": all_of(0.04), "chance": {"accuracy": estimate(0.25)}},
        "versus": {
            "popularity": {"recall@10": difference(own - 0.01, 0.002)},
            "als": {"recall@10": difference(own - 0.04, p)},
        },
        "segments": {"ties": {"tied": segment, "untied": segment}, "cold": {"warm": segment}},
    }


@pytest.mark.parametrize(
    ("own", "swapped", "p", "says"),
    [
        (0.06, 0.002, 0.002, "better than the best simple method (ALS, 0.0400, p = 0.002)"),
        (0.06, 0.002, 0.2, "not clearly different from the best simple method (ALS"),
        (0.03, 0.002, 0.002, "worse than the best simple method (ALS"),
        (0.06, 0.05, 0.002, "hardly for their histories: with another user's history it loses only 0.0100"),
    ],
)
def test_the_verdict(own: float, swapped: float, p: float, says: str) -> None:
    said = verdict(metrics(own, swapped, p))
    assert says in said
    assert f"{own:.4f} of 1,000 users" in said


def test_the_best_method_comes_first_and_what_cannot_rank_stays_out() -> None:
    rows = method_rows(metrics(0.06, 0.0))
    assert [(row["name"], row["significant"]) for row in rows] == [
        ("this model", False),
        ("ALS", True),
        ("most popular", True),
    ]
    assert best_baseline(metrics(0.06, 0.0)) == "als"
    assert [row["kind"] for row in recall_bars(metrics(0.06, 0.0))] == ["model", "swapped", "baseline", "baseline"]
    assert accuracy_rows(metrics(0.06, 0.0)) == []  # no options, no accuracies


def test_nothing_to_compare_with() -> None:
    alone = metrics(0.06, 0.0) | {"baselines": {}, "versus": {}}
    assert best_baseline(alone) is None
    assert verdict(alone).endswith("interval 0.0590 to 0.0610).")
    assert segment_panels(alone)[0]["rows"][0]["best"] is None


def test_segments_are_drawn_in_pairs() -> None:
    panels = segment_panels(metrics(0.06, 0.0))
    assert [panel["title"] for panel in panels] == ["moment shared with a neighbour?"]  # one segment says nothing
    assert panels[0]["rows"][0]["best"]["value"] == 0.04
    panels[0]["rows"][0]["model"] |= {"low": None, "high": None, "n": 1}  # a single user has no interval
    assert draw_segments(panels, "ALS").startswith("data:image/svg+xml;base64,")
    assert draw_segments(panels, "ALS") == draw_segments(panels, "ALS")


def test_p_values_in_words() -> None:
    assert [show_p(p) for p in (0.0123, 0.0009, None, float("nan"))] == ["p = 0.012", "p < 0.001", "", ""]


def test_the_terminal_shows_methods_and_segments(capsys: pytest.CaptureFixture[str]) -> None:
    show_evaluation(metrics(0.06, 0.002))
    shown = capsys.readouterr().out
    for words in ("+0.0200", "p = 0.002", "ALS", "untied", "recall@10 by segment"):
        assert words in shown
    assert "nan" not in shown
