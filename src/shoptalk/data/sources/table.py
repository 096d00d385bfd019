"""Any pair of tables: CSV, TSV, Parquet or JSON lines, with a map from our column names to theirs (``data.columns``).

A column that the map does not name is looked for under our own name. ``interactions`` need user_id, item_id and
timestamp; ``items`` need item_id and title; the others are optional. Ids may be numbers.

Timestamps are understood per column, by what most of its values look like: dates and date-times (without a zone: UTC),
``YYYYMMDD``, or numbers: seconds below 1e11 (the year 5138), then milliseconds, microseconds and nanoseconds by factors
of 1,000. Without a timestamp, a ``position`` column must give the order, and stands for the timestamp as well.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import ibis
import ibis.expr.datatypes as dt
import ibis.expr.types as ir

from shoptalk.data.engine import Engine, json_list
from shoptalk.data.sources import Shop, amazon, checks, delimited, lines
from shoptalk.errors import RecipeError, SourceError
from shoptalk.recipe import Data, resolve

_OF_INTERACTIONS = ("user_id", "item_id", "timestamp", "position", "rating", "verified", "review", "summary")
_OF_ITEMS = ("item_id", "title", "brand", "categories", "description", "features", "price")
_PARQUET = b"PAR1"


@dataclass(frozen=True)
class _Opened:
    """A file's columns under our names, as they come: ``position`` is the row's, ``order`` what the file calls so."""

    path: Path
    table: ir.Table
    known: Sequence[str]
    find: checks.Finder
    unreadable: int = 0


def read(data: Data, fields: frozenset[str], engine: Engine) -> Shop:
    """Read interactions and, where the recipe names them, items."""
    known = {*_OF_INTERACTIONS, *_OF_ITEMS}
    if odd := set(data.columns) - known:
        raise RecipeError(f"data.columns: unknown column {min(odd)!r}", hint=f"known here: {', '.join(sorted(known))}")
    interactions = _read_interactions(data, fields, engine)
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
    return Shop(interactions.table, table, counted, warnings, tuple(files))


def _read_interactions(data: Data, fields: frozenset[str], engine: Engine) -> checks.Checked:
    optional = ["timestamp", "position", "verified", *(["review", "summary"] if "review" in fields else [])]
    needed = ["user_id", "item_id", *(["rating"] if data.min_rating is not None else [])]
    optional += [] if data.min_rating is not None else ["rating"]
    opened = _open(resolve(data.purchases), data.columns, needed, optional, engine)
    raw = opened.table
    if "timestamp" not in raw.columns and "order" not in raw.columns:
        error = checks.missing_column(data.columns.get("timestamp", "timestamp"), opened.known, opened.path)
        raise SourceError(error.message, where=error.where, hint=f"{error.hint}; a column `position` would do as well")
    place = raw.order.try_cast("int64") if "order" in raw.columns else raw.position
    stamp = seconds_of(raw, engine) if "timestamp" in raw.columns else place
    columns: dict[str, ir.Value] = {
        "user_id": checks.identifier(raw.user_id),
        "item_id": checks.identifier(raw.item_id),
        "timestamp": stamp,
    }
    bad = {data.columns.get(name, name): value for name, value in (columns | {"position": place}).items()}
    typed: dict[str, tuple[ir.Value, ir.Value]] = {}
    columns["rating"], columns["verified"] = ibis.null("float64"), ibis.null("boolean")
    if "rating" in raw.columns:
        columns["rating"] = checks.number(raw.rating)
        typed["rating"] = (checks.filled(raw.rating.cast("string")), columns["rating"].fill_null(0.0))
    if "verified" in raw.columns:
        columns["verified"] = raw.verified.try_cast("boolean")
        typed["verified"] = (checks.filled(raw.verified.cast("string")), columns["verified"])
    columns |= {name: raw[name].cast("string") for name in ("review", "summary") if name in raw.columns}
    problem = checks.problem(bad, typed)
    shaped = engine.cache(raw.select(**columns, place=place, problem=problem, position=raw.position))
    checked = checks.screen(shaped, opened.path, opened.find, data.max_bad_lines, engine, opened.unreadable)
    table = checked.table.drop("position").rename(position="place")
    return checks.Checked(table, checked.good, checked.bad, checked.warnings)


def read_items(path: Path, data: Data, fields: frozenset[str], engine: Engine) -> checks.Checked:
    """The items of a file: Parquet, CSV, or JSON lines."""
    left_out = {"item_id", "title", *({"price"} - fields)}
    optional = [name for name in _OF_ITEMS if name not in left_out]
    opened = _open(path, data.columns, ["item_id", "title"], optional, engine)
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
        problem=checks.problem({data.columns.get("item_id", "item_id"): item}),
        position=raw.position,
    )
    return checks.screen(engine.cache(shaped), path, opened.find, data.max_bad_lines, engine, opened.unreadable)


def _open(
    path: Path, columns: Mapping[str, str], needed: Sequence[str], optional: Sequence[str], engine: Engine
) -> _Opened:
    """Open a file of any kind with the columns that it has of ours."""
    file = lines.peek(path)
    if file.head.startswith(_PARQUET):
        table = engine.read_parquet(path)
        chosen = _chosen(table.columns, columns, needed, optional, path)
        kept = engine.cache(table.select(**chosen), source=path)
        return _Opened(path, engine.numbered(kept, "position"), table.columns, lambda _: iter(()))
    if file.first.startswith("{"):
        return _open_objects(file, columns, needed, optional, engine)
    source = delimited.with_header(file)
    chosen = _chosen(source.names, columns, needed, optional, path)
    rows = delimited.read_rows(source, list(dict.fromkeys(chosen.values())), engine)
    named = rows.table.select(**chosen, position=delimited.ROW)
    return _Opened(path, named, source.names, delimited.finder(source, rows), len(rows.rejected))


def _open_objects(
    file: lines.Peek, columns: Mapping[str, str], needed: Sequence[str], optional: Sequence[str], engine: Engine
) -> _Opened:
    known = _keys(file)
    chosen = _chosen(known, columns, needed, optional, file.path)
    lists = {chosen[name] for name in ("categories", "features") if name in chosen}
    kinds = {key: "JSON" if key in lists else "VARCHAR" for key in chosen.values()}
    table, unreadable = lines.read_objects(file, kinds, lambda raw: raw.select(**chosen), engine)

    find = partial(lines.find_lines, file, skip_undecodable=unreadable > 0)
    return _Opened(file.path, table, known, find, unreadable)


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
    known: Sequence[str], columns: Mapping[str, str], needed: Sequence[str], optional: Sequence[str], path: Path
) -> dict[str, str]:
    """Our name -> the file's name of every column that there is.

    Raises
    ------
    SourceError
        For a needed column that is missing, and for any that the recipe names and the file does not have.
    """
    chosen = {}
    for name in [*needed, *optional]:
        theirs = columns.get(name, name)
        if theirs not in known and name == "item_id" and name in known:
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


def seconds_of(raw: ir.Table, engine: Engine) -> ir.Value:
    """Whole seconds since 1970 (UTC) of the column ``timestamp``, by what most of its values are; else null."""
    stamp = raw.timestamp
    kind = stamp.type()
    if kind.is_timestamp() or kind.is_date():
        return checks.seconds(stamp.cast("timestamp").epoch_seconds())
    size = stamp.try_cast("float64").abs()
    day = size.between(19_000_101, 21_001_231)
    found = engine.counts(
        given=stamp.count(),
        numbers=size.count(),
        days=day.sum(),
        **{f"below_{power}": (size < 10.0**power).sum() for power in (11, 14, 17)},
    )
    half = found["numbers"] / 2
    if found["given"] and found["numbers"] < found["given"] / 2:
        return checks.seconds(_moment(stamp.cast("string")))
    if found["numbers"] and found["days"] > half:
        digits = stamp.cast("string")
        return checks.seconds(_moment(digits[:4] + "-" + digits[4:6] + "-" + digits[6:8]))
    powers = [(11, 1), (14, 10**3), (17, 10**6)]
    per_second = next((unit for power, unit in powers if found[f"below_{power}"] >= half), 10**9)
    return checks.seconds(stamp, per_second)


def _moment(text: ir.StringValue) -> ir.Value:
    """Seconds of a date or date-time in ISO 8601, or null."""
    return text.strip().try_cast(dt.Timestamp(timezone="UTC")).epoch_seconds()
