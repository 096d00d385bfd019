"""``shoptalk score FILE``: metrics of a file of predictions."""

from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from shoptalk.cli.options import Json, Seed, print_json
from shoptalk.constants import DEFAULT_K

if TYPE_CHECKING:  # numpy would slow down every command
    from shoptalk.schema import Estimate


class PrecisionBy(StrEnum):
    """The denominator of precision."""

    k = "k"
    distinct = "distinct"


def command(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE", help='JSON lines {"user": .., "truth": [..], "ranked": [..]}, best first; plain or gzip.'
        ),
    ],
    k: Annotated[
        int, typer.Option("--k", "-k", min=1, help="Cutoff: number of items of each list that count.")
    ] = DEFAULT_K,
    precision: Annotated[
        PrecisionBy, typer.Option("--precision", help="Denominator of precision: k, or the number of distinct items.")
    ] = PrecisionBy.k,
    json: Json = False,
    seed: Seed = None,
) -> None:
    """Compute precision, recall, MRR, hit rate, NDCG and MAP at k of a file of predictions.

    Users without relevant items are excluded and counted. A duplicate item counts once, at its first rank.
    """
    from shoptalk.evaluation.catalogue import score_lists
    from shoptalk.evaluation.predictions import read_predictions

    predictions = read_predictions(file)
    result = score_lists(
        [prediction.ranked for prediction in predictions],
        [prediction.targets for prediction in predictions],
        k,
        precision_by="distinct" if precision is PrecisionBy.distinct else "k",
        seed=1 if seed is None else seed,
    )
    metrics = result.metrics
    if json:
        counts = {"users": result.users, "without_truth": result.without_truth}
        intervals = {name: {"low": value.low, "high": value.high} for name, value in metrics.items()}
        print_json({**{name: value.value for name, value in metrics.items()}, **counts, "intervals": intervals})
    else:
        _show(metrics, result.users, result.without_truth)


def _show(metrics: "Mapping[str, Estimate]", users: int, excluded: int) -> None:
    """Print the metrics as a table."""
    from rich.console import Console
    from rich.table import Table

    table = Table(caption=f"{users} users, {excluded} without relevant items excluded", caption_justify="left")
    table.add_column("metric")
    table.add_column("value", justify="right")
    table.add_column("95 % interval", justify="right")
    for name, value in metrics.items():
        table.add_row(name, f"{value.value:.4f}", f"{value.low:.4f} .. {value.high:.4f}")
    Console().print(table)
