"""Reports of evaluation as tables for people."""

import math
from typing import Any


def show_evaluation(report: dict[str, Any]) -> None:
    """Print the metrics in the order of the report, then the simple methods."""
    from rich.console import Console
    from rich.table import Table

    from shoptalk.report.rankings import has_rankings

    console = Console()
    for warning in report.get("warnings", []):
        console.print(f"warning: {warning}", style="bold yellow", markup=False)
    table = Table("metric", *_RIGHT, title="this model", title_justify="left")
    for name, row in report["metrics"].items():
        table.add_row(name.replace("_", " "), *_figures(row))
    console.print(table)
    if has_rankings(report):
        _show_rankings(console, report)
    chosen = {name: row["accuracy"] for name, row in report["baselines"].items() if "accuracy" in row}
    if chosen:
        table = Table("simple method", *_RIGHT, title="accuracy on the same cases", title_justify="left")
        for name, row in chosen.items():
            table.add_row(name.replace("_", " "), *_figures(row))
        console.print(table)
    if "positions" in report:
        rows = report["positions"]["positions"]
        console.print(
            "chosen by position: " + ", ".join(f"{row['chosen']:.3f}" for row in rows)
            + "; accuracy there: " + ", ".join(f"{row['accuracy']:.3f}" for row in rows),
            highlight=False,
        )  # fmt: skip
    for name in ("errors", "option_errors"):
        if report.get(name, {}).get("wrong"):
            _show_errors(console, report[name])


def _show_errors(console: Any, errors: dict[str, Any]) -> None:
    """What the wrong answers have in common, beside what they would have by chance."""
    from rich.table import Table

    table = Table("what went wrong", "share", "by chance", "difference", "95 % interval", title_justify="left",
                  title=f"{errors['wrong']:,} wrong answers of {errors['cases']:,} ({errors['what']})")  # fmt: skip
    for row in errors["groups"]:
        if row["wrong"]:
            more, known = row["excess"], not _missing(row["reference"])
            beside = (f"{row['reference']:.3f}", f"{more['value']:+.3f}", _span(more, "+.3f")) if known else ()
            table.add_row(row["title"], f"{row['value']:.3f}", *beside)
    console.print(table)
    none = [row["title"] for row in errors["groups"] if not row["wrong"]]
    if none:
        console.print(f"none: {', '.join(none)}", highlight=False)
    if errors["words"]:
        words = ", ".join(f"{row['word']} ({row['pull']:.1f} times)" for row in errors["words"])
        console.print(f"words that pull: {words}", highlight=False, markup=False)


def _show_rankings(console: Any, report: dict[str, Any]) -> None:
    """The simple methods with what sets the model apart from them, then the segments."""
    from rich.table import Table

    from shoptalk.report.rankings import (
        BESIDE,
        MAIN,
        NAMES,
        best_baseline,
        corrected_p,
        method_rows,
        segment_panels,
        show_p,
    )

    rows = method_rows(report)
    if len(rows) > 1:
        table = Table("method", MAIN, BESIDE, "model minus method", "95 % interval", "p (Holm)",
                      title="ranking the whole catalogue", title_justify="left")  # fmt: skip
        for row in rows:
            versus, own = row["versus"], row["metrics"]
            apart = ("", "", "")
            if versus:
                span = f"{versus['low']:+.4f} to {versus['high']:+.4f}"
                apart = (f"{versus['difference']:+.4f}", span, show_p(corrected_p(versus)))
            table.add_row(row["name"], f"{own[MAIN]['value']:.4f}", f"{own[BESIDE]['value']:.4f}", *apart)
        console.print(table)
    best = best_baseline(report)
    table = Table("segment", "users", "this model", NAMES.get(best, best) if best else "", title_justify="left",
                  title=f"{MAIN} by segment")  # fmt: skip
    for panel in segment_panels(report):
        table.add_section()
        table.add_row(f"[bold]{panel['title']}[/bold]", "", "", "")
        for row in panel["rows"]:
            beside = f"{row['best']['value']:.4f}" if row["best"] else ""
            table.add_row(f"  {row['name']}", f"{row['n']:,}", f"{row['model']['value']:.4f}", beside)
    if table.row_count:
        console.print(table)


_RIGHT = ("value", "95 % interval", "users")


def _missing(value: float | None) -> bool:
    return value is None or math.isnan(value)


def _span(row: dict[str, Any], form: str) -> str:
    return "" if _missing(row["low"]) else f"{row['low']:{form}} to {row['high']:{form}}"


def _figures(row: dict[str, Any]) -> tuple[str, str, str]:
    if _missing(row["value"]):
        return "n/a", "", str(row["n"])
    return f"{row['value']:.4f}", _span(row, ".4f"), f"{row['n']:,}"
