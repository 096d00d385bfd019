"""MovieLens (F. M. Harper, J. A. Konstan, TiiS 2015): 100k, 1M and 10M, and latest, told apart by the first line.

====== ================ ============ ==============================================
size   ``reviews``      ``items``    written as
====== ================ ============ ==============================================
100k   u.data           u.item       tabs; ``|`` with 19 flags of genres
1M     ratings.dat      movies.dat   ``::``
latest ratings.csv      movies.csv   CSV with a header
====== ================ ============ ==============================================

Genres are the categories. Files of films that are not UTF-8 are latin-1.
"""

from pathlib import Path

import ibis

from shoptalk.data.engine import Engine
from shoptalk.data.sources import amazon, checks, delimited, lines, malformed
from shoptalk.data.sources.raw_tables import RawTables
from shoptalk.recipe import Data, resolve

_RATINGS = ("userId", "movieId", "rating", "timestamp")
_FILMS = ("movieId", "title", "genres")
_FLAGS = (
    *(
        "unknown",
        "Action",
        "Adventure",
        "Animation",
        "Children's",
        "Comedy",
        "Crime",
        "Documentary",
        "Drama",
        "Fantasy",
    ),
    *("Film-Noir", "Horror", "Musical", "Mystery", "Romance", "Sci-Fi", "Thriller", "War", "Western"),
)
_NO_GENRE = ("(no genres listed)", "unknown")


def read(data: Data, fields: frozenset[str], engine: Engine) -> RawTables:
    """Read ratings and, where the recipe names them, films."""
    path = resolve(data.purchases)
    ratings = _read_ratings(path, data, engine)
    if data.items is None:
        table = amazon.items_from_ids(ratings.table, engine)
        counted = {"reviews": ratings.good, "items": 0, "bad_lines": ratings.bad}
        return RawTables(ratings.table, table, counted, ratings.warnings, (path,))
    films_path = resolve(data.items)
    films = _read_films(films_path, data, fields, engine)
    table, repeated = checks.first_of_each(films.table, films_path, engine)
    counted = {"reviews": ratings.good, "items": films.good, "bad_lines": ratings.bad + films.bad}
    return RawTables(ratings.table, table, counted, ratings.warnings + films.warnings + repeated, (path, films_path))


def _read_ratings(path: Path, data: Data, engine: Engine) -> malformed.Checked:
    file = lines.peek(path)
    source = _source(file, _RATINGS)
    rows = delimited.read_rows(source, _RATINGS, engine)
    raw = rows.table
    columns = {
        "user_id": checks.identifier(raw.userId),
        "item_id": checks.identifier(raw.movieId),
        "timestamp": checks.seconds(raw.timestamp),
    }
    rating = checks.number(raw.rating)
    converted = {"userId": "user_id", "movieId": "item_id", "timestamp": "timestamp"}
    pairs = {theirs: (raw[theirs], columns[name]) for theirs, name in converted.items()}
    problem = malformed.problem(pairs | {"rating": (raw.rating, rating)})
    shaped = engine.cache(
        raw.select(
            **columns, rating=rating, verified=ibis.null("boolean"), problem=problem, position=raw[delimited.ROW]
        )
    )
    return malformed.screen(shaped, path, delimited.finder(source, rows), data.max_bad_lines, engine, rows.reasons)


def _read_films(path: Path, data: Data, fields: frozenset[str], engine: Engine) -> malformed.Checked:
    file = lines.peek(path)
    source = _source(file, _FILMS)
    kept = [name for name in source.names if name in {*_FILMS, *_FLAGS}]
    rows = delimited.read_rows(source, kept, engine)
    raw = rows.table
    if "genres" in kept:
        genres = raw.genres.split("|")
    else:
        genres = ibis.array([(raw[flag] == "1").ifelse(flag, ibis.null("string")) for flag in _FLAGS])
    genres = genres.filter(lambda genre: genre.notnull() & genre.notin(_NO_GENRE))
    item = checks.identifier(raw.movieId)
    categories = {"categories": genres} if "categories" in fields else {}
    shaped = raw.select(
        item_id=item,
        title=checks.filled(raw.title),
        fallback=checks.fallback(categories=genres),
        **categories,
        problem=malformed.problem({"movieId": (raw.movieId, item)}),
        position=raw[delimited.ROW],
    )
    return malformed.screen(
        engine.cache(shaped), path, delimited.finder(source, rows), data.max_bad_lines, engine, rows.reasons
    )


def _source(file: lines.Peek, names: tuple[str, ...]) -> delimited.Delimited:
    """How a file of ratings or films is written, by its first line."""
    if "::" in file.first:
        return delimited.Delimited(file, names, "::", quote="", header=False, encoding=_encoding(file, names))
    tabs, bars = file.first.split("\t"), file.first.split("|")
    if names == _RATINGS and len(tabs) == len(names) and tabs[0].isdecimal():
        return delimited.Delimited(file, names, "\t", quote="", header=False)
    if names == _FILMS and len(bars) == 5 + len(_FLAGS):
        columns = ("movieId", "title", "released", "video", "url", *_FLAGS)
        return delimited.Delimited(file, columns, "|", quote="", header=False, encoding=_encoding(file, names))
    source = delimited.with_header(file)
    for name in names:
        if name not in source.names:
            raise checks.missing_column(name, source.names, file.path)
    return source


def _encoding(file: lines.Peek, names: tuple[str, ...]) -> delimited.Encoding:
    """UTF-8 where the whole file is; the files of films are of a few megabytes, those of ratings hold digits alone."""
    if names == _RATINGS:
        return "utf-8"
    with lines.opened(file.path, file.compression) as stream:
        try:
            stream.read().decode("utf-8")
        except UnicodeDecodeError:
            return "latin-1"
    return "utf-8"
