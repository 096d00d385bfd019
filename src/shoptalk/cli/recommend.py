"""``shoptalk recommend``: the next products for one history."""

from pathlib import Path
from typing import Annotated, Any

import typer

from shoptalk.cli.evaluate import RunPath
from shoptalk.cli.options import Json, print_json

HISTORY = "A bought product, by title or id; repeat it, the latest last."


def command(
    run: RunPath,
    user: Annotated[str | None, typer.Option("--user", metavar="ID", help="A user of the run's dataset.")] = None,
    history: Annotated[list[str], typer.Option("--history", metavar="TITLE_OR_ID", help=HISTORY)] = [],  # noqa: B006
    option: Annotated[
        list[str], typer.Option("--option", metavar="TITLE_OR_ID", help="A product to choose among; repeatable.")
    ] = [],  # noqa: B006
    k: Annotated[int, typer.Option("-k", min=1, help="How many products.")] = 10,
    explain: Annotated[bool, typer.Option("--explain", help="Measure what each bought product adds.")] = False,
    as_json: Json = False,
) -> None:
    """Recommend the next products to a known user, or for a history typed in.

    Example: `shoptalk recommend run --history "rose shampoo" --history "rose conditioner" -k 5 --explain`
    """
    from shoptalk.cli.progress import show_progress
    from shoptalk.stages.recommend import recommend

    with show_progress() as progress:
        report = recommend(Path(run), progress, user=user, typed=history, options=option, k=k, why=explain)
    if as_json:
        print_json(report)
    else:
        show_recommendations(report)


def show_recommendations(report: dict[str, Any]) -> None:
    """Print what was bought, and the recommended products with the reasons measured for them."""
    titles = {row["item_id"]: row["title"] for row in report["history"]}
    print("bought: " + "; ".join(titles.values()))
    for place, item in enumerate(report["items"], 1):
        print(f"{place:>3}. {item['title']}  [{item['item_id']}]  score {item['score']:.3f}")
        for reason in item["because"][:2]:
            print(f"       {reason['effect']:+.3f} because of {titles[reason['item_id']]}")
