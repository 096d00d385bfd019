"""``shoptalk serve``: recommendations over HTTP."""

import sys
from pathlib import Path
from typing import Annotated

import typer

Runs = Annotated[
    list[str],
    typer.Argument(metavar="RUN ...", help="Folders of runs; `RUN@METHOD` serves a simple method on a run's dataset."),
]
DatabaseOption = Annotated[
    str,
    typer.Option("--database", metavar="URL", help="SQLite file, or postgresql+psycopg://USER:PASSWORD@HOST/NAME."),
]
Method = Annotated[
    str | None, typer.Option("--method", metavar="NAME", help="A simple method instead of the model: popularity, ...")
]
Weights = Annotated[
    str | None, typer.Option("--weights", metavar="W,W", help="Shares of the users for each run, such as 9,1.")
]
Experiment = Annotated[
    str, typer.Option("--experiment", metavar="NAME", help="Name of the experiment; another name assigns users anew.")
]
RulesFile = Annotated[
    Path | None, typer.Option("--rules", metavar="FILE", help="Business rules, a TOML file; read again on changes.")
]
Host = Annotated[str, typer.Option("--host", help="Address to listen at.")]
Port = Annotated[int, typer.Option("--port", min=1, max=65535, help="Port to listen at.")]
Workers = Annotated[int, typer.Option("--workers", min=1, max=64, help="Number of processes.")]
Open = Annotated[
    bool | None,
    typer.Option(
        "--open/--keys",
        help="Whether requests need no key. Default: they need one if the database holds any, or if the host is not "
        "local.",
    ),
]
Rate = Annotated[
    int | None, typer.Option("--rate", min=1, metavar="N", help="Most requests a minute of a key without its own rate.")
]
Timeout = Annotated[
    float, typer.Option("--timeout", min=0.01, max=60, help="Seconds until popularity answers instead of the model.")
]
BatchSize = Annotated[int, typer.Option("--batch-size", min=1, max=1024, help="Most requests computed together.")]
BatchWait = Annotated[
    float, typer.Option("--batch-ms", min=0, max=100, help="Milliseconds that waiting requests wait for more.")
]
Queue = Annotated[
    int, typer.Option("--queue", min=1, max=100_000, help="Most waiting requests of a process; more get 429.")
]
Kinds = Annotated[
    str, typer.Option("--history-kinds", metavar="KIND,KIND", help="Kinds of events that are part of a history.")
]
Explore = Annotated[
    str | None,
    typer.Option(
        "--explore", metavar="METHOD", help="Draw the last places at random: epsilon, plackett_luce or thompson."
    ),
]
ExplorePlaces = Annotated[int, typer.Option("--explore-places", min=1, max=50, help="How many of the last places.")]
ExploreShare = Annotated[
    float, typer.Option("--explore-share", min=0, max=1, help="epsilon: share of the lists with a random end.")
]
ExploreTemperature = Annotated[
    float, typer.Option("--explore-temperature", min=1e-6, help="plackett_luce: larger is more random.")
]


def command(
    runs: Runs,
    database: DatabaseOption = "shoptalk.db",
    method: Method = None,
    weights: Weights = None,
    experiment: Experiment = "default",
    rules: RulesFile = None,
    host: Host = "127.0.0.1",
    port: Port = 8000,
    workers: Workers = 1,
    open_access: Open = None,
    rate: Rate = None,
    timeout: Timeout = 2.0,
    batch_size: BatchSize = 32,
    batch_ms: BatchWait = 2.0,
    queue: Queue = 256,
    history_kinds: Kinds = "click,basket,purchase",
    explore: Explore = None,
    explore_places: ExplorePlaces = 3,
    explore_share: ExploreShare = 0.1,
    explore_temperature: ExploreTemperature = 1.0,
) -> None:
    """Serve recommendations over HTTP, with live histories, products and business rules.

    Example: `shoptalk serve runs/beauty`, or an experiment: `shoptalk serve runs/new runs/old --weights 1,9`
    """
    from shoptalk.errors import require

    for module in ("fastapi", "uvicorn", "sqlalchemy", "alembic", "prometheus_client"):
        require(module, "serve")
    from shoptalk.serve.server import serve
    from shoptalk.serve.settings import Exploration, Settings, parse_arms

    settings = Settings(
        arms=parse_arms(runs, weights, method),
        database=database,
        experiment=experiment,
        rules=None if rules is None else str(rules),
        host=host,
        port=port,
        workers=workers,
        open_access=open_access,
        history_kinds=tuple(kind.strip() for kind in history_kinds.split(",") if kind.strip()),
        batch_size=batch_size,
        batch_milliseconds=batch_ms,
        queue=queue,
        timeout=timeout,
        rate_per_minute=rate,
        exploration=None
        if explore is None
        else Exploration(explore, explore_places, explore_share, explore_temperature),
    )
    code = serve(settings, lambda address: print(f"serving at {address}; database: {database}", file=sys.stderr))
    if code:
        raise typer.Exit(code)
