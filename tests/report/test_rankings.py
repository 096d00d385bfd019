"""What page and terminal say of rankings is what the numbers say."""

import math
from dataclasses import replace

import pytest

from shoptalk.cli.show import show_evaluation
from shoptalk.evaluation.verdict import best_baseline
from shoptalk.report.names import column_label, metric_label, show_p
from shoptalk.report.rankings import accuracy_bars, method_rows, recall_bars, segment_panels
from shoptalk.report.segments import draw_segments
from shoptalk.results import EvaluationResult
from shoptalk.schema import Estimate
from tests.report.runs import ranking_metrics, result


def evaluated(own: float = 0.06, swapped: float = 0.0) -> EvaluationResult:
    return result(ranking_metrics(own, swapped))


def test_the_best_method_comes_first_and_what_cannot_rank_stays_out() -> None:
    rows = method_rows(evaluated())
    assert [(row.name, row.significant) for row in rows] == [
        ("this model", False),
        ("ALS", True),
        ("most popular", True),
    ]
    assert best_baseline(evaluated()) == "als"
    assert [row.kind for row in recall_bars(evaluated())] == ["model", "swapped", "baseline", "baseline"]
    assert accuracy_bars(evaluated()) == []  # no options, no accuracies


def test_nothing_to_compare_with() -> None:
    alone = replace(evaluated(), baselines={}, versus={})
    assert best_baseline(alone) is None
    assert segment_panels(alone)[0].rows[0].best is None


def test_segments_are_drawn_in_pairs() -> None:
    panels = segment_panels(evaluated())
    assert [panel.title for panel in panels] == ["tied timestamp?"]  # one segment says nothing
    first, *others = panels[0].rows
    assert first.best is not None
    assert first.best.value == 0.04
    lonely = replace(first, model=Estimate(0.06, math.nan, math.nan, 1))  # a single user has no interval
    panels = [replace(panels[0], rows=(lonely, *others))]
    assert draw_segments(panels, "ALS").startswith("data:image/svg+xml;base64,")
    assert draw_segments(panels, "ALS") == draw_segments(panels, "ALS")


def test_p_values_in_words() -> None:
    assert [show_p(p) for p in (0.0123, 0.0009, None, float("nan"))] == ["p = 0.012", "p < 0.001", "", ""]


def test_metrics_have_one_name_everywhere() -> None:
    names = ("recall@10", "ndcg@10", "accuracy", "f1", "exact_match", "coverage@10", "repeat_share")
    labels = ["Recall@10", "NDCG@10", "Accuracy", "F1", "Exact match", "Coverage@10", "duplicate rate"]
    assert [metric_label(name) for name in names] == labels
    # Below the heading "the first ten" a column does not say it again.
    assert [column_label(name) for name in names] == [*labels[:5], "coverage", "duplicate rate"]


def test_the_terminal_shows_methods_and_segments(capsys: pytest.CaptureFixture[str]) -> None:
    show_evaluation(evaluated(0.06, 0.002))
    shown = capsys.readouterr().out
    for words in ("+0.0200", "p = 0.002", "ALS", "untied", "Recall@10 by segment"):
        assert words in shown
    assert "nan" not in shown
