"""``report.html``: the self-contained report of a run.

A section without data is left out.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import TemplateError

from shoptalk.errors import RunError
from shoptalk.evaluation.verdict import (
    OPTION_METRIC,
    PROBE,
    MainResult,
    best_baseline,
    has_rankings,
    main_result,
    options_result,
    reads_histories,
)
from shoptalk.files import write_text
from shoptalk.report import options, rankings
from shoptalk.report.bars import Bar, draw_bars
from shoptalk.report.card import cost, data_card
from shoptalk.report.curves import draw_training, loss_rows
from shoptalk.report.error_analysis import error_sections
from shoptalk.report.figure import Picture, picture
from shoptalk.report.findings import finding_rows
from shoptalk.report.names import baseline_label, metric_label, ranking_label
from shoptalk.report.options import best_first, draw_calibration, draw_positions
from shoptalk.report.rankings import MethodRow, SegmentPanel, accuracy_bars, method_rows, segment_panels
from shoptalk.report.render import render
from shoptalk.report.segments import draw_segments
from shoptalk.report.verdict import digits_of, show_verdict
from shoptalk.results import (
    AuditResult,
    CalibrationBin,
    EvaluationResult,
    PositionShare,
    RankingMethod,
    read_audit,
    read_evaluation,
)
from shoptalk.runs import Run, open_run, read_log
from shoptalk.schema import Estimate


@dataclass(frozen=True, slots=True)
class Tile:
    """A headline figure."""

    label: str
    value: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class MethodsView:
    """A comparison of methods: bars, rows, and the metrics that are shown directly or in collapsed tables."""

    rows: list[MethodRow]
    bars: Picture
    columns: list[str]
    more: list[str]
    beyond_accuracy: list[str]


@dataclass(frozen=True, slots=True)
class RankingView:
    """Which method ranks for the run, with NDCG@10 on held-out validation users of each, the best first."""

    label: str
    rows: list[tuple[str, float]]
    method: RankingMethod


@dataclass(frozen=True, slots=True)
class PersonalisationView:
    """The result with the users' own histories and with permuted ones."""

    metric: str
    digits: int
    original: Estimate
    swapped: Estimate
    gap: Estimate
    reads: bool | None
    bars: Picture


@dataclass(frozen=True, slots=True)
class SegmentsView:
    """Results by segment, of the model and of the best baseline."""

    panels: list[SegmentPanel]
    best: str
    picture: Picture


@dataclass(frozen=True, slots=True)
class PositionsView:
    """Position bias."""

    positions: Sequence[PositionShare]
    bias: float
    no_choice: float
    picture: Picture


@dataclass(frozen=True, slots=True)
class CalibrationView:
    """Confidence against accuracy."""

    bins: list[CalibrationBin]
    ece: Estimate | None
    picture: Picture


def write_report(folder: Path) -> None:
    """Write ``report.html`` from the results in the folder of a run.

    Raises
    ------
    RunError
        If the folder is not a run, was not evaluated, or is damaged.
    """
    run = open_run(folder)
    result = read_evaluation(folder)
    if result is None:
        raise RunError("not evaluated yet", where=str(folder), hint=f"shoptalk evaluate {folder}")
    audit = read_audit(folder)
    try:
        text = render("report.html", **collect(run, result, audit))
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, TemplateError) as error:
        raise RunError(
            f"the results cannot be shown: {type(error).__name__}: {error}",
            where=str(folder),
            hint=f"shoptalk evaluate {folder}",
        ) from error
    write_text(folder / "report.html", text)


def collect(run: Run, result: EvaluationResult, audit: AuditResult | None) -> Mapping[str, Any]:
    """The variables of the templates; None if a section has no data."""
    return {
        "name": run.recipe.name or "Run",
        "verdict": show_verdict(result, audit),
        "tiles": _tiles(result, audit),
        "warnings": result.warnings,
        "ranked": _ranked(result),
        "ranking": _ranking(result),
        "chosen": _chosen(result),
        "personal": [view for main in _main_results(result) if (view := _personalisation(result, main))],
        "findings": None if audit is None else finding_rows(audit),
        "segments": _segments(result),
        "positions": _positions(result),
        "calibration": _calibration(result),
        "error_views": error_sections(result),
        "training": _training(run),
        "samples": result.samples,
        "card": data_card(run),
        "cost": cost(run, result),
        "fingerprint": run.info["fingerprint"],
        "seed": run.recipe.seed,
        "toml": run.recipe.to_toml(),
        "packages": run.info.get("packages", {}),
        "all_metrics": result.metrics,
    }


def _main_results(result: EvaluationResult) -> list[MainResult]:
    """The main result, and the accuracy of multiple choice if that is a second one."""
    results = [main_result(result), options_result(result) if has_rankings(result) else None]
    return [main for main in results if main is not None]


