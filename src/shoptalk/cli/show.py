"""Results of evaluation as tables for people."""

import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # numpy would slow down every command
    from shoptalk.results import ErrorAnalysis, EvaluationResult
    from shoptalk.schema import Estimate


def show_evaluation(result: "EvaluationResult") -> None:
    """Print the metrics in their order, then the baselines."""
    from rich.console import Console
    from rich.table import Table

    from shoptalk.evaluation.verdict import OPTION_METRIC, has_rankings
    from shoptalk.report.names import baseline_label, metric_label

    console = Console()
    for warning in result.warnings:
        console.print(f"warning: {warning}", style="bold yellow", markup=False)
    table = Table("metric", *_RIGHT, title="this model", title_justify="left")
    for name, figure in result.metrics.items():
        table.add_row(metric_label(name), *_figures(figure))
    console.print(table)
    if has_rankings(result):
        _show_rankings(console, result)
    chosen = {name: own[OPTION_METRIC] for name, own in result.baselines.items() if OPTION_METRIC in own}
    if chosen:
        table = Table("baseline", *_RIGHT, title="accuracy on the same cases", title_justify="left")
        for name, figure in chosen.items():
            table.add_row(baseline_label(name, OPTION_METRIC), *_figures(figure))
        console.print(table)
    if result.positions is not None:
        rows = result.positions.positions
        console.print(
            "chosen by position: " + ", ".join(f"{row.chosen:.3f}" for row in rows)
            + "; accuracy there: " + ", ".join(f"{row.accuracy:.3f}" for row in rows),
            highlight=False,
        )  # fmt: skip
    for analysis in result.analyses:
        if analysis.wrong:
            _show_errors(console, analysis)


def _show_errors(console: Any, analysis: "ErrorAnalysis") -> None:
    """What the wrong answers have in common, beside what they would have by chance."""
    from rich.table import Table

    table = Table("what went wrong", "share", "by chance", "difference", "95 % interval", title_justify="left",
                  title=f"{analysis.wrong:,} wrong answers of {analysis.cases:,} ({analysis.what})")  # fmt: skip
    for group in analysis.groups:
        if group.wrong:
            known = not math.isnan(group.reference)
            excess = (f"{group.excess.value:+.3f}", _span(group.excess, "+.3f"))
            beside = (f"{group.reference:.3f}", *excess) if known else ()
            table.add_row(group.title, f"{group.value:.3f}", *beside)
    console.print(table)
    none = [group.title for group in analysis.groups if not group.wrong]
    if none:
        console.print(f"none: {', '.join(none)}", highlight=False)
    if analysis.words:
        words = ", ".join(f"{row.word} ({row.pull:.1f} times)" for row in analysis.words)
        console.print(f"words that pull: {words}", highlight=False, markup=False)


def _show_rankings(console: Any, result: "EvaluationResult") -> None:
    """The baselines with what sets the model apart from them, then the segments."""
    from rich.table import Table

    from shoptalk.evaluation.verdict import best_baseline
    from shoptalk.report.names import baseline_label, metric_label
    from shoptalk.report.rankings import BESIDE, MAIN, method_rows, segment_panels

    rows = method_rows(result)
    if len(rows) > 1:
        table = Table("method", metric_label(MAIN), metric_label(BESIDE), "model minus method", "95 % interval",
                      "p (Holm)", title="ranking the whole catalogue", title_justify="left")  # fmt: skip
        for row in rows:
            apart = ("", "", "")
            if row.versus is not None:
                apart = (f"{row.versus.difference:+.4f}", f"{row.versus.low:+.4f} to {row.versus.high:+.4f}", row.p)
            table.add_row(row.name, f"{row.metrics[MAIN].value:.4f}", f"{row.metrics[BESIDE].value:.4f}", *apart)
        console.print(table)
    best = best_baseline(result)
    table = Table("segment", "users", "this model", baseline_label(best, MAIN) if best else "", title_justify="left",
                  title=f"{metric_label(MAIN)} by segment")  # fmt: skip
    for panel in segment_panels(result):
        table.add_section()
        table.add_row(f"[bold]{panel.title}[/bold]", "", "", "")
        for segment in panel.rows:
            beside = f"{segment.best.value:.4f}" if segment.best else ""
            table.add_row(f"  {segment.name}", f"{segment.n:,}", f"{segment.model.value:.4f}", beside)
    if table.row_count:
        console.print(table)


_RIGHT = ("value", "95 % interval", "users")


def _span(figure: "Estimate", form: str) -> str:
    return f"{figure.low:{form}} to {figure.high:{form}}" if figure.has_interval else ""


def _figures(figure: "Estimate") -> tuple[str, str, str]:
    if not figure.known:
        return "n/a", "", str(figure.n)
    return f"{figure.value:.4f}", _span(figure, ".4f"), f"{figure.n:,}"
