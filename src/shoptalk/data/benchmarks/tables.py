"""Tables of benchmark rows: CSV or tab-separated text, with lists as Python or JSON literals in their cells.

A header with types (``item_id_list:token_seq``), as in RecBole's files, is read too; there a list is separated by
spaces. Cells are parsed as literals and never evaluated.
"""

import ast
import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shoptalk.data.benchmarks.histories import LISTS
from shoptalk.errors import SourceError
from shoptalk.files import JsonObject

if TYPE_CHECKING:
    from shoptalk.data.sources.lines import FileHead

#: Longest cell, in characters.
MAX_CELL = 1 << 20


def read_table(path: Path) -> Iterator[tuple[int, str, JsonObject]]:
    """The rows of a table as objects, with their line numbers from 1 and their locations (``file:line``).

    Raises
    ------
    SourceError
        When the file cannot be read, a row does not fit the header, or a list cannot be parsed; with file and line.
    """
    from shoptalk.data.sources import delimited, lines  # import ibis, which files of JSON do not need

    source = delimited.with_header(_inspect(path))
    names, types = _names_and_types(source.names)
    csv.field_size_limit(MAX_CELL)
    line = 1
    with lines.opened(path, source.file.compression) as stream:
        text = io.TextIOWrapper(stream, encoding="utf-8-sig", newline="")
        reader = csv.reader(text, delimiter=source.delimiter)
        try:
            for number, cells in enumerate(reader):
                where, line = f"{path}:{line}", reader.line_num + 1
                if number == 0 or not cells:
                    continue
                if len(cells) != len(names):
                    raise SourceError(
                        f"the row has {len(cells)} cells and the header {len(names)}: {_shown(','.join(cells))}",
                        where=where,
                        hint="quote cells that contain the delimiter",
                    )
                yield number, where, _row(names, types, cells, where)
        except csv.Error as error:
            raise SourceError(f"the row cannot be read: {error}", where=f"{path}:{line}", hint="write CSV") from error
        except UnicodeDecodeError as error:
            raise SourceError(
                "the file is not UTF-8 text", where=f"{path}:{line}", hint="save the file as UTF-8"
            ) from error


def _inspect(path: Path) -> "FileHead":
    """The beginning of a file of text; other formats are refused."""
    from shoptalk.data.sources import lines

    try:
        return lines.inspect(path)
    except SourceError as error:
        hint = (error.hint or "").replace(
            "DataFrame.to_parquet(FILE)", 'DataFrame.to_json(FILE, orient="records", lines=True)'
        )
        if "recipe" in hint:
            hint = "check the path"
        if "Parquet" in error.message:
            hint = 'write it as JSON lines, in Python with: DataFrame.to_json(FILE, orient="records", lines=True)'
        raise SourceError(error.message, where=error.where, hint=hint or None) from error


def _names_and_types(header: tuple[str, ...]) -> tuple[list[str], list[str]]:
    """The names of the columns, and their types in RecBole's files (empty elsewhere)."""
    parts = [name.rpartition(":") for name in header]
    if all(name and kind for name, _, kind in parts):
        return [name for name, _, _ in parts], [kind for _, _, kind in parts]
    return list(header), [""] * len(header)


def _row(names: list[str], types: list[str], cells: list[str], where: str) -> JsonObject:
    """The cells of a row by name; those of lists are parsed."""
    row: JsonObject = {}
    for name, kind, cell in zip(names, types, cells, strict=True):
        if kind.endswith("_seq"):
            row[name] = cell.split()
        elif name in LISTS:
            row[name] = _list(name, cell.strip(), where)
        elif name:
            row[name] = cell
    return row


def _list(name: str, cell: str, where: str) -> Any:
    """The list in a cell: ``['A', "B"]``, JSON, or an empty cell."""
    if not cell:
        return []
    if not cell.startswith("["):
        return cell
    try:
        return ast.literal_eval(cell)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        try:
            return json.loads(cell)
        except (ValueError, RecursionError) as error:
            raise SourceError(
                f"the list in the column {name!r} cannot be parsed: {_shown(cell)}",
                where=where,
                hint="write lists like ['Soap', 'Comb']",
            ) from error


def _shown(text: str) -> str:
    return repr(text if len(text) <= 60 else text[:57] + "...")
