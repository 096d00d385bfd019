"""``shoptalk keys``: the keys of the HTTP service."""

from datetime import UTC, datetime
from typing import Annotated

import typer

from shoptalk.cli.options import Json, print_json

app = typer.Typer(help="Keys of the HTTP service.", no_args_is_help=True)
DatabaseArgument = Annotated[
    str, typer.Argument(metavar="DATABASE", help="SQLite file or URL of the database that `serve` uses.")
]


@app.callback()
def keys() -> None:
    """Keys of the HTTP service."""


@app.command(name="add", no_args_is_help=True)
def add(
    database: DatabaseArgument,
    name: Annotated[str, typer.Option("--name", help="What the key is for.")],
    scope: Annotated[
        list[str], typer.Option("--scope", help="read, write or admin; repeatable. admin includes the others.")
    ] = ["read"],  # noqa: B006  (typer copies it)
    rate: Annotated[
        int | None, typer.Option("--rate", min=1, metavar="N", help="Most requests a minute; default: that of serve.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Make a key and print it. Only a hash is stored: it cannot be shown again.

    Example: `shoptalk keys add shoptalk.db --name shop --scope read --scope write`
    """
    from shoptalk.errors import require

    require("sqlalchemy", "serve")
    require("alembic", "serve")
    from shoptalk.online.database import open_database
    from shoptalk.online.keys import create_key

    opened = open_database(database)
    try:
        key, text = create_key(opened, name, scope, rate)
    finally:
        opened.close()
    if as_json:
        print_json({"key": text, "key_id": key.key_id, "name": key.name, "scopes": list(key.scopes)})
    else:
        print(text)


@app.command(name="list", no_args_is_help=True)
def list_all(database: DatabaseArgument, as_json: Json = False) -> None:
    """List all keys, without their secrets."""
    from shoptalk.online.database import open_database
    from shoptalk.online.keys import list_keys

    opened = open_database(database, create=False)
    try:
        found = list_keys(opened)
    finally:
        opened.close()
    if as_json:
        columns = ("key_id", "name", "scopes", "rate_per_minute", "created", "revoked")
        print_json({"keys": [{name: getattr(key, name) for name in columns} for key in found]})
        return
    for key in found:
        made = datetime.fromtimestamp(key.created, UTC).date().isoformat()
        rate = f", {key.rate_per_minute} a minute" if key.rate_per_minute else ""
        ended = ", revoked" if key.revoked else ""
        print(f"{key.key_id}  {key.name}  {'+'.join(key.scopes)}{rate}  made {made}{ended}")
    if not found:
        print("no keys")


@app.command(name="revoke", no_args_is_help=True)
def revoke(
    database: DatabaseArgument,
    key_id: Annotated[str, typer.Argument(metavar="KEY_ID", help="The id that `list` shows.")],
    as_json: Json = False,
) -> None:
    """Make a key invalid; running services refuse it within seconds."""
    from shoptalk.errors import UsageError
    from shoptalk.online.database import open_database
    from shoptalk.online.keys import revoke_key

    opened = open_database(database, create=False)
    try:
        done = revoke_key(opened, key_id)
    finally:
        opened.close()
    if not done:
        raise UsageError(f"no valid key {key_id!r}", hint="see shoptalk keys list")
    if as_json:
        print_json({"revoked": key_id})
    else:
        print(f"revoked {key_id}")