def _tiles(result: EvaluationResult, audit: AuditResult | None) -> list[Tile]:
    """The headline figures."""
    tiles: list[Tile] = []
    for index, main in enumerate(_main_results(result)):
        if not main.model.known:
            continue
        digits = digits_of(main.metric)
        label = (
            "Multiple-choice accuracy"
            if main.metric == OPTION_METRIC
            else f"{metric_label(main.metric)}, whole catalogue"
        )
        tiles.append(_tile(label, main.model, digits))
        if index:
            continue
        if main.baseline_estimate is not None and main.baseline is not None:
            tiles.append(
                _tile("Best baseline", main.baseline_estimate, digits, baseline_label(main.baseline, main.metric))
            )
        if main.swapped is not None:
            note = "the model uses the history" if reads_histories(main) else "the model hardly uses the history"
            tiles.append(_tile("With permuted histories", main.swapped, digits, note))
    return tiles if audit is None else [*tiles, _audit_tile([finding.severity for finding in audit.findings])]


def _audit_tile(severities: Sequence[str]) -> Tile:
    """The tile with the numbers of failures and warnings of the audit."""
    failed, warned = severities.count("fail"), severities.count("warn")
    warnings = f"{warned} warning{'s' * (warned != 1)}" if warned else ""
    if failed:
        return Tile("Audit", f"{failed} failure{'s' * (failed != 1)}", warnings)
    return Tile("Audit", warnings or "clean", f"{len(severities)} findings")


def _tile(label: str, figure: Estimate, digits: int, note: str = "") -> Tile:
    """A tile with a value; its note is the interval by default."""
    if not note and figure.has_interval:
        note = f"{figure.low:.{digits}f} to {figure.high:.{digits}f}"
    return Tile(label, f"{figure.value:.{digits}f}" if figure.known else "n/a", note)


def _ranked(result: EvaluationResult) -> MethodsView | None:
    """Results of ranking the whole catalogue; None if there are none."""
    if not has_rankings(result):
        return None
    return MethodsView(
        rows=method_rows(result),
        bars=picture(draw_bars, rankings.recall_bars(result), metric_label(rankings.MAIN), 4),
        columns=_present(rankings.ACCURACY, result),
        more=_present(rankings.MORE, result),
        beyond_accuracy=_present(rankings.BEYOND_ACCURACY, result),
    )


def _ranking(result: EvaluationResult) -> RankingView | None:
    """Which method ranks; None where there was no choice."""
    method = result.training.ranking
    if method is None or not method.ndcg:
        return None
    rows = sorted(method.ndcg.items(), key=lambda entry: -entry[1])
    return RankingView(ranking_label(method.chosen), [(ranking_label(name), value) for name, value in rows], method)


def _chosen(result: EvaluationResult) -> MethodsView | None:
    """Results of multiple choice; None if there are none."""
    bars = accuracy_bars(result)
    if not bars:
        return None
    return MethodsView(
        rows=method_rows(result, OPTION_METRIC),
        bars=picture(draw_bars, best_first(bars)),
        columns=_present(options.SECONDARY, result),
        more=_present(options.MORE, result),
        beyond_accuracy=[],
    )


def _present(columns: tuple[str, ...], result: EvaluationResult) -> list[str]:
    """The metrics of these that the result has."""
    return [name for name in columns if name in result.metrics]


def _personalisation(result: EvaluationResult, main: MainResult) -> PersonalisationView | None:
    """The history permutation test; None if it was not done."""
    if main.swapped is None or main.gap is None or not main.gap.known:
        return None
    rows = [
        Bar("own history", "model", main.model),
        Bar("permuted histories", "swapped", main.swapped),
    ]
    probe = result.baselines.get(PROBE, {}).get(OPTION_METRIC)
    if main.metric == OPTION_METRIC and probe:
        rows.append(Bar("no history (options only)", "baseline", probe))
    label = "accuracy" if main.metric == OPTION_METRIC else metric_label(main.metric)
    digits = digits_of(main.metric)
    return PersonalisationView(
        metric=label,
        digits=digits,
        original=main.model,
        swapped=main.swapped,
        gap=main.gap,
        reads=reads_histories(main),
        bars=picture(draw_bars, rows, label, digits),
    )


def _segments(result: EvaluationResult) -> SegmentsView | None:
    """Results by segment; None if there are none."""
    panels = segment_panels(result) if has_rankings(result) else []
    if not panels:
        return None
    best = best_baseline(result)
    name = baseline_label(best, rankings.MAIN) if best else ""
    return SegmentsView(panels, name, picture(draw_segments, panels, name))


def _positions(result: EvaluationResult) -> PositionsView | None:
    """Position bias; None without options."""
    report = result.positions
    if report is None or not report.positions:
        return None
    return PositionsView(report.positions, report.bias, report.no_choice, picture(draw_positions, report.positions))


def _calibration(result: EvaluationResult) -> CalibrationView | None:
    """Calibration; None without options."""
    bins = [row for analysis in result.analyses for row in analysis.calibration if row.cases]  # multiple choice only
    if not bins:
        return None
    return CalibrationView(bins, result.metrics.get("ece"), picture(draw_calibration, bins))


def _training(run: Run) -> Mapping[str, Any] | None:
    """Losses of all phases, the final fit included; None if nothing was trained."""
    training = run.info.get("training") or {}
    losses = training.get("losses") or []
    if not losses:
        return None
    refit = [event for event in read_log(run.folder / "refit") if event.get("event") == "epoch"]
    return {
        "rows": loss_rows(losses, refit),
        "best_epoch": training.get("best_epoch"),
        "stopped": training.get("stopped_early"),
        "picture": picture(draw_training, losses, refit, training.get("best_epoch")),
    }
