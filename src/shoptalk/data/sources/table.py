"""Any pair of tables in CSV, TSV, Parquet or JSON lines; ``data.columns`` maps canonical names of columns to theirs.

A column that is not in the map has its canonical name in the file. ``interactions`` need user_id, item_id and
timestamp; ``items`` need item_id and title; the other columns are optional. Without a file of items, the items have the
titles in a column ``title`` of the interactions, or else their ids. Ids may be numbers. For a file of text
without a header, the map gives the number of each column, from 1. ``items.item_id`` is the column of ids in the file of
items, where its name or number differs from that in the purchases.

The meaning of timestamps is detected for the whole column, or given by ``data.time_format``; see `times`. Without a
timestamp, a column ``position`` must give the order, and is also used as the timestamp.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import ibis
import ibis.expr.types as ir

from shoptalk.data.engine import Engine
from shoptalk.data.engine_functions import json_list
from shoptalk.data.engine_paths import printable
from shoptalk.data.sources import amazon, checks, delimited, lines, malformed, times
from shoptalk.data.sources.raw_tables import RawTables
from shoptalk.errors import RecipeError, SourceError
from shoptalk.recipe import Data, resolve

_INTERACTION_COLUMNS = ("user_id", "item_id", "timestamp", "position", "rating", "verified", "review", "summary")
_ITEM_COLUMNS = ("item_id", "title", "brand", "categories", "description", "features", "price")
_PARQUET_SIGNATURE = b"PAR1"
#: Key of ``data.columns`` for the ids in the file of items.
_ITEM_ID_OF_ITEMS = "items.item_id"
_EMPTY_ROW = "nothing in any of the columns that are needed"
_TIME_FORMAT_HINT = 'say how timestamps are written, for example data.time_format = "%d/%m/%Y %H:%M"'

#: Canonical name of a column -> its name in the file, or its number from 1.
ColumnMap = Mapping[str, str | int]


@dataclass(frozen=True)
class OpenedTable:
    """The columns of a file, or of a table in a database, under their canonical names, not yet converted.

    In ``table``, ``position`` is the index of the row, and ``order`` is the file's column for ``position``. ``names``
    maps canonical names to names in the file, ``known`` are the names of all columns of the file, ``find`` finds the
    lines of malformed rows, and ``rejected`` counts, by reason, the lines without a row.
    """

    path: Path | str
    table: ir.Table
    names: Mapping[str, str]
    known: Sequence[str]
    find: malformed.Finder
    rejected: Mapping[str, int]


#: Opens the file or table of a name in ``[data]``, given the map of columns, the needed and the optional columns.
Opener = Callable[[str, ColumnMap, Sequence[str], Sequence[str]], OpenedTable]


def read(data: Data, fields: frozenset[str], engine: Engine) -> RawTables:
    """Read interactions and, where the recipe names their file, items."""
    return read_with(
        lambda name, columns, needed, optional: _open(resolve(name), columns, needed, optional, engine),
        data,
        fields,
        engine,
    )


def read_with(open_table: Opener, data: Data, fields: frozenset[str], engine: Engine) -> RawTables:
    """As `read`, from files or from anything else that ``open_table`` opens."""
    known = {*_INTERACTION_COLUMNS, *_ITEM_COLUMNS, _ITEM_ID_OF_ITEMS}
    if unknown := set(data.columns) - known:
        raise RecipeError(
            f"data.columns: unknown column {min(unknown)!r}", hint=f"known here: {', '.join(sorted(known))}"
        )
    opened = _open_interactions(open_table, data, fields)
    interactions, dated = _read_interactions(opened, data, engine)
    files = [opened.path]
    counts = {"reviews": interactions.good, "items": 0, "bad_lines": interactions.bad}
    warnings = interactions.warnings
    described = [opened]
    if data.items is None and not _has_titles(opened, data):
        table = amazon.items_from_ids(interactions.table, engine)
    else:
        opened_items = _open_items(open_table, data.items or data.purchases, data, fields)
        described.append(opened_items)
        files += [opened_items.path] if data.items is not None else []
        items = _read_opened_items(opened_items, data, fields, engine)
        table, title_warnings = checks.first_of_each(items.table, opened_items.path, engine)
        warnings += items.warnings + title_warnings
    if data.items is not None:
        counts |= {"items": items.good, "bad_lines": interactions.bad + items.bad}
    warnings += _absent_columns(described, data, fields)
    return RawTables(interactions.table, table, counts, warnings, tuple(files), dated)


def _absent_columns(opened: Sequence[OpenedTable], data: Data, fields: frozenset[str]) -> tuple[str, ...]:
    """A warning for each column that the recipe keeps and no file has."""
    present = {name for each in opened for name in each.table.columns}
    where = " and ".join(dict.fromkeys(str(each.path) for each in opened))
    return tuple(
        f"{where}: no column {data.columns.get(name, name)!r} for {name}, which the recipe keeps; "
        f"data.columns maps other names"
        for name in sorted(fields - present)
    )


def _has_titles(opened: OpenedTable, data: Data) -> bool:
    """Whether the file of interactions also holds the titles of the items."""
    title = data.columns.get("title", "title")
    return isinstance(title, int) or title in opened.known


def _open_interactions(open_table: Opener, data: Data, fields: frozenset[str]) -> OpenedTable:
    optional = ["timestamp", "position", "verified", *(["review", "summary"] if "review" in fields else [])]
    needed = ["user_id", "item_id", *(["rating"] if data.min_rating is not None else [])]
    optional += [] if data.min_rating is not None else ["rating"]
    return open_table(data.purchases, data.columns, needed, optional)


def _read_interactions(opened: OpenedTable, data: Data, engine: Engine) -> tuple[malformed.Checked, bool]:
    """The interactions, and whether they have timestamps (and not only an order)."""
    dated = _check_order(opened, data)
    raw = opened.table
    order = raw.order.try_cast("int64") if "order" in raw.columns else raw.position
    converted_times = times.ConvertedTimes(order.cast("float64"))
    if dated:
        converted_times = times.convert_times(raw.timestamp, data.time_format, opened.path, engine)
    columns = _canonical_columns(raw, converted_times.seconds)
    required_values = {opened.names[name]: (raw[name], columns[name]) for name in ("user_id", "item_id")}
    required_values |= {opened.names["timestamp"]: (raw.timestamp, columns["timestamp"])} if dated else {}
    required_values |= {opened.names["order"]: (raw.order, order)} if "order" in raw.columns else {}
    optional_values = {
        opened.names[name]: (checks.filled(raw[name].cast("string")), columns[name])
        for name in ("rating", "verified")
        if name in raw.columns
    }
    problem = malformed.problem(required_values, optional_values, _EMPTY_ROW)
    interactions = engine.cache(raw.select(**columns, order=order, problem=problem, position=raw.position))
    hints = {opened.names["timestamp"]: _TIME_FORMAT_HINT} if dated else {}
    checked = malformed.drop_malformed(
        interactions, opened.path, opened.find, data.max_bad_lines, engine, opened.rejected, hints
    )
    table = checked.table.drop("position").rename(position="order")
    return replace(checked, table=table, warnings=(*checked.warnings, *converted_times.warnings)), dated


def _check_order(opened: OpenedTable, data: Data) -> bool:
    """Whether there are timestamps; a file without timestamps needs a column ``position``."""
    dated = "timestamp" in opened.table.columns
    if not dated and "order" not in opened.table.columns:
        error = checks.missing_column(str(data.columns.get("timestamp", "timestamp")), opened.known, opened.path)
        raise SourceError(error.message, where=error.where, hint=f"{error.hint}; or give a column `position`")
    return dated


def _canonical_columns(raw: ir.Table, seconds: ir.Value) -> dict[str, ir.Value]:
    """The converted columns of interactions; ``rating`` and ``verified`` are null where the file lacks them."""
    columns: dict[str, ir.Value] = {
        "user_id": checks.identifier(raw.user_id),
        "item_id": checks.identifier(raw.item_id),
        "timestamp": seconds,
        "rating": checks.number(raw.rating) if "rating" in raw.columns else ibis.null("float64"),
        "verified": raw.verified.try_cast("boolean") if "verified" in raw.columns else ibis.null("boolean"),
    }
    return columns | {name: raw[name].cast("string") for name in ("review", "summary") if name in raw.columns}


def read_items(path: Path, data: Data, fields: frozenset[str], engine: Engine) -> malformed.Checked:
    """Read a file of items, without malformed rows: Parquet, CSV or JSON lines."""
    opened = _open_items(
        lambda _, columns, needed, optional: _open(path, columns, needed, optional, engine), "", data, fields
    )
    return _read_opened_items(opened, data, fields, engine)


def _open_items(open_table: Opener, name: str, data: Data, fields: frozenset[str]) -> OpenedTable:
    not_optional = {"item_id", "title", *({"price"} - fields)}
    optional = [column for column in _ITEM_COLUMNS if column not in not_optional]
    columns = dict(data.columns)
    if _ITEM_ID_OF_ITEMS in columns:
        columns["item_id"] = columns[_ITEM_ID_OF_ITEMS]
    return open_table(name, columns, ["item_id", "title"], optional)


def _read_opened_items(opened: OpenedTable, data: Data, fields: frozenset[str], engine: Engine) -> malformed.Checked:
    """The items of an opened table, without malformed rows."""
    array_names = [name for name in ("categories", "features") if name in opened.table.columns]
    raw = with_lists(opened.table, array_names, engine)
    texts: dict[str, ir.Value] = {name: _as_text(raw[name]) for name in ("brand", "description") if name in raw.columns}
    arrays = {name: raw[name] for name in array_names}
    prices = {"price": checks.price(raw.price)} if "price" in raw.columns else {}
    item = checks.identifier(raw.item_id)
    selected = {name: value for name, value in (texts | arrays | prices).items() if name in fields}
    items = raw.select(
        item_id=item,
        title=checks.filled(_as_text(raw.title)),
        fallback=checks.fallback(
            texts.get("brand"), arrays.get("categories"), arrays.get("features"), texts.get("description")
        ),
        **selected,
        problem=malformed.problem({opened.names["item_id"]: (raw.item_id, item)}),
        position=raw.position,
    )
    return malformed.drop_malformed(
        engine.cache(items), opened.path, opened.find, data.max_bad_lines, engine, opened.rejected
    )


def _open(
    path: Path, columns: ColumnMap, needed: Sequence[str], optional: Sequence[str], engine: Engine
) -> OpenedTable:
    """Open a file of any format, with its needed and optional columns."""
    file = lines.inspect(path, parquet=True)
    numbers = _column_numbers(columns, needed, optional, path)
    is_parquet = file.head.startswith(_PARQUET_SIGNATURE)
    if numbers and (is_parquet or file.first_line.startswith("{")):
        raise RecipeError(
            "data.columns gives numbers of columns, but the columns of this file have names",
            where=printable(path),
            hint="numbers are for text without a header; give the names",
        )
    if is_parquet:
        table = engine.read_parquet(path)
        names = source_names(table.columns, columns, needed, optional, path)
        selected = engine.cache(table.select(**names), source=path)
        numbered = engine.numbered(selected, "position")
        return OpenedTable(path, numbered, names, table.columns, lambda _, __: iter(()), {})
    if file.first_line.startswith("{"):
        return _open_objects(file, columns, needed, optional, engine)
    if numbers:
        source = delimited.without_header(file)
        names = _numbered_names(numbers, delimited.with_header(file).names, path)
    else:
        source = delimited.with_header(file)
        _check_header(source.names, columns, needed, optional, path)
        names = source_names(source.names, columns, needed, optional, path)
    rows = delimited.read_rows(source, list(dict.fromkeys(names.values())), engine)
    table = rows.table.select(**names, position=delimited.ROW)
    return OpenedTable(path, table, names, source.names, delimited.finder(source, rows), rows.reasons)


def _open_objects(
    file: lines.FileHead, columns: ColumnMap, needed: Sequence[str], optional: Sequence[str], engine: Engine
) -> OpenedTable:
    """Open a file of JSON lines."""
    known = _keys(file)
    names = source_names(known, columns, needed, optional, file.path)
    list_keys = {names[name] for name in ("categories", "features") if name in names}
    types = {key: "JSON" if key in list_keys else "VARCHAR" for key in names.values()}
    table, undecodable = lines.read_objects(file, types, lambda raw: raw.select(**names), engine)
    rejected = {malformed.NOT_UTF8: undecodable} if undecodable else {}
    return OpenedTable(file.path, table, names, known, partial(lines.find_lines, file), rejected)


def _column_numbers(columns: ColumnMap, needed: Sequence[str], optional: Sequence[str], path: Path) -> dict[str, int]:
    """Canonical name -> number, where ``data.columns`` gives numbers for this file; else empty.

    A number for ``item_id`` alone may be meant for the other file.
    """
    given = {name: columns[name] for name in [*needed, *optional] if name in columns}
    numbers = {name: value for name, value in given.items() if isinstance(value, int)}
    if not numbers.keys() - {"item_id"}:
        return {}
    if not_numbered := [name for name in given if name not in numbers] + [name for name in needed if name not in given]:
        raise RecipeError(
            f"data.columns gives the number of {', '.join(numbers)}, and not of {not_numbered[0]}",
            where=printable(path),
            hint="a file without a header needs the number of each of its columns",
        )
    return numbers


def _numbered_names(numbers: Mapping[str, int], first_row: Sequence[str], path: Path) -> dict[str, str]:
    """Canonical name -> name from `delimited.without_header`; ``first_row`` are the cells of the first line."""
    for name, number in numbers.items():
        if number > len(first_row):
            raise RecipeError(
                f"data.columns: {name} = {number}, but the file has {len(first_row)} columns",
                where=printable(path),
                hint=f"its first line is: {' | '.join(first_row)[:200]}",
            )
        if first_row[number - 1].casefold() == name:
            raise SourceError(
                "the file has a header, and data.columns gives numbers of columns",
                where=f"{printable(path)}:1",
                hint="numbers are for text without a header; give the names",
            )
    return {"order" if name == "position" else name: f"column {number}" for name, number in numbers.items()}


def _check_header(
    names: Sequence[str], columns: ColumnMap, needed: Sequence[str], optional: Sequence[str], path: Path
) -> None:
    """Raise an error where the first line has none of the columns' names and looks like a row."""
    expected = {str(columns.get(name, name)) for name in [*needed, *optional]} | {"item_id"}
    if expected & set(names) or not delimited.looks_like_data(names):
        return
    numbers = ", ".join(f"{name} = {number}" for number, name in enumerate(_example_columns(needed), 1))
    raise SourceError(
        f"the file has no header: its first line is a row ({', '.join(map(repr, names[:6]))[:200]})",
        where=f"{printable(path)}:1",
        hint=f"give the number of each column, for example data.columns = {{ {numbers} }}",
    )


