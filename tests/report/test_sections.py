"""Rows of the page's sections: options, findings, mistakes, losses, data card, cost."""

import base64
import math
import xml.dom.minidom
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from shoptalk.report.bars import Bar, draw_bars
from shoptalk.report.card import cost, data_card, dates
from shoptalk.report.curves import draw_training, loss_rows
from shoptalk.report.error_analysis import error_bars, error_sections, option_rows, step_figure
from shoptalk.report.figure import NARROW, picture
from shoptalk.report.findings import finding_rows
from shoptalk.report.names import span
from shoptalk.report.options import best_first, draw_calibration, draw_positions
from shoptalk.report.rankings import accuracy_bars
from shoptalk.report.render import amount, duration, number
from shoptalk.report.verdict import show_verdict
from shoptalk.results import AuditResult, ErrorAnalysis, EvaluationResult, from_json
from shoptalk.runs import open_run
from shoptalk.schema import Estimate
from tests.report.runs import HOSTILE, audit, audited, errors, estimate, option_metrics, result, write_run

#: A bar without an interval, beside what chance would give.
BARE = Bar("one", "model", Estimate(0.0, math.nan, math.nan, 1), 0.2)


def analysed(content: dict[str, Any]) -> ErrorAnalysis:
    return from_json(ErrorAnalysis, content)


def with_errors(content: dict[str, Any]) -> EvaluationResult:
    return result({"metrics": {}, "baselines": {}, "errors": content})


def svg(address: str) -> Any:
    head, data = address.split(",")
    assert head == "data:image/svg+xml;base64"
    return xml.dom.minidom.parseString(base64.b64decode(data)).documentElement


def test_the_model_comes_first_then_itself_with_other_histories_then_the_best() -> None:
    rows = accuracy_bars(result(option_metrics(0.6, 0.3, 0.5)))
    assert [row.kind for row in rows] == ["model", "swapped", "baseline", "baseline", "baseline"]
    assert [row.figure.value for row in best_first(rows)] == [0.6, 0.3, 0.99, 0.5, 0.25]


@pytest.mark.parametrize(
    "draw",
    [
        lambda **more: draw_bars(accuracy_bars(result(option_metrics())), **more),
        lambda **more: draw_bars([BARE], **more),
        lambda **more: draw_positions(result(option_metrics()).positions.positions, **more),
        lambda **more: draw_calibration(analysed(errors()).calibration, **more),
        lambda **more: draw_training([{"epoch": 1, "train": 1.0, "validation": None}], [], None, **more),
    ],
)  # fmt: skip
def test_figures_fit_a_desk_and_a_phone(draw: Any) -> None:
    both = picture(draw)
    assert both == picture(draw)  # the same figures draw the same picture
    assert float(svg(both.wide).getAttribute("width").removesuffix("pt")) > 500
    assert svg(both.narrow).getAttribute("width") == f"{NARROW * 72:g}pt"


def test_fails_come_before_warnings_and_say_so_in_words() -> None:
    rows = finding_rows(audited(audit()))
    assert [(row.symbol, row.label, row.title) for row in rows] == [
        ("✗", "fail", "options only"),
        ("!", "warning", "popularity"),
        ("✓", "passed", "time"),
    ]
    assert (rows[0].do, rows[1].says, rows[1].do) == ("Clean alike.", "Popularity tells.", "")
    evaluated = result(option_metrics())
    assert show_verdict(evaluated, audited(audit())).warning == f"A leak: {HOSTILE[0]}."
    assert show_verdict(evaluated).warning == show_verdict(evaluated, AuditResult((), clean=True)).warning == ""


def test_groups_of_mistakes_come_largest_first_with_their_options_marked() -> None:
    (shown,) = error_sections(with_errors(errors()))
    assert ([group.title for group in shown.groups], shown.empty) == (["semantic pull", "cold item"], ("nothing",))
    rows = option_rows(shown.groups[0].examples[0])
    assert [(row.right, row.chosen, row.score) for row in rows] == [
        (True, False, -1.5), (False, True, -0.5), (False, False, -2.0),
    ]  # fmt: skip
    assert [step_figure(step) for step in shown.analysis.what_if[0].steps] == ["0.250", "not listed"]
    assert len(error_sections(replace(with_errors(errors()), option_errors=analysed(errors())))) == 2
    assert error_sections(result({"metrics": {}, "baselines": {}})) == []


def test_a_group_that_may_be_chance_is_grey_beside_its_reference() -> None:
    rows = error_bars(error_sections(with_errors(errors()))[0].groups)
    assert [(row.kind, row.reference) for row in rows] == [("model", 0.25), ("baseline", 0.12)]


def test_losses_name_their_phase_and_the_refit() -> None:
    rows = loss_rows([{"epoch": 1, "train": 2.0, "validation": 1.5, "phase": "options"}], [{"epoch": 1, "train": 1.0}])
    assert [(row.phase, row.train, row.validation) for row in rows] == [
        ("multiple choice", 2.0, 1.5),
        ("refit on training and validation purchases", 1.0, None),
    ]


def test_the_data_card_says_what_was_read_dropped_and_kept(tmp_path: Path) -> None:
    card = data_card(open_run(write_run(tmp_path / "run", option_metrics())))
    assert card is not None
    assert card.sources == [{"name": "shop/buys.csv", "sha256": "a1" * 32}]
    assert card.dropped == [("product without a title", 1)]  # what dropped nothing is not told
    assert card.dates == ("2001-09-09", "2008-01-10")
    assert card.tied == 1 / 4
    assert card.candidates is not None
    assert card.candidates.options == 4


def test_times_that_are_no_dates_are_not_told(tmp_path: Path) -> None:
    for times in ([0, 1, 2], [None]):
        pq.write_table(pa.table({"timestamp": pa.array(times, pa.int64())}), tmp_path / "interactions.parquet")
        assert dates(tmp_path) is None
    (tmp_path / "interactions.parquet").write_bytes(b"PAR1")
    assert dates(tmp_path) is None


def test_the_cost_is_that_of_the_stages_that_ran(tmp_path: Path) -> None:
    shown = cost(open_run(write_run(tmp_path / "run", option_metrics())), result(option_metrics()))
    assert [seconds for _, seconds in shown.stages] == [1.5, 60.0, 0.5, 3700.0]  # no titles were generated
    assert shown.total == 1.5 + 60 + 0.5 + 3700
    facts = dict(shown.facts)
    assert facts["tokens trained on"] == "6,000, 100 a second"
    assert facts["parameters"] == "1,000, 50.0% of them trained"
    assert facts["peak memory"] == "2.00 GB"
    assert "energy" not in facts


def test_figures_in_words() -> None:
    assert [number(value, 3) for value in (0.12345, -0.0001, None, math.nan)] == ["0.123", "0.000", "n/a", "n/a"]
    assert [amount(value) for value in (0.98541, 123456.0, 0, None)] == ["0.9854", "123,456", "0", "n/a"]
    assert [duration(s) for s in (0.834, 95, 125.2, 3725, None)] == ["0.83 s", "95 s", "2 min 5 s", "1 h 2 min", "n/a"]


def test_a_span_needs_both_ends() -> None:
    assert span(Estimate(**estimate(0.5)), 2) == "0.49 to 0.51"
    assert span(Estimate(1.0, math.nan, 1.0, 5), 2) == ""
