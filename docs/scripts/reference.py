"""Writes everything of ``docs/`` that is generated: ``make reference``.

python docs/scripts/reference.py [--check]
"""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from architecture import architecture_svg
from commands import commands_page
from recipe_keys import recipe_keys_page
from shoptalk.results import schema_page

DOCS = Path(__file__).resolve().parents[1]
#: Each generated file of ``docs/`` and the function that gives its content.
GENERATED: dict[str, Callable[[], str]] = {
    "architecture.svg": architecture_svg,
    "reference/commands.md": commands_page,
    "reference/files.md": schema_page,
    "reference/recipe-keys.md": recipe_keys_page,
}


def main() -> None:
    """Write what is out of date, or with ``--check`` only name it."""
    parser = argparse.ArgumentParser(description="Write the generated files of docs/.")
    parser.add_argument("--check", action="store_true", help="write nothing; exit code 1 where a file is out of date")
    check = parser.parse_args().check
    outdated = [name for name, content in GENERATED.items() if _text(DOCS / name) != content()]
    for name in outdated:
        if not check:
            (DOCS / name).write_text(GENERATED[name](), encoding="utf-8")
        sys.stderr.write(f"{'out of date' if check else 'written'}: docs/{name}\n")
    sys.exit(1 if check and outdated else 0)


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.exists() else ""


if __name__ == "__main__":
    main()