def _example_columns(needed: Sequence[str]) -> list[str]:
    """The columns in the example of the hint."""
    return [*needed, *(["timestamp"] if "user_id" in needed else [])]


def _keys(file: lines.FileHead) -> list[str]:
    """The keys of the objects at the start of the file."""
    keys: dict[str, None] = {}
    for line in file.head.splitlines():
        try:
            value = json.loads(line)
        except (ValueError, RecursionError):
            continue
        keys |= dict.fromkeys(value) if isinstance(value, dict) else {}
    return list(keys)


def source_names(
    known: Sequence[str], columns: ColumnMap, needed: Sequence[str], optional: Sequence[str], path: Path | str
) -> dict[str, str]:
    """Canonical name -> name in the file, for all columns that the file has.

    Raises
    ------
    SourceError
        For a needed column that is missing, and for a column that the recipe names and the file lacks.
    """
    names = {}
    for name in [*needed, *optional]:
        source_name = str(columns.get(name, name))
        if source_name not in known and name == "item_id" and name in known:  # the map's name is that of the other file
            source_name = name
        if source_name in known:
            names["order" if name == "position" else name] = source_name
        elif name in needed or name in columns:
            raise checks.missing_column(source_name, known, path)
    return names


def _as_text(value: ir.Value) -> ir.Value:
    """A column as text; the elements of lists are joined by spaces."""
    return value.join(" ") if value.type().is_array() else value.cast("string")


def with_lists(table: ir.Table, names: Sequence[str], engine: Engine) -> ir.Table:
    """Convert columns to arrays of text: from lists, JSON, texts of a list (``['A', 'B']``), or texts joined by ``|``.

    The intermediate tables are stored, because otherwise every use of an array would parse it again.
    """
    if not names:
        return table
    texts = [name for name in names if table[name].type().is_string()]
    parsed = {f"_{name}": lines.literal_to_json(table[name].strip()).try_cast("json") for name in texts}
    if parsed:
        table = engine.cache(table.mutate(**parsed))
    arrays = {}
    for name in names:
        value = table[name]
        if name in texts:
            split = value.strip().split("|")
            arrays[name] = value.strip().startswith("[").ifelse(json_list(table[f"_{name}"]), split)
        else:
            arrays[name] = json_list(value) if value.type().is_json() else value.cast("array<string>")
    table = engine.cache(table.mutate(**arrays).drop(*parsed))
    return engine.cache(table.mutate(**{name: checks.unique_in_order(table[name]) for name in names}))
