"""``shoptalk online``: what the experiments on customers show."""

import math
import re
from typing import TYPE_CHECKING, Annotated, Any

import typer

from shoptalk.cli.options import Json, print_json

if TYPE_CHECKING:  # numpy would slow down every command
    from shoptalk.results import ExperimentResult, OnlineResult

_SECONDS = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}


def command(
    database: Annotated[
        str, typer.Argument(metavar="DATABASE", help="File or URL of the database that `shoptalk serve` writes.")
    ],
    experiment: Annotated[
        str | None, typer.Option("--experiment", metavar="NAME", help="Only this experiment.")
    ] = None,
    metric: Annotated[
        str, typer.Option("--metric", metavar="KIND", help="Kind of event by which arms are judged.")
    ] = "click",
    window: Annotated[
        str,
        typer.Option(
            "--window", metavar="TIME", help="How long after a user's first answer events count: 90m, 24h, 7d."
        ),
    ] = "24h",
    planned: Annotated[
        int,
        typer.Option("--planned", min=100, help="Users at which intervals are narrowest; choose it before the start."),
    ] = 10_000,
    margin: Annotated[
        float | None, typer.Option("--margin", help="Differences of rates below this do not matter, as in 0.01.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Click, basket and purchase rates by arm, with a verdict that holds however often you look.

    Example: `shoptalk online shop.db --metric purchase --window 7d`
    """
    from shoptalk.errors import UsageError, require

    require("sqlalchemy", "serve")
    require("alembic", "serve")
    seconds = _seconds(window)
    if margin is not None and not 0 < margin < 1:
        raise UsageError(f"--margin is {margin}, and rates lie between 0 and 1")

    from shoptalk.online.database import open_database
    from shoptalk.online.summary import summarise
    from shoptalk.results import as_json as to_json

    opened = open_database(database, create=False)
    try:
        result = summarise(opened, experiment=experiment, metric=metric, window=seconds, planned=planned, margin=margin)
    finally:
        opened.close()
    if as_json:
        print_json(to_json(result))
    else:
        _show(result)


def _seconds(text: str) -> float:
    """A time such as ``24h`` in seconds."""
    from shoptalk.errors import UsageError

    match = re.fullmatch(r"(\d+(?:\.\d+)?)([smhd]?)", text.strip())
    if match is None or not 0 < (seconds := float(match[1]) * _SECONDS[match[2]]) < 1e9:
        raise UsageError(f"--window is {text!r}, which is no time", hint="such as 90m, 24h or 7d")
    return seconds


def _show(result: "OnlineResult") -> None:
    """Print the experiments one after the other."""
    from rich.console import Console

    console = Console()
    attributed = "" if math.isnan(result.attributed) else f", {result.attributed:.1%} of them attributed to an answer"
    console.print(f"{result.events:,} events{attributed}", highlight=False)
    for experiment in result.experiments:
        console.print()
        console.print(f"{experiment.experiment}: {experiment.verdict}", style="bold", markup=False, highlight=False)
        for warning in experiment.warnings:
            console.print(f"warning: {warning}", style="bold yellow", markup=False)
        _show_arms(console, experiment)
        _show_comparisons(console, experiment)
        _show_off_policy(console, experiment)


def _show_arms(console: Any, experiment: "ExperimentResult") -> None:
    """Print the rates of users by arm, and the check of the sample ratio."""
    from rich.markup import escape
    from rich.table import Table

    kinds = list(experiment.arms[0].rates) if experiment.arms else []
    title = "share of users with an event, with intervals that hold at all times"
    columns = ("arm", "users", "pending", "answers", "fallback", *kinds)
    table = Table(*columns, title=title, title_justify="left")
    for arm in experiment.arms:
        rates = [f"{_rate(one.value)} ({_rate(one.low)} to {_rate(one.high)})" for one in arm.rates.values()]
        counts = (f"{arm.users:,}", f"{arm.pending:,}", f"{arm.answers:,}", _rate(arm.fallback))
        table.add_row(escape(arm.arm), *counts, *rates)
    console.print(table)
    if experiment.sample_ratio is not None:
        meaning = "other shares than the weights" if experiment.sample_ratio.mismatch else "shares as the weights"
        console.print(f"sample ratio: {meaning} (p = {experiment.sample_ratio.p:.2g})", highlight=False)


def _show_comparisons(console: Any, experiment: "ExperimentResult") -> None:
    """Print each arm against the control."""
    from rich.markup import escape
    from rich.table import Table

    if not experiment.comparisons:
        return
    title = f"{experiment.comparisons[0].metric}: arm minus control, in percentage points"
    columns = ("pair", "difference", "interval", "detectable", "users needed", "verdict")
    table = Table(*columns, title=title, title_justify="left")
    for one in experiment.comparisons:
        interval = "" if math.isnan(one.low) else f"{_points(one.low)} to {_points(one.high)}"
        needed = f"{one.users_needed:,}" if one.users_needed else ""
        table.add_row(
            escape(f"{one.arm} − {one.control}"),
            _points(one.difference),
            interval,
            _points(one.detectable),
            needed,
            one.judgement.replace("_", " "),
        )
    console.print(table)


def _show_off_policy(console: Any, experiment: "ExperimentResult") -> None:
    """Print the estimates for policies that were not in use, and why some are refused."""
    from rich.markup import escape
    from rich.table import Table

    if not experiment.off_policy:
        return
    columns = ("policy", "logged by", "estimator", "value", "95 % interval", "in use", "effective answers")
    title = f"off-policy estimates: items with a {experiment.off_policy[0].metric} per answer"
    table = Table(*columns, title=title, title_justify="left")
    for one in experiment.off_policy:
        figures = (f"{one.value:.4f}", f"{one.low:.4f} to {one.high:.4f}") if one.refused is None else ("refused", "")
        effective = f"{one.effective_answers:,.0f} of {one.answers:,}"
        table.add_row(escape(one.policy), escape(one.arm), one.estimator, *figures, f"{one.in_use:.4f}", effective)
    console.print(table)
    for one in experiment.off_policy:
        if one.refused is not None:
            reason = f"{one.policy}, logged by {one.arm}, {one.estimator}: {one.refused}"
            console.print(reason, markup=False, highlight=False)


def _rate(value: float) -> str:
    return "n/a" if math.isnan(value) else f"{value:.2%}"


def _points(value: float) -> str:
    return "n/a" if math.isnan(value) else f"{100 * value:+.2f}"
