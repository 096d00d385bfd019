"""``shoptalk recommend``: recommend products for one history."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from shoptalk.cli.evaluate import RunPath
from shoptalk.cli.options import Json, print_json
from shoptalk.constants import DEFAULT_K
from shoptalk.errors import UsageError

if TYPE_CHECKING:
    from shoptalk.results import RecommendResult

#: Zero-width joiners, which some scripts and emoji need.
_JOINERS = "\u200c\u200d"
HISTORY = "A purchased product, by title or id; repeatable, oldest first."


def command(
    run: RunPath,
    user: Annotated[str | None, typer.Option("--user", metavar="ID", help="A user of the run's dataset.")] = None,
    history: Annotated[list[str], typer.Option("--history", metavar="TITLE_OR_ID", help=HISTORY)] = [],  # noqa: B006
    option: Annotated[
        list[str],
        typer.Option("--option", metavar="TITLE_OR_ID", help="A candidate product, by title or id; repeatable."),
    ] = [],  # noqa: B006
    k: Annotated[int, typer.Option("-k", min=1, help="Number of recommendations.")] = DEFAULT_K,
    category: Annotated[
        list[str], typer.Option("--category", metavar="NAME", help="Only products of this category; repeatable.")
    ] = [],  # noqa: B006
    min_price: Annotated[float | None, typer.Option("--min-price", help="Lowest price.")] = None,
    max_price: Annotated[float | None, typer.Option("--max-price", help="Highest price.")] = None,
    allow: Annotated[
        Path | None,
        typer.Option("--allow", metavar="FILE", help="Only products with an id in this file, one id per line."),
    ] = None,
    deny: Annotated[
        Path | None,
        typer.Option("--deny", metavar="FILE", help="Exclude products with an id in this file, one id per line."),
    ] = None,
    repeats: Annotated[
        bool, typer.Option("--repeats", help="Allow products of the history to be recommended again.")
    ] = False,
    explain: Annotated[
        bool, typer.Option("--explain", help="Explain each recommendation by the effect of each purchase.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Recommend products for a user of the dataset, or for a given history.

    Example: `shoptalk recommend run --history "rose shampoo" --max-price 20 --allow in-stock.txt -k 5 --explain`
    """
    from shoptalk.progress_bars import progress_bars
    from shoptalk.recommend.filters import Filters, read_ids
    from shoptalk.results import as_json as to_json
    from shoptalk.runs import open_run
    from shoptalk.stages.recommend import RecommendRequest, recommend
    from shoptalk.stages.trained_run import open_trained_run

    filters = Filters(
        categories=tuple(category),
        lowest=min_price,
        highest=max_price,
        allow=None if allow is None else read_ids(allow),
        deny=() if deny is None else read_ids(deny),
    )
    if (user is None) == (not history):
        raise UsageError("say whom to recommend to", hint="give either --user ID or --history TITLE_OR_ID ...")
    users, histories = ([user], []) if user is not None else ([], [history])
    request = RecommendRequest(users, histories, option, k, explain, filters, repeats)
    with progress_bars() as progress:
        (report,) = recommend(open_trained_run(open_run(run)), request, progress)
    if as_json:
        print_json(to_json(report))
    else:
        show_recommendations(report)


def show_recommendations(result: "RecommendResult") -> None:
    """Print the history, and the recommendations with their explanations."""
    titles = {item.item_id: printable(item.title) for item in result.history}
    print("history: " + "; ".join(titles.values()))
    for index, item in enumerate(result.items, 1):
        print(f"{index:>3}. {printable(item.title)}  [{item.item_id}]  score {item.score:.3f}")
        if item.advice is not None:
            print(f"       {printable(item.advice)}")
        for reason in item.because[:2]:
            print(f"       {reason.effect:+.3f} because of {titles[reason.item_id]}")
    for warning in result.warnings:
        print(warning)


def printable(text: str) -> str:
    """Text on one line without control characters, safe to print on a terminal."""
    shown = "".join(mark if mark.isprintable() or mark in _JOINERS else " " for mark in text)
    return " ".join(shown.split())
