"""The common parts of the three Amazon releases: a file of reviews and a file of products, one object per line."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import ibis
import ibis.expr.types as ir

from shoptalk.data.engine import Engine
from shoptalk.data.engine_functions import json_list, json_text
from shoptalk.data.sources import checks, lines, malformed
from shoptalk.data.sources.raw_tables import RawTables
from shoptalk.recipe import Data, resolve

#: The reason for a line without any of the needed keys, unless its syntax gives a more precise one.
_NO_RECORD = "not a JSON object with the keys that are needed"


@dataclass(frozen=True)
class Release:
    """The keys of a release, by canonical column; ``per_second`` is the unit of its timestamps, in units per second."""

    reviews: Mapping[str, str]
    items: Mapping[str, str]
    per_second: int = 1


def read(data: Data, fields: frozenset[str], engine: Engine, release: Release) -> RawTables:
    """Read reviews and, where the recipe names them, products."""
    reviews = _read_reviews(data, fields, engine, release)
    files = [resolve(data.purchases)]
    if data.items is None:
        return RawTables(
            reviews.table,
            items_from_ids(reviews.table, engine),
            {"reviews": reviews.good, "items": 0, "bad_lines": reviews.bad},
            reviews.warnings,
            tuple(files),
        )
    files.append(resolve(data.items))
    items = _read_items(files[1], data, fields, engine, release)
    table, title_warnings = checks.first_of_each(items.table, files[1], engine)
    return RawTables(
        reviews.table,
        table,
        {"reviews": reviews.good, "items": items.good, "bad_lines": reviews.bad + items.bad},
        reviews.warnings + items.warnings + title_warnings,
        tuple(files),
    )


def items_from_ids(interactions: ir.Table, engine: Engine) -> ir.Table:
    """The table of items where there is no file of items: the id is also the title, and no cleaning changes it."""
    ids = interactions.select("item_id").distinct()
    return engine.cache(ids.mutate(title=ids.item_id, fallback=ibis.null("string")))


def _read_reviews(data: Data, fields: frozenset[str], engine: Engine, release: Release) -> malformed.Checked:
    """Read the file of reviews, without malformed lines."""
    file = lines.inspect(resolve(data.purchases))
    keys = dict(release.reviews)
    text_keys = {name: keys.pop(name) for name in ("review", "summary")}
    text_keys = text_keys if "review" in fields else {}

    def canonical(raw: ir.Table) -> ir.Table:
        """The canonical columns of reviews, with ``problem``."""
        columns = {
            "user_id": checks.identifier(raw[keys["user_id"]]),
            "item_id": checks.identifier(raw[keys["item_id"]]),
            "timestamp": checks.seconds(raw[keys["timestamp"]], release.per_second),
            "rating": checks.number(raw[keys["rating"]]),
        }
        columns["verified"] = ibis.null("boolean")
        if "verified" in keys:
            columns["verified"] = raw[keys["verified"]].try_cast("boolean")
        columns |= {name: raw[key] for name, key in text_keys.items()}
        raw_values = {f"_{name}": raw[key] for name, key in keys.items()}
        converted = engine.view(raw.select(**columns, **raw_values))
        required = {key: (converted[f"_{name}"], converted[name]) for name, key in keys.items()}
        optional = {keys[name]: required.pop(keys[name]) for name in ("rating", "verified") if name in keys}
        return converted.select(*columns, problem=malformed.problem(required, optional, _NO_RECORD))

    types = dict.fromkeys([*keys.values(), *text_keys.values()], "VARCHAR")
    table, undecodable = lines.read_objects(file, types, canonical, engine)
    return _drop_malformed(file, table, undecodable, keys["item_id"], data, engine)


def _read_items(path: Path, data: Data, fields: frozenset[str], engine: Engine, release: Release) -> malformed.Checked:
    """Read the file of products, without malformed lines."""
    file = lines.inspect(path)
    keys = {name: key for name, key in release.items.items() if name != "price" or name in fields}

    def canonical(raw: ir.Table) -> ir.Table:
        """The canonical columns of products, with ``problem``."""
        columns = {
            "item_id": checks.identifier(raw[keys["item_id"]]),
            "title": checks.filled(json_text(raw[keys["title"]])),
            "brand": json_text(raw[keys["brand"]]),
            "categories": checks.unique_in_order(json_list(raw[keys["categories"]])),
            "description": json_text(raw[keys["description"]]),
        }
        if "price" in keys:
            columns["price"] = checks.price(raw[keys["price"]])
        features = {"features": json_list(raw[keys["features"]])} if "features" in keys else {}
        # A query on a view is short; with the expressions in place of the columns, its planning takes longest of all.
        converted = engine.view(raw.select(**columns, **features, _item_id=raw[keys["item_id"]]))
        parts = {name: converted[name] for name in ("brand", "categories", "description", *features)}
        wanted = {"item_id", "title", *fields}
        selected = {name: converted[name] for name in (*columns, *features) if name in wanted}
        problem = malformed.problem({keys["item_id"]: (converted["_item_id"], converted.item_id)})
        return converted.select(**selected, fallback=checks.fallback(**parts), problem=problem)

    types = {key: "VARCHAR" if name in {"item_id", "price"} else "JSON" for name, key in keys.items()}
    table, undecodable = lines.read_objects(file, types, canonical, engine)
    return _drop_malformed(file, table, undecodable, keys["item_id"], data, engine)


def _drop_malformed(
    file: lines.FileHead, table: ir.Table, undecodable: int, key: str, data: Data, engine: Engine
) -> malformed.Checked:
    """Drop malformed lines, after checking that the file has the release's key of items."""
    _check_key(file, key, table, engine)
    rejected = {malformed.NOT_UTF8: undecodable} if undecodable else {}
    finder = partial(lines.find_lines, file)
    return malformed.drop_malformed(table, file.path, finder, data.max_bad_lines, engine, rejected)


def _check_key(file: lines.FileHead, key: str, table: ir.Table, engine: Engine) -> None:
    """Raise the error for a missing key where no line has it and the first line is an object without it."""
    try:
        first = json.loads(file.first_line)
    except (ValueError, RecursionError):
        return
    if isinstance(first, dict) and key not in first and engine.counts(n=table.item_id.count())["n"] == 0:
        raise checks.missing_column(key, list(first), file.path)
