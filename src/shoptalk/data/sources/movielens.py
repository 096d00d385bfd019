"""MovieLens (F. M. Harper, J. A. Konstan, TiiS 2015): 100k, 1M, 10M and latest, distinguished by the first line.

====== ================ ============ ==============================================
size   ``reviews``      ``items``    format
====== ================ ============ ==============================================
100k   u.data           u.item       tabs; ``|`` with 19 flags for genres
1M     ratings.dat      movies.dat   ``::``
latest ratings.csv      movies.csv   CSV with a header
====== ================ ============ ==============================================

Genres are the categories. Files of films are read as UTF-8 or, where they are not, as latin-1.
"""

from pathlib import Path

import ibis

from shoptalk.data.engine import Engine
from shoptalk.data.sources import amazon, checks, delimited, lines, malformed
from shoptalk.data.sources.raw_tables import RawTables
from shoptalk.recipe import Data, resolve

_RATINGS = ("userId", "movieId", "rating", "timestamp")
_FILMS = ("movieId", "title", "genres")
_GENRE_FLAGS = (
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
    "Film-Noir",
    "Horror",
    "Musical",
    "Mystery",
    "Romance",
    "Sci-Fi",
    "Thriller",
    "War",
    "Western",
)
_NO_GENRE = ("(no genres listed)", "unknown")


def read(data: Data, fields: frozenset[str], engine: Engine) -> RawTables:
    """Read ratings and, where the recipe names their file, films."""
    path = resolve(data.purchases)
    ratings = _read_ratings(path, data, engine)
    if data.items is None:
        table = amazon.items_from_ids(ratings.table, engine)
        counts = {"reviews": ratings.good, "items": 0, "bad_lines": ratings.bad}
        return RawTables(ratings.table, table, counts, ratings.warnings, (path,))
    films_path = resolve(data.items)
    films = _read_films(films_path, data, fields, engine)
    table, title_warnings = checks.first_of_each(films.table, films_path, engine)
    counts = {"reviews": ratings.good, "items": films.good, "bad_lines": ratings.bad + films.bad}
    return RawTables(
        ratings.table, table, counts, ratings.warnings + films.warnings + title_warnings, (path, films_path)
    )


def _read_ratings(path: Path, data: Data, engine: Engine) -> malformed.Checked:
    """Read the file of ratings, without malformed rows."""
    source = _source(lines.inspect(path), _RATINGS)
    rows = delimited.read_rows(source, _RATINGS, engine)
    raw = rows.table
    columns = {
        "user_id": checks.identifier(raw.userId),
        "item_id": checks.identifier(raw.movieId),
        "timestamp": checks.seconds(raw.timestamp),
    }
    rating = checks.number(raw.rating)
    canonical_names = {"userId": "user_id", "movieId": "item_id", "timestamp": "timestamp"}
    pairs = {source_name: (raw[source_name], columns[name]) for source_name, name in canonical_names.items()}
    problem = malformed.problem(pairs | {"rating": (raw.rating, rating)})
    ratings = engine.cache(
        raw.select(
            **columns, rating=rating, verified=ibis.null("boolean"), problem=problem, position=raw[delimited.ROW]
        )
    )
    return malformed.drop_malformed(
        ratings, path, delimited.finder(source, rows), data.max_bad_lines, engine, rows.reasons
    )


def _read_films(path: Path, data: Data, fields: frozenset[str], engine: Engine) -> malformed.Checked:
    """Read the file of films, without malformed rows."""
    source = _source(lines.inspect(path), _FILMS)
    names = [name for name in source.names if name in {*_FILMS, *_GENRE_FLAGS}]
    rows = delimited.read_rows(source, names, engine)
    raw = rows.table
    if "genres" in names:
        genres = raw.genres.split("|")
    else:
        genres = ibis.array([(raw[flag] == "1").ifelse(flag, ibis.null("string")) for flag in _GENRE_FLAGS])
    genres = genres.filter(lambda genre: genre.notnull() & genre.notin(_NO_GENRE))
    item = checks.identifier(raw.movieId)
    categories = {"categories": genres} if "categories" in fields else {}
    films = raw.select(
        item_id=item,
        title=checks.filled(raw.title),
        fallback=checks.fallback(categories=genres),
        **categories,
        problem=malformed.problem({"movieId": (raw.movieId, item)}),
        position=raw[delimited.ROW],
    )
    return malformed.drop_malformed(
        engine.cache(films), path, delimited.finder(source, rows), data.max_bad_lines, engine, rows.reasons
    )


def _source(file: lines.FileHead, names: tuple[str, ...]) -> delimited.Delimited:
    """The format of a file of ratings or films, by its first line."""
    if "::" in file.first_line:
        return delimited.Delimited(file, names, "::", quote="", header=False, encoding=_encoding(file, names))
    tab_cells, bar_cells = file.first_line.split("\t"), file.first_line.split("|")
    if names == _RATINGS and len(tab_cells) == len(names) and tab_cells[0].isdecimal():
        return delimited.Delimited(file, names, "\t", quote="", header=False)
    if names == _FILMS and len(bar_cells) == 5 + len(_GENRE_FLAGS):
        columns = ("movieId", "title", "released", "video", "url", *_GENRE_FLAGS)
        return delimited.Delimited(file, columns, "|", quote="", header=False, encoding=_encoding(file, names))
    source = delimited.with_header(file)
    for name in names:
        if name not in source.names:
            raise checks.missing_column(name, source.names, file.path)
    return source


def _encoding(file: lines.FileHead, names: tuple[str, ...]) -> delimited.Encoding:
    """UTF-8 if the whole file is valid UTF-8, else latin-1; files of ratings have only digits and are not checked."""
    if names == _RATINGS:
        return "utf-8"
    with lines.opened(file.path, file.compression) as stream:
        try:
            stream.read().decode("utf-8")
        except UnicodeDecodeError:
            return "latin-1"
    return "utf-8"
