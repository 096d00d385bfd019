"""Evaluation results as tables on the terminal."""

import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # numpy would slow down every command
    from shoptalk.results import ErrorAnalysis, EvaluationResult
    from shoptalk.schema import Estimate


def show_evaluation(result: "EvaluationResult") -> None:
    """Print the metrics, the baselines, the segments and the error analysis."""
    from rich.console import Console
    from rich.table import Table

    from shoptalk.evaluation.verdict import OPTION_METRIC, has_rankings
    from shoptalk.report.names import baseline_label, metric_label

    console = Console()
    for warning in result.warnings:
        console.print(f"warning: {warning}", style="bold yellow", markup=False)
    table = Table("metric", *_COLUMNS, title="this model", title_justify="left")
    for name, figure in result.metrics.items():
        table.add_row(metric_label(name), *_figures(figure))
    console.print(table)
    if has_rankings(result):
        _show_rankings(console, result)
    accuracies = {
        name: metrics[OPTION_METRIC] for name, metrics in result.baselines.items() if OPTION_METRIC in metrics
    }
    if accuracies:
        table = Table("baseline", *_COLUMNS, title="multiple-choice accuracy on the same cases", title_justify="left")
        for name, figure in accuracies.items():
            table.add_row(baseline_label(name, OPTION_METRIC), *_figures(figure))
        console.print(table)
    if result.positions is not None:
        rows = result.positions.positions
        chosen = ", ".join(f"{row.chosen:.3f}" for row in rows)
        accuracy = ", ".join(f"{row.accuracy:.3f}" for row in rows)
        console.print(f"share chosen by position: {chosen}; accuracy by position: {accuracy}", highlight=False)
    for analysis in result.analyses:
        if analysis.wrong:
            _show_errors(console, analysis)


def _show_errors(console: Any, analysis: "ErrorAnalysis") -> None:
    """Print the share of each error type and the share expected by chance."""
    from rich.table import Table

    title = f"{analysis.wrong:,} wrong answers of {analysis.cases:,} ({analysis.what})"
    table = Table("error type", "share", "by chance", "difference", "95 % interval", title=title, title_justify="left")
    for group in analysis.groups:
        if group.wrong:
            has_reference = not math.isnan(group.reference)
            excess = (f"{group.excess.value:+.3f}", _span(group.excess, "+.3f"))
            reference = (f"{group.reference:.3f}", *excess) if has_reference else ()
            table.add_row(group.title, f"{group.value:.3f}", *reference)
    console.print(table)
    empty = [group.title for group in analysis.groups if not group.wrong]
    if empty:
        console.print(f"no errors of these types: {', '.join(empty)}", highlight=False)
    if analysis.words:
        words = ", ".join(f"{row.word} ({row.pull:.1f} times)" for row in analysis.words)
        console.print(f"word bias: {words}", highlight=False, markup=False)


def _show_rankings(console: Any, result: "EvaluationResult") -> None:
    """Print the baselines with the paired differences to the model, then the segments."""
    from rich.table import Table

    from shoptalk.evaluation.verdict import best_baseline
    from shoptalk.report.names import baseline_label, metric_label, ranking_label
    from shoptalk.report.rankings import MAIN, SECONDARY, method_rows, segment_panels

    rows = method_rows(result)
    if len(rows) > 1:
        columns = (metric_label(MAIN), metric_label(SECONDARY), "model minus method", "95 % interval", "p (Holm)")
        table = Table("method", *columns, title="ranking the whole catalogue", title_justify="left")
        for row in rows:
            difference = ("", "", "")
            if row.versus is not None:
                difference = (
                    f"{row.versus.difference:+.4f}",
                    f"{row.versus.low:+.4f} to {row.versus.high:+.4f}",
                    row.p,
                )
            table.add_row(
                row.name, f"{row.metrics[MAIN].value:.4f}", f"{row.metrics[SECONDARY].value:.4f}", *difference
            )
        console.print(table)
    if (ranking := result.training.ranking) is not None and ranking.ndcg:
        figure = f"NDCG@10 {ranking.ndcg[ranking.chosen]:.4f} on {ranking.held_out_cases:,} validation cases"
        console.print(
            f"ranked by {ranking_label(ranking.chosen)}, chosen on validation users: {figure}", highlight=False
        )
    best = best_baseline(result)
    best_label = baseline_label(best, MAIN) if best else ""
    title = f"{metric_label(MAIN)} by segment"
    table = Table("segment", "users", "this model", best_label, title=title, title_justify="left")
    for panel in segment_panels(result):
        table.add_section()
        table.add_row(f"[bold]{panel.title}[/bold]", "", "", "")
        for segment in panel.rows:
            baseline = f"{segment.best.value:.4f}" if segment.best else ""
            table.add_row(f"  {segment.name}", f"{segment.n:,}", f"{segment.model.value:.4f}", baseline)
    if table.row_count:
        console.print(table)


_COLUMNS = ("value", "95 % interval", "users")


def _span(figure: "Estimate", form: str) -> str:
    """The interval as text; empty if there is none."""
    return f"{figure.low:{form}} to {figure.high:{form}}" if figure.has_interval else ""


def _figures(figure: "Estimate") -> tuple[str, str, str]:
    """The cells of `_COLUMNS`."""
    if not figure.known:
        return "n/a", "", str(figure.n)
    return f"{figure.value:.4f}", _span(figure, ".4f"), f"{figure.n:,}"
