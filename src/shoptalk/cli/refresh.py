"""``shoptalk refresh``: train again with new purchases, and take the new run up if it is not worse."""

from pathlib import Path
from typing import Annotated

import typer

from shoptalk.cli.options import Json, print_json


def command(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a trained run.")],
    database: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="DATABASE",
            help="Database with the new purchases: that of shoptalk serve, or one with the tables of the recipe. "
            "A path, or an address in which ${NAME} is an environment variable.",
        ),
    ] = None,
    rollback: Annotated[
        bool, typer.Option("--rollback", help="Make the version before the current one the current one again.")
    ] = False,
    margin: Annotated[
        float, typer.Option("--margin", help="How much worse the new run may be, as a share of the old one's metric.")
    ] = 0.1,
    keep: Annotated[int, typer.Option("--keep", help="Number of versions to keep.")] = 3,
    kind: Annotated[
        list[str] | None,
        typer.Option("--kind", help="Kind of events that are purchases; repeatable; default: purchase."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Train a run again with the new purchases of a database; the new version is used from then on if it is not worse.

    Both versions are tested on the newest purchases, which neither has learned from. Exit code 5: the new version was
    refused, and the old one stays. Services that have the run open take the new version up.

    Example: `shoptalk refresh runs/beauty --from shop.db`
    """
    from shoptalk.errors import UsageError
    from shoptalk.progress_bars import progress_bars
    from shoptalk.results import as_json as to_json
    from shoptalk.stages import refresh as stage

    if rollback == (database is not None):
        raise UsageError("say what to do", hint="give either --from DATABASE or --rollback")
    if database is None:
        result = stage.rollback(run)
    else:
        with progress_bars() as progress:
            kinds = tuple(kind or ("purchase",))
            result = stage.refresh(run, database, progress, kinds=kinds, margin=margin, keep=keep)
    if as_json:
        print_json(to_json(result))
    else:
        for warning in result.warnings:
            print(f"warning: {warning}")
        if result.database is not None:
            print(f"{result.purchases:,} new purchases of {result.users:,} users, {result.items:,} new products")
        print(f"{result.outcome}: {result.says}")
        print(f"current version: {result.current} (kept: {', '.join(result.versions)})")
    if result.outcome == "refused":
        raise typer.Exit(stage.REFUSED)
