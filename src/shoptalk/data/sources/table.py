"""Any pair of tables: CSV, TSV, Parquet or JSON lines, with a map from our column names to theirs (``data.columns``).

A column that the map does not name is looked for under our own name. ``interactions`` need user_id, item_id and
timestamp; ``items`` need item_id and title; the others are optional. Ids may be numbers. Where a file of text has no
header, the map gives the number of each column, from 1. ``items.item_id`` stands for the ids of the file of items where
they are called otherwise, or have another number, than in the purchases.

What timestamps mean is found out for the whole column, or said by ``data.time_format``; see `times`. Without a
timestamp, a ``position`` column must give the order, and stands for the timestamp as well.
"""

import json
from collections.abc import Mapping, Sequence
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

_OF_INTERACTIONS = ("user_id", "item_id", "timestamp", "position", "rating", "verified", "review", "summary")
_OF_ITEMS = ("item_id", "title", "brand", "categories", "description", "features", "price")
_PARQUET = b"PAR1"
_ITEM_OF_ITEMS = "items.item_id"
_NO_RECORD = "nothing in any of the columns that are needed"
_HOW_WRITTEN = 'say how timestamps are written, for example data.time_format = "%d/%m/%Y %H:%M"'

#: Our name of a column -> the file's name, or its number from 1.
_Map = Mapping[str, str | int]


@dataclass(frozen=True)
class _Opened:
    """A file's columns under our names, as they come: ``position`` is the row's, ``order`` what the file calls so.

    ``names`` are the file's names of them, ``known`` of all its columns; ``rejected`` counts, by reason, lines without
    a row.
    """

    path: Path
    table: ir.Table
    names: Mapping[str, str]
    known: Sequence[str]
    find: malformed.Finder
    rejected: Mapping[str, int]


def read(data: Data, fields: frozenset[str], engine: Engine) -> RawTables:
    """Read interactions and, where the recipe names them, items."""
    known = {*_OF_INTERACTIONS, *_OF_ITEMS, _ITEM_OF_ITEMS}
    if odd := set(data.columns) - known:
        raise RecipeError(f"data.columns: unknown column {min(odd)!r}", hint=f"known here: {', '.join(sorted(known))}")
    interactions, dated = _read_interactions(data, fields, engine)
    files = [resolve(data.purchases)]
    counted = {"reviews": interactions.good, "items": 0, "bad_lines": interactions.bad}
    warnings = interactions.warnings
    if data.items is None:
        table = amazon.items_from_ids(interactions.table, engine)
    else:
        files.append(resolve(data.items))
        items = read_items(files[1], data, fields, engine)
        table, repeated = checks.first_of_each(items.table, files[1], engine)
        warnings += items.warnings + repeated
        counted |= {"items": items.good, "bad_lines": interactions.bad + items.bad}
    return RawTables(interactions.table, table, counted, warnings, tuple(files), dated)


def _read_interactions(data: Data, fields: frozenset[str], engine: Engine) -> tuple[malformed.Checked, bool]:
    """The purchases, and whether they are dated (and not only in an order)."""
    optional = ["timestamp", "position", "verified", *(["review", "summary"] if "review" in fields else [])]
    needed = ["user_id", "item_id", *(["rating"] if data.min_rating is not None else [])]
    optional += [] if data.min_rating is not None else ["rating"]
    opened = _open(resolve(data.purchases), data.columns, needed, optional, engine)
    raw = opened.table
    dated = "timestamp" in raw.columns
    if not dated and "order" not in raw.columns:
        error = checks.missing_column(str(data.columns.get("timestamp", "timestamp")), opened.known, opened.path)
        raise SourceError(error.message, where=error.where, hint=f"{error.hint}; a column `position` would do as well")
    index = raw.order.try_cast("int64") if "order" in raw.columns else raw.position
    stamp = times.Times(index.cast("float64"))
    if dated:
        stamp = times.read_times(raw.timestamp, data.time_format, opened.path, engine)
    columns: dict[str, ir.Value] = {
        "user_id": checks.identifier(raw.user_id),
        "item_id": checks.identifier(raw.item_id),
        "timestamp": stamp.seconds,
    }
    bad = {opened.names[name]: (raw[name], columns[name]) for name in ("user_id", "item_id")}
    bad |= {opened.names["timestamp"]: (raw.timestamp, stamp.seconds)} if dated else {}
    bad |= {opened.names["order"]: (raw.order, index)} if "order" in raw.columns else {}
    typed: dict[str, tuple[ir.Value, ir.Value]] = {}
    columns["rating"], columns["verified"] = ibis.null("float64"), ibis.null("boolean")
    if "rating" in raw.columns:
        columns["rating"] = checks.number(raw.rating)
        written = checks.filled(raw.rating.cast("string"))
        typed[opened.names["rating"]] = (written, columns["rating"])
    if "verified" in raw.columns:
        columns["verified"] = raw.verified.try_cast("boolean")
        typed[opened.names["verified"]] = (checks.filled(raw.verified.cast("string")), columns["verified"])
    columns |= {name: raw[name].cast("string") for name in ("review", "summary") if name in raw.columns}
    problem = malformed.problem(bad, typed, _NO_RECORD)
    shaped = engine.cache(raw.select(**columns, place=index, problem=problem, position=raw.position))
    cures = {opened.names["timestamp"]: _HOW_WRITTEN} if dated else {}
    checked = malformed.screen(shaped, opened.path, opened.find, data.max_bad_lines, engine, opened.rejected, cures)
    table = checked.table.drop("position").rename(position="place")
    return replace(checked, table=table, warnings=(*checked.warnings, *stamp.warnings)), dated


