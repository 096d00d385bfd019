"""Reports of evaluation as tables for people."""

from typing import Any


def show_evaluation(report: dict[str, Any]) -> None:
    """Print the metrics in the order of the report, then the simple methods."""
    from rich.console import Console
    from rich.table import Table

    console = Console()
    for warning in report.get("warnings", []):
        console.print(f"warning: {warning}", style="bold yellow", markup=False)
    table = Table("metric", *_RIGHT, title="this model", title_justify="left")
    for name, row in report["metrics"].items():
        table.add_row(name.replace("_", " "), *_figures(row))
    console.print(table)
    if report["baselines"]:
        table = Table("simple method", *_RIGHT, title="accuracy on the same cases", title_justify="left")
        for name, row in report["baselines"].items():
            table.add_row(name.replace("_", " "), *_figures(row["accuracy"]))
        console.print(table)
    if "positions" in report:
        rows = report["positions"]["positions"]
        console.print(
            "chosen by position: " + ", ".join(f"{row['chosen']:.3f}" for row in rows)
            + "; accuracy there: " + ", ".join(f"{row['accuracy']:.3f}" for row in rows),
            highlight=False,
        )  # fmt: skip


_RIGHT = ("value", "95 % interval", "users")


def _figures(row: dict[str, Any]) -> tuple[str, str, str]:
    value, low, high = row["value"], row["low"], row["high"]
    if value is None or value != value:  # noqa: PLR0124  (NaN)
        return "n/a", "", str(row["n"])
    return f"{value:.4f}", f"{low:.4f} to {high:.4f}", f"{row['n']:,}"
