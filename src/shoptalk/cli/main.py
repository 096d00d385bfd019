"""The ``shoptalk`` command: puts the commands together and turns every error into one clear line."""

import importlib
import os
import sys
from collections.abc import Sequence

import typer

from shoptalk import __version__
from shoptalk.errors import ShoptalkError

#: Commands in the order in which ``shoptalk --help`` lists them; each is ``shoptalk.cli.NAME.command``.
COMMANDS = (
    "demo", "run", "sweep", "sample", "prepare", "audit", "train", "evaluate", "compare", "recommend", "catalogue",
    "score", "export",
)  # fmt: skip

#: How often a thread that waits for another looks before it sleeps: what libgomp takes where it knows of more threads
#: than cores. It cannot know of other programs' threads, and looks 300,000 times otherwise.
SPINS = "1000"

BAD_INPUT, INTERRUPTED, BUG = 2, 130, 70


def make_app() -> typer.Typer:
    """All commands under one name."""
    app = typer.Typer(
        name="shoptalk",
        help="Fine-tunes language models on purchase histories, proves how good they are, recommends products.",
        no_args_is_help=True,
        add_completion=False,
        rich_markup_mode="markdown",
        context_settings={"help_option_names": ["-h", "--help"]},
    )

    @app.callback(invoke_without_command=True)
    def version(show: bool = typer.Option(False, "--version", help="Print the version and stop.")) -> None:
        if show:
            print(__version__)
            raise typer.Exit

    for name in COMMANDS:
        module = importlib.import_module(f"shoptalk.cli.{name}")
        if hasattr(module, "app"):  # commands of its own
            app.add_typer(module.app, name=name)
        else:
            app.command(name=name, no_args_is_help=name != "demo")(module.command)
    return app


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command; bad input ends with one line and exit code 2, never with a traceback."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if "OMP_WAIT_POLICY" not in os.environ:  # before torch is loaded: threads that wait shall soon sleep
        os.environ.setdefault("GOMP_SPINCOUNT", SPINS)
    try:
        _check_platform()
        code = make_app()(args=given, standalone_mode=False)
        sys.exit(code if isinstance(code, int) else 0)
    except ShoptalkError as error:
        _fail(error, as_json="--json" in given)
    except KeyboardInterrupt:
        print("interrupted; what was finished is kept", file=sys.stderr)
        sys.exit(INTERRUPTED)
    except Exception as error:
        _fail(_as_ours(error), as_json="--json" in given)


def _check_platform() -> None:
    """Refuse systems without the file locks and the memory counts that commands need."""
    from shoptalk.errors import UsageError

    if not sys.platform.startswith(("linux", "darwin")):
        raise UsageError(
            f"shoptalk runs on Linux and macOS, and this is {sys.platform}",
            hint="on Windows, use the Windows Subsystem for Linux",
        )


def _as_ours(error: Exception) -> ShoptalkError:
    """Errors of the command line itself are the user's; anything else is a bug, and says so."""
    from shoptalk.errors import StorageError, UsageError

    if hasattr(error, "format_message"):  # every usage error of click
        return UsageError(error.format_message(), hint="see shoptalk --help")
    if isinstance(error, OSError) and not os.environ.get("SHOPTALK_DEBUG"):
        return StorageError(error.strerror or str(error), where=str(error.filename) if error.filename else None)
    if os.environ.get("SHOPTALK_DEBUG"):
        raise error
    unexpected = ShoptalkError(
        f"unexpected {type(error).__name__}: {error}",
        hint="this is a bug of shoptalk; SHOPTALK_DEBUG=1 shows where, please report it",
    )
    unexpected.kind = "bug"
    return unexpected


def _fail(error: ShoptalkError, *, as_json: bool) -> None:
    print(f"error: {error}", file=sys.stderr)
    if as_json:
        from shoptalk.cli.options import print_json

        print_json({"error": error.as_dict()})
    sys.exit(BUG if error.kind == "bug" else BAD_INPUT)


if __name__ == "__main__":
    main()
