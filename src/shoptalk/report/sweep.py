"""``report.html`` of a sweep: trials, loss curves, importance of settings, test result of the best trial."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from shoptalk.evaluation.metrics import larger_is_better
from shoptalk.evaluation.verdict import OPTION_METRIC, PROBE, RANKING_METRIC
from shoptalk.files import JsonObject, write_text
from shoptalk.recipe import Recipe
from shoptalk.report.curves import UNITS
from shoptalk.report.figure import as_svg
from shoptalk.report.names import baseline_label, metric_label
from shoptalk.results import SweepResult, SweepWinner, TrialResult
from shoptalk.runs import read_log

#: Distinguishable for colour-blind people (Okabe and Ito), and with a marker each. With more curves, curves are grey.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
MARKS = "osD^vP"
GREY = "#9a9a9a"
#: Most settings for which a label names all.
MAX_LABELLED = 3
#: Headline metrics on the test cases.
MAIN = (OPTION_METRIC, RANKING_METRIC, "title_exact_match")
NAMES = {
    "validation_loss": "validation loss",
    "ndcg@10": f"{metric_label('ndcg@10')} on validation",
    "accuracy": "validation accuracy",
}


@dataclass(frozen=True, slots=True)
class TrialRow:
    """A trial with the label of its configuration, and its epochs."""

    trial: TrialResult
    label: str
    losses: list[JsonObject]


def write_sweep_report(out: Path, recipe: Recipe, report: SweepResult) -> None:
    """Write ``report.html`` into a sweep's folder."""
    rows = [TrialRow(trial, label(trial.settings, recipe), losses(trial.run)) for trial in report.trials]
    keys = list(dict.fromkeys(key for row in rows for key in row.trial.settings))
    curves = [row for row in rows if row.losses]
    page = Environment(
        loader=PackageLoader("shoptalk.report"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    ).get_template("sweep.html")
    text = page.render(
        recipe=recipe,
        toml=recipe.to_toml(),
        winning=(out / "winner.toml").read_text(encoding="utf-8"),
        report=report,
        rows=sorted(rows, key=lambda row: _order(row, recipe)),
        keys=keys,
        metric=NAMES[report.metric],
        verdict=verdict(report, rows),
        statement=_statement(report.winner),
        seconds=sum(row.trial.seconds or 0 for row in rows),
        curves=draw_curves(curves, report.winner.number) if curves else "",
        importance=draw_importance(report.importance) if report.importance else "",
        finished=sum(row.trial.value is not None for row in rows),
        show=_show_setting,
        folder=lambda run: Path(run).relative_to(out).as_posix(),
    )
    write_text(out / "report.html", text)


def losses(run: str | None) -> list[JsonObject]:
    """The epochs of a trial, for a pruned one those before pruning."""
    return [event for event in read_log(Path(run)) if event.get("event") == "epoch"] if run else []


def label(settings: Mapping[str, Any], recipe: Recipe) -> str:
    """The label of a configuration: all its settings, or if there are many, those that differ from the recipe."""
    defaults, shown = recipe.model_dump(), []
    for key, value in settings.items():
        section, name = key.split(".")
        if len(settings) <= MAX_LABELLED or defaults[section][name] != (
            tuple(value) if isinstance(value, list) else value
        ):
            shown.append(f"{name.replace('_', ' ')} {_show_setting(value)}")
    return ", ".join(shown) or "as in the recipe"


def _show_setting(value: Any) -> str:
    """A setting's value as short text."""
    if isinstance(value, (list, tuple)):
        return " ".join(map(str, value)) or "none"
    return f"{value:.3g}" if isinstance(value, float) else "" if value is None else str(value)


def verdict(report: SweepResult, rows: Sequence[TrialRow]) -> str:
    """One sentence: the best configuration, the number of trials and the metric."""
    winner = report.winner
    configuration = next(row.label for row in rows if row.trial.number == winner.number)
    trial_count = sum(row.trial.state != "interrupted" for row in rows)
    metric_name = NAMES[report.metric]
    return (
        f"Best of {trial_count} configurations by {metric_name}: {configuration} "
        f"(trial {winner.number}, {winner.value:.4f})."
    )


def _statement(winner: SweepWinner) -> str:
    """The headline metric of the best trial and of the best baseline on the test cases."""
    name = next((name for name in MAIN if name in winner.metrics), None)
    if name is None:
        return ""
    estimate = winner.metrics[name]
    statement = (
        f"{metric_label(name)} {estimate.value:.4f} "
        f"(95 % interval {estimate.low:.4f} to {estimate.high:.4f}, {estimate.n:,} users)"
    )
    baselines = {
        method: table[name].value
        for method, table in winner.baselines.items()
        if name in table and method != PROBE  # a probe is not a baseline
    }
    if not baselines:
        return statement
    best = max(baselines, key=lambda method: baselines[method])
    return f"{statement}; the best baseline, {baseline_label(best, name)}, has {baselines[best]:.4f}"


def _order(row: TrialRow, recipe: Recipe) -> tuple[bool, float, int]:
    """A key that sorts the best trial first, and those without a value last."""
    assert recipe.sweep is not None
    trial, value = row.trial, row.trial.value or 0.0
    return trial.value is None, -value if larger_is_better(recipe.sweep.metric) else value, trial.number


def draw_curves(rows: Sequence[TrialRow], winner: int) -> str:
    """Validation (solid) and train loss (dotted) of each configuration over epochs: a panel per kind of loss."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    kinds = list(dict.fromkeys(_unit(event) for row in rows for event in row.losses))
    figure = Figure(figsize=(7.2, 3.6 * len(kinds)), layout="constrained")
    for index, kind in enumerate(kinds):
        axes = figure.add_subplot(len(kinds), 1, index + 1)
        for order, row in enumerate(rows):
            _draw_curve(axes, row, order, kind, coloured=len(rows) <= len(COLOURS), is_best=row.trial.number == winner)
        _set_top(axes)
        axes.set_xlabel("epoch")
        axes.set_ylabel(kind)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.spines[["top", "right"]].set_visible(False)
    figure.legend(
        *figure.axes[0].get_legend_handles_labels(),
        frameon=False,
        fontsize="small",
        title_fontsize="small",
        loc="outside lower left",
        ncols=2,
        title="solid: validation, dotted: train",
        alignment="left",
    )
    return as_svg(figure)


def _draw_curve(axes: Any, row: TrialRow, order: int, kind: str, *, coloured: bool, is_best: bool) -> None:
    """Draw the losses of a trial; labelled if curves have colours, or for the best trial."""
    events = [event for event in row.losses if _unit(event) == kind]
    epochs = [event["epoch"] for event in events]
    colour = COLOURS[order % len(COLOURS)] if coloured else COLOURS[0] if is_best else GREY
    suffix = f"{' (winner)' if is_best else ''}{', stopped' if row.trial.state == 'pruned' else ''}"
    name = f"{row.trial.number}: {row.label}{suffix}"
    style = {"color": colour, "zorder": 3 if is_best else 2, "linewidth": 2.4 if is_best else 1.3}
    axes.plot(
        epochs,
        [_number(event["validation"]) for event in events],
        **style,
        markersize=4,
        marker=MARKS[order % len(MARKS)] if coloured else None,
        label=name if coloured or is_best else "_",
    )
    if coloured or is_best:
        axes.plot(epochs, [_number(event["train"]) for event in events], color=colour, linewidth=1, linestyle=":")


def _set_top(axes: Any) -> None:
    """Limit the y axis, so that a diverged trial does not flatten the other curves."""
    values = [value for line in axes.get_lines() for value in line.get_ydata() if value == value]  # noqa: PLR0124
    if values and max(values) > (limit := 3 * median(values)):
        axes.set_ylim(top=limit)


def draw_importance(importance: Mapping[str, float]) -> str:
    """A bar per setting, the most important first."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.2, 0.42 * len(importance) + 0.8), layout="constrained")
    axes = figure.subplots()
    names = sorted(importance, key=lambda name: importance[name])
    bars = axes.barh(names, [importance[name] for name in names], color=COLOURS[0], height=0.7)
    axes.bar_label(bars, fmt="%.2f", padding=4)
    axes.set_xlim(0, max(0.05, *importance.values()) * 1.15)
    axes.set_xlabel("share of the variance between trials")
    axes.spines[["top", "right"]].set_visible(False)
    return as_svg(figure)


def _unit(event: dict[str, Any]) -> str:
    """The unit of the loss of an epoch."""
    return UNITS.get(str(event.get("phase")), "loss (nats per answer token)")


def _number(value: float | None) -> float:
    """The value, NaN for None."""
    return float("nan") if value is None else value
