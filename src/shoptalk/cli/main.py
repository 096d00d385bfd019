"""The ``shoptalk`` command: registers the commands and prints every error as one line."""

import importlib
import os
import sys
from collections.abc import Sequence

import typer

from shoptalk import __version__
from shoptalk.errors import ShoptalkError

#: Commands in the order in which ``shoptalk --help`` lists them; each is ``shoptalk.cli.NAME.command``.
COMMANDS = (
    "demo",
    "run",
    "sweep",
    "sample",
    "prepare",
    "audit",
    "choose",
    "train",
    "evaluate",
    "compare",
    "recommend",
    "serve",
    "keys",
    "catalogue",
    "models",
    "score",
    "export",
    "teach",
    "online",
)

#: Spin count of waiting OpenMP threads: the value that libgomp uses if it has more threads than cores. Its default of
#: 300,000 wastes processor time if other programs use the cores too.
SPIN_COUNT = "1000"

BAD_INPUT, INTERRUPTED, BUG = 2, 130, 70


def make_app() -> typer.Typer:
    """All commands under one name."""
    app = typer.Typer(
        name="shoptalk",
        help="Fine-tune language models on purchase histories, evaluate them, and recommend products.",
        no_args_is_help=True,
        add_completion=False,
        rich_markup_mode="markdown",
        context_settings={"help_option_names": ["-h", "--help"]},
    )

    @app.callback(invoke_without_command=True)
    def version(show: bool = typer.Option(False, "--version", help="Print the version and stop.")) -> None:
        """Print the version."""
        if show:
            print(__version__)
            raise typer.Exit

    for name in COMMANDS:
        module = importlib.import_module(f"shoptalk.cli.{name}")
        if hasattr(module, "app"):  # a group of commands
            app.add_typer(module.app, name=name)
        else:
            app.command(name=name, no_args_is_help=name != "demo")(module.command)
    return app


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command. Bad input gives one line and exit code 2, never a traceback."""
    argv = list(sys.argv[1:] if arguments is None else arguments)
    if "OMP_WAIT_POLICY" not in os.environ:  # before torch is loaded
        os.environ.setdefault("GOMP_SPINCOUNT", SPIN_COUNT)
    try:
        _check_platform()
        code = make_app()(args=argv, standalone_mode=False)
        sys.exit(code if isinstance(code, int) else 0)
    except ShoptalkError as error:
        _fail(error, as_json="--json" in argv)
    except KeyboardInterrupt:
        print("interrupted; finished work is kept", file=sys.stderr)
        sys.exit(INTERRUPTED)
    except Exception as error:
        _fail(_as_shoptalk_error(error), as_json="--json" in argv)


def _check_platform() -> None:
    """Raise an error on systems without the file locks and memory statistics that commands need."""
    from shoptalk.errors import UsageError

    if not sys.platform.startswith(("linux", "darwin")):
        raise UsageError(
            f"shoptalk runs on Linux and macOS, and this is {sys.platform}",
            hint="on Windows, use the Windows Subsystem for Linux",
        )


def _as_shoptalk_error(error: Exception) -> ShoptalkError:
    """Convert errors of the command line and of files; any other error is reported as a bug."""
    from shoptalk.errors import StorageError, UsageError

    if hasattr(error, "format_message"):  # every usage error of click
        return UsageError(error.format_message(), hint="see shoptalk --help")
    if isinstance(error, OSError) and not os.environ.get("SHOPTALK_DEBUG"):
        return StorageError(error.strerror or str(error), where=str(error.filename) if error.filename else None)
    if os.environ.get("SHOPTALK_DEBUG"):
        raise error
    unexpected = ShoptalkError(
        f"unexpected {type(error).__name__}: {error}",
        hint="this is a bug of shoptalk; SHOPTALK_DEBUG=1 shows the traceback, please report it",
    )
    unexpected.kind = "bug"
    return unexpected


def _fail(error: ShoptalkError, *, as_json: bool) -> None:
    """Print an error and exit."""
    print(f"error: {error}", file=sys.stderr)
    if as_json:
        from shoptalk.cli.options import print_json

        print_json({"error": error.as_dict()})
    sys.exit(BUG if error.kind == "bug" else BAD_INPUT)


if __name__ == "__main__":
    main()
