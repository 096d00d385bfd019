"""What the three Amazon releases share: a file of reviews and a file of products, an object per line."""

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

#: What is said of a line without any of the keys that are needed, where its syntax says no more.
_NO_RECORD = "not a JSON object with the keys that are needed"


@dataclass(frozen=True)
class Release:
    """The keys of a release: our name -> its key; ``per_second``: what its timestamps count."""

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
    table, repeated = checks.first_of_each(items.table, files[1], engine)
    return RawTables(
        reviews.table,
        table,
        {"reviews": reviews.good, "items": items.good, "bad_lines": reviews.bad + items.bad},
        reviews.warnings + items.warnings + repeated,
        tuple(files),
    )


def items_from_ids(interactions: ir.Table, engine: Engine) -> ir.Table:
    """Products that are known by their ids alone: the id is the title, and stays so under every cleaning."""
    ids = interactions.select("item_id").distinct()
    return engine.cache(ids.mutate(title=ids.item_id, fallback=ibis.null("string")))


def _read_reviews(data: Data, fields: frozenset[str], engine: Engine, release: Release) -> malformed.Checked:
    file = lines.peek(resolve(data.purchases))
    keys = dict(release.reviews)
    texts = [keys.pop(name) for name in ("review", "summary")]
    texts = texts if "review" in fields else []

    def shape(raw: ir.Table) -> ir.Table:
        """The canonical columns of a review, and what is wrong with it."""
        rating, stamp = raw[keys["rating"]], raw[keys["timestamp"]]
        columns = {
            "user_id": checks.identifier(raw[keys["user_id"]]),
            "item_id": checks.identifier(raw[keys["item_id"]]),
            "timestamp": checks.seconds(stamp, release.per_second),
            "rating": checks.number(rating),
        }
        columns["verified"] = ibis.null("boolean")
        if "verified" in keys:
            columns["verified"] = raw[keys["verified"]].try_cast("boolean")
        before = {f"_{name}": raw[key] for name, key in keys.items()}
        columns |= {name: raw[text] for name, text in zip(("review", "summary"), texts, strict=False)}
        typed = engine.view(raw.select(**columns, **before))
        pairs = {keys[name]: (typed[f"_{name}"], typed[name]) for name in keys}
        optional = {keys[name]: pairs.pop(keys[name]) for name in ("rating", "verified") if name in keys}
        return typed.select(*columns, problem=malformed.problem(pairs, optional, _NO_RECORD))

    wanted = dict.fromkeys([*keys.values(), *texts], "VARCHAR")
    table, unreadable = lines.read_objects(file, wanted, shape, engine)
    return _screen(file, table, unreadable, keys["item_id"], data, engine)


def _read_items(path: Path, data: Data, fields: frozenset[str], engine: Engine, release: Release) -> malformed.Checked:
    file = lines.peek(path)
    keys = {name: key for name, key in release.items.items() if name != "price" or name in fields}

    def shape(raw: ir.Table) -> ir.Table:
        """The canonical columns of a product."""
        brand = json_text(raw[keys["brand"]])
        categories = checks.unique_in_order(json_list(raw[keys["categories"]]))
        description = json_text(raw[keys["description"]])
        features = json_list(raw[keys["features"]]) if "features" in keys else None
        item, title = checks.identifier(raw[keys["item_id"]]), checks.filled(json_text(raw[keys["title"]]))
        columns = {
            "item_id": item,
            "title": title,
            "fallback": checks.fallback(brand, categories, features, description),
            "brand": brand,
            "categories": categories,
            "description": description,
        }
        if "price" in keys:
            columns["price"] = checks.price(raw[keys["price"]])
        wanted = {"item_id", "title", "fallback", *fields}
        chosen = {name: value for name, value in columns.items() if name in wanted}
        return raw.select(**chosen, problem=malformed.problem({keys["item_id"]: (raw[keys["item_id"]], item)}))

    wanted = {key: "VARCHAR" if name in {"item_id", "price"} else "JSON" for name, key in keys.items()}
    table, unreadable = lines.read_objects(file, wanted, shape, engine)
    return _screen(file, table, unreadable, keys["item_id"], data, engine)


def _screen(
    file: lines.Peek, table: ir.Table, unreadable: int, key: str, data: Data, engine: Engine
) -> malformed.Checked:
    """Take malformed lines out; where no line has the key of the product, the file is of another release."""
    _check_keys(file, key, table, engine)
    rejected = {malformed.NOT_UTF8: unreadable} if unreadable else {}
    return malformed.screen(table, file.path, partial(lines.find_lines, file), data.max_bad_lines, engine, rejected)


def _check_keys(file: lines.Peek, key: str, table: ir.Table, engine: Engine) -> None:
    """Say which key is missing, where none of the lines has it and the first is an object."""
    try:
        first = json.loads(file.first)
    except (ValueError, RecursionError):
        return
    if isinstance(first, dict) and key not in first and engine.counts(n=table.item_id.count())["n"] == 0:
        raise checks.missing_column(key, list(first), file.path)