def read_items(path: Path, data: Data, fields: frozenset[str], engine: Engine) -> malformed.Checked:
    """The items of a file: Parquet, CSV, or JSON lines."""
    left_out = {"item_id", "title", *({"price"} - fields)}
    optional = [name for name in _OF_ITEMS if name not in left_out]
    columns = dict(data.columns)
    if _ITEM_OF_ITEMS in columns:
        columns["item_id"] = columns[_ITEM_OF_ITEMS]
    opened = _open(path, columns, ["item_id", "title"], optional, engine)
    raw = with_lists(
        opened.table, [name for name in ("categories", "features") if name in opened.table.columns], engine
    )
    texts: dict[str, ir.Value] = {name: _as_text(raw[name]) for name in ("brand", "description") if name in raw.columns}
    arrays = {name: raw[name] for name in ("categories", "features") if name in raw.columns}
    prices = {"price": checks.price(raw.price)} if "price" in raw.columns else {}
    item = checks.identifier(raw.item_id)
    chosen = {name: value for name, value in (texts | arrays | prices).items() if name in fields}
    shaped = raw.select(
        item_id=item,
        title=checks.filled(_as_text(raw.title)),
        fallback=checks.fallback(
            texts.get("brand"), arrays.get("categories"), arrays.get("features"), texts.get("description")
        ),
        **chosen,
        problem=malformed.problem({opened.names["item_id"]: (raw.item_id, item)}),
        position=raw.position,
    )
    return malformed.screen(engine.cache(shaped), path, opened.find, data.max_bad_lines, engine, opened.rejected)


def _open(path: Path, columns: _Map, needed: Sequence[str], optional: Sequence[str], engine: Engine) -> _Opened:
    """Open a file of any kind with the columns that it has of ours."""
    file = lines.peek(path, parquet=True)
    numbered = _by_number(columns, needed, optional, path)
    is_parquet = file.head.startswith(_PARQUET)
    if numbered and (is_parquet or file.first.startswith("{")):
        raise RecipeError(
            "data.columns gives numbers of columns, but the columns of this file have names",
            where=printable(path),
            hint="numbers are for text without a header; give the names",
        )
    if is_parquet:
        table = engine.read_parquet(path)
        chosen = _chosen(table.columns, columns, needed, optional, path)
        kept = engine.cache(table.select(**chosen), source=path)
        return _Opened(path, engine.numbered(kept, "position"), chosen, table.columns, lambda _, __: iter(()), {})
    if file.first.startswith("{"):
        return _open_objects(file, columns, needed, optional, engine)
    if numbered:
        source = delimited.without_header(file)
        chosen = _chosen_numbers(numbered, delimited.with_header(file).names, path)
    else:
        source = delimited.with_header(file)
        _check_header(source.names, columns, needed, optional, path)
        chosen = _chosen(source.names, columns, needed, optional, path)
    rows = delimited.read_rows(source, list(dict.fromkeys(chosen.values())), engine)
    named = rows.table.select(**chosen, position=delimited.ROW)
    return _Opened(path, named, chosen, source.names, delimited.finder(source, rows), rows.reasons)


def _open_objects(
    file: lines.Peek, columns: _Map, needed: Sequence[str], optional: Sequence[str], engine: Engine
) -> _Opened:
    known = _keys(file)
    chosen = _chosen(known, columns, needed, optional, file.path)
    lists = {chosen[name] for name in ("categories", "features") if name in chosen}
    kinds = {key: "JSON" if key in lists else "VARCHAR" for key in chosen.values()}
    table, unreadable = lines.read_objects(file, kinds, lambda raw: raw.select(**chosen), engine)
    rejected = {malformed.NOT_UTF8: unreadable} if unreadable else {}
    return _Opened(file.path, table, chosen, known, partial(lines.find_lines, file), rejected)


