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

#: Units of scores in words, where the name of the unit does not say enough.
UNITS = {"score": "a number without a unit", "logit": "a logit", "log-probability": "the log of a probability"}
#: Zero-width joiners, which are not printable but are part of words in some scripts and of emoji.
_JOINERS = "\u200c\u200d"

User = Annotated[str | None, typer.Option("--user", metavar="ID", help="A user of the run's dataset.")]
History = Annotated[
    list[str],
    typer.Option(
        "--history", metavar="TITLE_OR_ID", help="A purchased product, by title or id; repeatable, oldest first."
    ),
]
Options = Annotated[
    list[str], typer.Option("--option", metavar="TITLE_OR_ID", help="A candidate product, by title or id; repeatable.")
]
K = Annotated[int, typer.Option("-k", min=1, help="Number of recommendations.")]
Categories = Annotated[
    list[str], typer.Option("--category", metavar="NAME", help="Only products of this category; repeatable.")
]
MinPrice = Annotated[float | None, typer.Option("--min-price", help="Lowest price.")]
MaxPrice = Annotated[float | None, typer.Option("--max-price", help="Highest price.")]
Allow = Annotated[
    Path | None,
    typer.Option("--allow", metavar="FILE", help="Only products with an id in this file, one id per line."),
]
Deny = Annotated[
    Path | None,
    typer.Option("--deny", metavar="FILE", help="Exclude products with an id in this file, one id per line."),
]
Repeats = Annotated[bool, typer.Option("--repeats", help="Allow products of the history to be recommended again.")]
Explain = Annotated[
    bool, typer.Option("--explain", help="Add the effect of each purchase, and a reason in one true sentence.")
]


def command(
    run: RunPath,
    user: User = None,
    history: History = [],  # noqa: B006  (typer copies it)
    option: Options = [],  # noqa: B006
    k: K = DEFAULT_K,
    category: Categories = [],  # noqa: B006
    min_price: MinPrice = None,
    max_price: MaxPrice = None,
    allow: Allow = None,
    deny: Deny = None,
    repeats: Repeats = False,
    explain: Explain = False,
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
        (result,) = recommend(open_trained_run(open_run(run), single=True), request, progress)
    if as_json:
        print_json(to_json(result))
    else:
        show_recommendations(result)


def show_recommendations(result: "RecommendResult") -> None:
    """Print the history, and the recommendations with their explanations."""
    titles = {item.item_id: printable(item.title) for item in result.history}
    print("history: " + "; ".join(titles.values()))
    if result.method != "model":
        from shoptalk.report.names import ranking_label

        print(f"ranked by {ranking_label(result.method)}, the best method on validation users")
    if any(item.because for item in result.items):
        print(f"effects are differences of the score ({UNITS.get(result.unit, result.unit)})")
    for index, item in enumerate(result.items, 1):
        print(f"{index:>3}. {printable(item.title)}  [{item.item_id}]  score {item.score:.3f}")
        if item.advice is not None:
            print(f"       {printable(item.advice)}")
        if item.reason is not None:
            print(f"       {printable(item.reason)}")
        for reason in item.because[:2]:
            print(f"       {reason.effect:+.3f} because of {titles[reason.item_id]}")
        if item.sources:
            parts = (f"{part.source.replace('_', ' ')} {part.effect:+.3f}" for part in item.sources[:3])
            print(f"       by {', '.join(parts)}")
    for warning in result.warnings:
        print(warning)


def printable(text: str) -> str:
    """Text on one line without control characters, safe to print on a terminal."""
    characters = (character if character.isprintable() or character in _JOINERS else " " for character in text)
    return " ".join("".join(characters).split())
