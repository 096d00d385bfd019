"""Amazon Books Reviews (Kaggle): ``Books_rating.csv`` and ``books_data.csv``, joined on the title.

About a fifth of the reviews have no user. They are not malformed; they are left out, and counts in a warning. The
authors of a book are its brand.
"""

from pathlib import Path

import ibis
import ibis.expr.types as ir

from shoptalk.data.engine import Engine
from shoptalk.data.engine_paths import printable
from shoptalk.data.sources import checks, delimited, lines, malformed
from shoptalk.data.sources.raw_tables import RawTables
from shoptalk.data.sources.table import with_lists
from shoptalk.recipe import Data, resolve

_REVIEWS = {
    "user_id": "User_id",
    "item_id": "Id",
    "timestamp": "review/time",
    "rating": "review/score",
    "title": "Title",
    "review": "review/text",
    "summary": "review/summary",
}
_BOOKS = {"title": "Title", "brand": "authors", "categories": "categories", "description": "description"}


def read(data: Data, fields: frozenset[str], engine: Engine) -> RawTables:
    """Read reviews and, where the recipe names their file, books."""
    path = resolve(data.purchases)
    texts: tuple[str, ...] = ("review", "summary") if "review" in fields else ()
    reviews = _read_reviews(path, data, texts, engine)
    with_user = reviews.table.filter(reviews.table.user_id.notnull())
    count_with_user = engine.counts(n=with_user)["n"]
    anonymous = reviews.good - count_with_user
    warnings: tuple[str, ...] = ()
    if anonymous:
        warnings = (f"{printable(path)}: {anonymous:,} reviews have no user and are left out",)
    titles = reviews.table.select("item_id", "title", "position")
    items, title_warnings = checks.first_of_each(titles, path, engine)
    counts = {"reviews": count_with_user, "items": 0, "bad_lines": reviews.bad}
    warnings += reviews.warnings + title_warnings
    interactions = with_user.select("user_id", "item_id", "timestamp", "position", "rating", "verified", *texts)
    if data.items is None:
        items = engine.cache(items.mutate(fallback=ibis.null("string")))
        return RawTables(interactions, items, counts, warnings, (path,))
    books_path = resolve(data.items)
    books = _read_books(books_path, data, fields, engine)
    described = checks.first_of_each(books.table.rename(item_id="book"), books_path, engine)[0]
    items = engine.cache(
        items.left_join(described.drop("title"), items.title == described.item_id).drop("item_id_right")
    )
    counts |= {"items": books.good, "bad_lines": reviews.bad + books.bad}
    return RawTables(interactions, items, counts, warnings + books.warnings, (path, books_path))


def _read_reviews(path: Path, data: Data, texts: tuple[str, ...], engine: Engine) -> malformed.Checked:
    """Read the file of reviews, without malformed rows; ``user_id`` may be null."""
    source = delimited.with_header(lines.inspect(path))
    names = [_REVIEWS[name] for name in ("user_id", "item_id", "timestamp", "rating", "title", *texts)]
    _check_columns(source, names)
    rows = delimited.read_rows(source, names, engine)
    raw = rows.table
    columns = {
        "user_id": checks.identifier(raw["User_id"]),
        "item_id": checks.identifier(raw["Id"]),
        "timestamp": checks.seconds(raw["review/time"]),
        "rating": checks.number(raw["review/score"]),
        "verified": ibis.null("boolean"),
        "title": checks.filled(raw["Title"]),
    } | {name: raw[_REVIEWS[name]] for name in texts}
    problem = malformed.problem(
        {"Id": (raw["Id"], columns["item_id"]), "review/time": (raw["review/time"], columns["timestamp"])},
        {"review/score": (checks.filled(raw["review/score"]), columns["rating"])},
    )
    reviews = engine.cache(raw.select(**columns, problem=problem, position=raw[delimited.ROW]))
    return malformed.drop_malformed(
        reviews, path, delimited.finder(source, rows), data.max_bad_lines, engine, rows.reasons
    )


def _read_books(path: Path, data: Data, fields: frozenset[str], engine: Engine) -> malformed.Checked:
    """Read the file of books, without malformed rows; the columns ``book`` and ``title`` are both the title."""
    source = delimited.with_header(lines.inspect(path))
    _check_columns(source, list(_BOOKS.values()))
    rows = delimited.read_rows(source, list(_BOOKS.values()), engine)
    table = with_lists(rows.table, ["authors", "categories"], engine)
    title, brand = checks.filled(table.Title), table.authors.join(", ")
    columns: dict[str, ir.Value] = {"brand": brand, "categories": table.categories, "description": table.description}
    books = table.select(
        book=title,
        title=title,
        fallback=checks.fallback(brand, table.categories, None, table.description),
        **{name: value for name, value in columns.items() if name in fields},
        problem=malformed.problem({"Title": (table.Title, title)}),
        position=table[delimited.ROW],
    )
    return malformed.drop_malformed(
        engine.cache(books), path, delimited.finder(source, rows), data.max_bad_lines, engine, rows.reasons
    )


def _check_columns(source: delimited.Delimited, names: list[str]) -> None:
    """Raise the error for the first column that the file lacks."""
    for name in names:
        if name not in source.names:
            raise checks.missing_column(name, source.names, source.file.path)