def _by_number(columns: _Map, needed: Sequence[str], optional: Sequence[str], path: Path) -> dict[str, int]:
    """Our name -> number of a file whose columns are given by number; empty where they have names.

    The number of ``item_id`` alone may be meant for the other file.
    """
    given = {name: columns[name] for name in [*needed, *optional] if name in columns}
    numbers = {name: value for name, value in given.items() if isinstance(value, int)}
    if not numbers.keys() - {"item_id"}:
        return {}
    if odd := [name for name in given if name not in numbers] + [name for name in needed if name not in given]:
        raise RecipeError(
            f"data.columns gives the number of {', '.join(numbers)}, and not of {odd[0]}",
            where=printable(path),
            hint="a file without a header needs the number of each of its columns",
        )
    return numbers


def _chosen_numbers(numbers: Mapping[str, int], first: Sequence[str], path: Path) -> dict[str, str]:
    """Our name -> the name that `delimited.without_header` gives; ``first`` is what the first line says."""
    for name, number in numbers.items():
        if number > len(first):
            raise RecipeError(
                f"data.columns: {name} = {number}, but the file has {len(first)} columns",
                where=printable(path),
                hint=f"its first line is: {' | '.join(first)[:200]}",
            )
        if first[number - 1].casefold() == name:
            raise SourceError(
                "the file has a header, and data.columns gives numbers of columns",
                where=f"{printable(path)}:1",
                hint="numbers are for text without a header; give the names",
            )
    return {"order" if name == "position" else name: f"column {number}" for name, number in numbers.items()}


def _check_header(
    names: Sequence[str], columns: _Map, needed: Sequence[str], optional: Sequence[str], path: Path
) -> None:
    """Say that the first line is a row, where it names none of the columns and looks like one."""
    ours = {str(columns.get(name, name)) for name in [*needed, *optional]} | {"item_id"}
    if ours & set(names) or not delimited.looks_like_data(names):
        return
    numbers = ", ".join(f"{name} = {number}" for number, name in enumerate(_examples_of(needed), 1))
    raise SourceError(
        f"the file has no header: its first line is a row ({', '.join(map(repr, names[:6]))[:200]})",
        where=f"{printable(path)}:1",
        hint=f"give the number of each column, for example data.columns = {{ {numbers} }}",
    )


def _examples_of(needed: Sequence[str]) -> list[str]:
    return [*needed, *(["timestamp"] if "user_id" in needed else [])]


def _keys(file: lines.Peek) -> list[str]:
    """The keys of the objects at the start of the file."""
    found: dict[str, None] = {}
    for line in file.head.splitlines():
        try:
            value = json.loads(line)
        except (ValueError, RecursionError):
            continue
        found |= dict.fromkeys(value) if isinstance(value, dict) else {}
    return list(found)


def _chosen(
    known: Sequence[str], columns: _Map, needed: Sequence[str], optional: Sequence[str], path: Path
) -> dict[str, str]:
    """Our name -> the file's name of every column that there is.

    Raises
    ------
    SourceError
        For a needed column that is missing, and for any that the recipe names and the file does not have.
    """
    chosen = {}
    for name in [*needed, *optional]:
        theirs = str(columns.get(name, name))
        if theirs not in known and name == "item_id" and name in known:  # it is called so in the other file only
            theirs = name
        if theirs in known:
            chosen["order" if name == "position" else name] = theirs
        elif name in needed or name in columns:
            raise checks.missing_column(theirs, known, path)
    return chosen


def _as_text(value: ir.Value) -> ir.Value:
    """A column as text; of lists, the elements joined by spaces."""
    return value.join(" ") if value.type().is_array() else value.cast("string")


def with_lists(table: ir.Table, names: Sequence[str], engine: Engine) -> ir.Table:
    """Turn columns into arrays of text: lists, JSON, texts that write a list (``['A', 'B']``), or names between ``|``.

    In two kept steps: as one expression, every use of an array would repeat the whole of its parsing.
    """
    if not names:
        return table
    texts = [name for name in names if table[name].type().is_string()]
    written = {f"_{name}": lines.literal_to_json(table[name].strip()).try_cast("json") for name in texts}
    if written:
        table = engine.cache(table.mutate(**written))
    arrays = {}
    for name in names:
        value = table[name]
        if name in texts:
            split = value.strip().split("|")
            arrays[name] = value.strip().startswith("[").ifelse(json_list(table[f"_{name}"]), split)
        else:
            arrays[name] = json_list(value) if value.type().is_json() else value.cast("array<string>")
    table = engine.cache(table.mutate(**arrays).drop(*written))
    return engine.cache(table.mutate(**{name: checks.unique_in_order(table[name]) for name in names}))
