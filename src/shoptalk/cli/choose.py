"""``shoptalk choose``: which method to use for a dataset."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from shoptalk.cli.options import Json, print_json

if TYPE_CHECKING:  # numpy would slow down every command
    from rich.console import Console

    from shoptalk.results import ChoiceResult, MethodCurve


def command(
    dataset: Annotated[Path, typer.Argument(metavar="DATASET", help="Folder that shoptalk prepare wrote.")],
    as_json: Json = False,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seed of the random samples.")] = 1,
) -> None:
    """Recommend a method for a dataset, and say how sure that is.

    Learns the simple methods from parts of the training users, measures them on validation users, extrapolates to twice
    the users, and says what learning curves of other shops let expect of trained models. The test is not read.

    Example: `shoptalk choose runs/beauty/dataset`
    """
    from shoptalk.data.dataset import open_dataset
    from shoptalk.progress_bars import progress_bars
    from shoptalk.results import as_json as to_json
    from shoptalk.stages.choose import choose

    with progress_bars() as progress:
        result = choose(open_dataset(dataset), progress, seed=seed)
    if as_json:
        print_json(to_json(result))
    else:
        show_choice(result)


def show_choice(result: "ChoiceResult") -> None:
    """Print the answer, the curves and the models."""
    from rich.console import Console

    console = Console(highlight=False)
    for number, sentence in enumerate(result.says):
        console.print(sentence, style="bold" if number == 0 else "", markup=False)
    for warning in result.warnings:
        console.print(f"warning: {warning}", style="bold yellow", markup=False)
    _show_curves(result, console)
    _show_models(result, console)
    seconds = sum(result.seconds.values())
    console.print(
        f"{result.users:,} training users with {result.purchases:,} purchases of {result.items:,} products; settings "
        f"chosen on {result.tuned_on:,} validation users, measured on {result.measured_on:,} others; the test was not "
        f"read; {seconds:.0f} s",
        markup=False,
    )


def _show_curves(result: "ChoiceResult", console: "Console") -> None:
    """Print what the methods reach with all training users, and their learning curves."""
    from rich.table import Table

    from shoptalk.report.choice import method_label, short_percent, with_interval
    from shoptalk.report.names import metric_label

    metric = metric_label(result.metric)
    table = Table("method", metric, "behind the best", "best with")
    for curve in result.curves:
        behind = "" if curve.method == result.best else with_interval(curve.behind)
        cells = (with_interval(curve.value), behind, short_percent(curve.probability))
        table.add_row(method_label(curve.method), *cells, style=_style(curve, result))
    console.print(table)
    sizes = [f"{point.users:,}" for point in result.curves[0].points]
    doubled = [f"{2 * result.users:,} (extrapolated)"] if result.curves[0].doubled is not None else []
    title = f"{metric} by number of training users"
    table = Table("method", *sizes, *doubled, title=title, title_justify="left")
    for curve in result.curves:
        values = [f"{point.value.value:.3f}" for point in curve.points]
        if curve.doubled is not None:
            values.append(with_interval(curve.doubled))
        table.add_row(method_label(curve.method), *values, style=_style(curve, result))
    console.print(table)


def _style(curve: "MethodCurve", result: "ChoiceResult") -> str:
    """The recommended method stands out."""
    return "bold" if curve.method == result.recommended else ""


def _show_models(result: "ChoiceResult", console: "Console") -> None:
    """Print what is expected of models that were not trained."""
    from rich.table import Table

    from shoptalk.report.choice import method_label, short_percent, with_interval
    from shoptalk.report.names import metric_label

    title = "models not trained here, judged by other shops"
    columns = (f"expected {metric_label(result.metric)}", "better with", "measured")
    table = Table("model", *columns, title=title, title_justify="left")
    for model in result.models:
        value = "not measured" if model.value is None else with_interval(model.value)
        probability = "" if model.probability is None else short_percent(model.probability)
        table.add_row(method_label(model.model), value, probability, model.reason or f"in {', '.join(model.shops)}")
    console.print(table)
