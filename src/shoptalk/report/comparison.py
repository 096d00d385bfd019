"""Report of a comparison of runs: differences, significance and cost."""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from shoptalk.constants import SIGNIFICANCE
from shoptalk.evaluation.verdict import best_recipe
from shoptalk.files import write_text
from shoptalk.report.forest import draw_cost, draw_differences, draw_metrics
from shoptalk.report.names import metric_label, show_p
from shoptalk.results import Comparison, ComparisonResult, Cost
from shoptalk.runs import open_run

#: Labels of the costs.
COSTS = {
    "training_seconds": "training time",
    "evaluation_seconds": "evaluation time",
    "peak_memory_bytes": "peak memory",
    "tokens": "tokens trained on",
    "parameters": "parameters",
    "joules": "energy of training",
}


def write_comparison(report: ComparisonResult, path: Path) -> None:
    """Write the HTML report of a comparison.

    Raises
    ------
    ShoptalkError
        If the file cannot be written, or a run does not exist any more.
    """
    page = Environment(
        loader=PackageLoader("shoptalk.report"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    ).get_template("comparison.html")
    main = report.metrics[0]
    pairs = by_metric(report)
    text = page.render(
        report=report,
        main=main,
        differences={metric: draw_differences(rows, metric_label(metric)) for metric, rows in pairs.items()},
        rows=pairs,
        metrics={metric: draw_metrics(report.groups, metric, metric_label(metric)) for metric in report.metrics},
        scatter=draw_cost(report.groups, main, metric_label(main)),
        costs=COSTS,
        recipes={group.name: open_run(Path(group.runs[0])).recipe.to_toml() for group in report.groups},
        title=metric_label,
        number=number,
        signed=signed,
        setting=show_setting,
        cost=show_cost,
        more=show_more,
        p=bare_p,
        significant=lambda comparison: comparison.p_holm < SIGNIFICANCE,
    )
    write_text(path, text)


def verdict(report: ComparisonResult) -> str:
    """One sentence: the best recipe by the first metric, and whether it is significantly better."""
    groups, metric = report.groups, report.metrics[0]
    values = {group.name: group.metrics[metric].value for group in groups}
    if len(groups) == 1:
        return f"Nothing to compare: all {len(groups[0].runs)} runs are seeds of the same recipe, {groups[0].name}."
    best = best_recipe(report)
    statement = f"{best.name} is best by {metric_label(metric)}, {values[best.name]:.4f}"
    if len(groups) == 2:
        return _verdict_on_two(best.compared[0], values, metric_label(metric), clear=not best.unclear)
    if not best.unclear:
        return f"{statement}: significantly better than each of the other {len(best.compared)}."
    unclear_recipes = ", ".join(
        f"{comparison.other} ({values[comparison.other]:.4f}, {show_p(comparison.p_holm)})"
        for comparison in best.unclear
    )
    if len(best.unclear) == len(best.compared):
        return f"{statement}, but not significantly better than any other: {unclear_recipes}."
    return f"{statement}, but not significantly better than {unclear_recipes}."


def _verdict_on_two(comparison: Comparison, values: Mapping[str, float], metric: str, *, clear: bool) -> str:
    """The sentence for two recipes; ``clear`` is whether the difference is significant."""
    best, second = comparison.one, comparison.other
    if not comparison.difference:
        return f"{best} and {second} are equally good by {metric}: {values[best]:.4f}."
    statement = f"{metric} {values[best]:.4f} against {values[second]:.4f}"
    interval_text = f"95 % interval {signed(comparison.low)} to {signed(comparison.high)}"
    difference = f"{signed(comparison.difference)}, {interval_text}, {show_p(comparison.p_holm)}"
    if clear:
        return f"{best} is significantly better than {second}: {statement} ({difference})."
    more = show_more(comparison)
    needed = f"; {more} more users would be needed to detect it" if more else ""
    return f"{best} is not significantly better than {second}: {statement} ({difference}){needed}."


def by_metric(report: ComparisonResult) -> dict[str, list[Comparison]]:
    """The comparisons by metric."""
    rows: dict[str, list[Comparison]] = {}
    for comparison in report.comparisons:
        rows.setdefault(comparison.metric, []).append(comparison)
    return rows


def show_more(comparison: Comparison) -> str:
    """How many more users a power of 0.8 needs; empty if the difference is significant or zero."""
    if comparison.users_needed is None:
        return ""
    more = comparison.users_needed - comparison.n
    return "over a million" if more > 1_000_000 else f"{more:,}"


def show_cost(name: str, cost: Cost) -> str:
    """A cost with its unit; a dash if it is unknown. Energy names the measured components."""
    value: float | None = getattr(cost, name)
    if value is None:
        return "–"
    if name.endswith("seconds"):
        minutes, seconds = divmod(round(value), 60)
        return f"{minutes} min {seconds:02} s" if value >= 60 else f"{value:.1f} s"
    if name.endswith("bytes"):
        return f"{value / 1e9:.2f} GB"
    if name == "joules":
        return f"{value / 1e3:,.1f} kJ ({' and '.join(cost.joules_of or ['components differ'])})"
    return f"{value:,.0f}"


def show_setting(value: Any) -> str:
    """A setting as in a recipe."""
    return "–" if value is None else json.dumps(value, ensure_ascii=False)


def number(value: float | None, digits: int = 4) -> str:
    """A number, or a dash for None and NaN."""
    return "–" if value is None or math.isnan(value) else f"{value:.{digits}f}"


def signed(value: float, digits: int = 4) -> str:
    """A difference with its sign."""
    return "–" if math.isnan(value) else f"{value:+.{digits}f}" if value else "0"


def bare_p(p: float) -> str:
    """A p value without "p =", for table columns: ``0.012``, ``< 0.001``."""
    return show_p(p).removeprefix("p").removeprefix(" =").strip() or "–"
