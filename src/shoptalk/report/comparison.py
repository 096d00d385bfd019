"""The page about several runs: which is better, how surely, and at what cost."""

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

#: What a cost is called, and how it is shown.
COSTS = {
    "training_seconds": "training time",
    "evaluation_seconds": "evaluation time",
    "peak_memory_bytes": "peak memory",
    "tokens": "tokens trained on",
    "parameters": "parameters",
    "joules": "energy of training",
}


def write_comparison(report: ComparisonResult, path: Path) -> None:
    """Write the page of what ``stages.compare`` found.

    Raises
    ------
    ShoptalkError
        When the place cannot be written, or a run has gone meanwhile.
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
        significant=lambda one: one.p_holm < SIGNIFICANCE,
    )
    write_text(path, text)


def verdict(report: ComparisonResult) -> str:
    """One sentence: which recipe is best by the first metric, and whether it is surely so."""
    groups, metric = report.groups, report.metrics[0]
    values = {group.name: group.metrics[metric].value for group in groups}
    if len(groups) == 1:
        return f"Nothing to compare: all {len(groups[0].runs)} runs are seeds of one recipe, {groups[0].name}."
    best = best_recipe(report)
    statement = f"{best.name} is best by {metric_label(metric)}, {values[best.name]:.4f}"
    if len(groups) == 2:
        return _of_two(best.compared[0], values, metric_label(metric), clear=not best.unclear)
    if not best.unclear:
        return f"{statement}: significantly better than each of the other {len(best.compared)}."
    beside = ", ".join(f"{one.other} ({values[one.other]:.4f}, {show_p(one.p_holm)})" for one in best.unclear)
    if len(best.unclear) == len(best.compared):
        return f"{statement}, but not significantly better than any other: {beside}."
    return f"{statement}, but not significantly better than {beside}."


def _of_two(versus: Comparison, values: Mapping[str, float], metric: str, *, clear: bool) -> str:
    one, other, apart = versus.one, versus.other, versus.difference
    if not apart:
        return f"{one} and {other} are equally good by {metric}: {values[one]:.4f}."
    statement = f"{metric} {values[one]:.4f} against {values[other]:.4f}"
    ends = f"{signed(apart)}, 95 % interval {signed(versus.low)} to {signed(versus.high)}, {show_p(versus.p_holm)}"
    if clear:
        return f"{one} is significantly better than {other}: {statement} ({ends})."
    more = show_more(versus)
    needed = f"; {more} more users would be needed to tell" if more else ""
    return f"{one} is not significantly better than {other}: {statement} ({ends}){needed}."


def by_metric(report: ComparisonResult) -> dict[str, list[Comparison]]:
    """The comparisons by each metric; no metric where there are none."""
    rows: dict[str, list[Comparison]] = {}
    for one in report.comparisons:
        rows.setdefault(one.metric, []).append(one)
    return rows


def show_more(versus: Comparison) -> str:
    """How many more users would find the difference four times in five; empty where that is no question."""
    if versus.users_needed is None:
        return ""
    more = versus.users_needed - versus.n
    return "over a million" if more > 1_000_000 else f"{more:,}"


def show_cost(name: str, cost: Cost) -> str:
    """A cost with its unit, and what is measured of energy; a dash where it is not known."""
    value: float | None = getattr(cost, name)
    if value is None:
        return "–"
    if name.endswith("seconds"):
        minutes, seconds = divmod(round(value), 60)
        return f"{minutes} min {seconds:02} s" if value >= 60 else f"{value:.1f} s"
    if name.endswith("bytes"):
        return f"{value / 1e9:.2f} GB"
    if name == "joules":
        return f"{value / 1e3:,.1f} kJ ({' and '.join(cost.joules_of or ['parts differ'])})"
    return f"{value:,.0f}"


def show_setting(value: Any) -> str:
    """A setting as a recipe writes it."""
    return "–" if value is None else json.dumps(value, ensure_ascii=False)


def number(value: float | None, digits: int = 4) -> str:
    """A figure, or a dash where there is none."""
    return "–" if value is None or math.isnan(value) else f"{value:.{digits}f}"


def signed(value: float, digits: int = 4) -> str:
    """A difference with its sign."""
    return "–" if math.isnan(value) else f"{value:+.{digits}f}" if value else "0"


def bare_p(p: float) -> str:
    """A p value without its letter, for a column that has it above: ``0.012``, ``< 0.001``."""
    return show_p(p).removeprefix("p").removeprefix(" =").strip() or "–"
