"""What page and terminal say of rankings is what the numbers say."""

import pytest

from shoptalk.cli.show import show_evaluation
from shoptalk.report.options import accuracy_rows
from shoptalk.report.rankings import best_baseline, method_rows, recall_bars, segment_panels, show_p
from shoptalk.report.segments import draw_segments
from tests.report.runs import ranking_metrics as metrics


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
