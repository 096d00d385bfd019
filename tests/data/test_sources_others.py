"""MovieLens in its three formats, and Amazon Books Reviews of Kaggle."""

from pathlib import Path

import pytest

from shoptalk.data.engine import Engine
from shoptalk.errors import BadLines, SourceError

from .raw import EVERYTHING, load, rows

FLAGS = ["0"] * 19


def write_movielens(size: str, folder: Path) -> tuple[Path, Path]:
    """Write two ratings and two films in the format of a release."""
    reviews, items = folder / "ratings", folder / "films"
    if size == "100k":
        reviews.write_text("196\t242\t3\t881250949\n186\t302\t4\t891717742\n")
        genres, no_genre = [*FLAGS], [*FLAGS]
        genres[5] = genres[8] = "1"  # the sixth flag is Comedy, the ninth is Drama
        no_genre[0] = "1"  # the first flag is unknown
        lines = [
            "242|Caf\xe9 (1997)|24-Jan-1997||http://x|" + "|".join(genres),
            "302|B|1-Jan-1997||u|" + "|".join(no_genre),
        ]
        items.write_bytes("\n".join(lines).encode("latin-1"))
    elif size == "1M":
        reviews.write_text("196::242::3::881250949\n186::302::4::891717742\n")
        items.write_bytes("242::Caf\xe9 (1997)::Comedy|Drama\n302::B::(no genres listed)\n".encode("latin-1"))
    else:
        reviews.write_text("userId,movieId,rating,timestamp\n196,242,3.0,881250949\n186,302,4.0,891717742\n")
        items.write_text('movieId,title,genres\n242,"Café (1997)",Comedy|Drama\n302,B,(no genres listed)\n')
    return reviews, items


@pytest.mark.parametrize("size", ["100k", "1M", "latest"])
def test_movielens(size: str, shared_engine: Engine, tmp_path: Path) -> None:
    raw_tables = load(shared_engine, "movielens", *write_movielens(size, tmp_path), EVERYTHING)
    first = {"user_id": "196", "item_id": "242", "timestamp": 881_250_949, "rating": 3.0, "verified": None}
    assert rows(raw_tables.interactions, shared_engine)[0] == {**first, "position": 0}
    film, film_without_genre = rows(raw_tables.items, shared_engine, "item_id")
    assert film == {
        "item_id": "242",
        "title": "Café (1997)",
        "fallback": "Drama",
        "categories": ["Comedy", "Drama"],
    }
    assert (film_without_genre["categories"], film_without_genre["fallback"]) == ([], None)
    assert raw_tables.read == {"reviews": 2, "items": 2, "bad_lines": 0}


def test_movielens_malformed(shared_engine: Engine, tmp_path: Path) -> None:
    path = tmp_path / "ratings.dat"
    path.write_text("1::2::3::4\n1::3::x::5\n" + "1::4::3::6\n" * 3)
    with pytest.raises(BadLines, match="no usable rating") as error:
        load(shared_engine, "movielens", path)
    assert error.value.where == f"{path}:2"
    path.write_text("user,movieId,rating,timestamp\n1,2,3,4\n")
    with pytest.raises(SourceError, match=r"no column 'userId' .did you mean user"):
        load(shared_engine, "movielens", path)


HEADER = "Id,Title,Price,User_id,profileName,review/helpfulness,review/score,review/time,review/summary,review/text\n"
BOOKS = "Title,description,authors,image,previewLink,publisher,publishedDate,infoLink,categories,ratingsCount\n"


def test_kaggle_books(shared_engine: Engine, tmp_path: Path) -> None:
    reviews, books = tmp_path / "Books_rating.csv", tmp_path / "books_data.csv"
    reviews.write_text(
        HEADER
        + '1,"Emma, again",,U1,Ann,1/1,5.0,940636800,Good,"Two\nlines, ""quoted"""\n'
        + "2,Dune,9.5,,,0/0,4.0,940636801,So,so\n"  # without a user
        + "1,Emma (again),,U2,Bob,1/1,4.0,-1,Fine,fine\n"  # the same book under another title
        + "3,,,U2,Bob,1/1,1.0,940636803,Bad,bad\n"
    )
    books.write_text(
        BOOKS + '"Emma, again",A novel,"[\'Jane Austen\', \'A. ""B""\']",,,,1815,,[\'Fiction\'],\nDune,,,,,,,,,\n'
    )
    raw_tables = load(shared_engine, "kaggle-books", reviews, books, EVERYTHING)
    interactions = rows(raw_tables.interactions, shared_engine)
    assert [(row["user_id"], row["item_id"], row["position"]) for row in interactions] == [
        ("U1", "1", 0),
        ("U2", "1", 2),
        ("U2", "3", 3),
    ]
    assert interactions[0]["review"] == 'Two\nlines, "quoted"'
    assert interactions[1]["timestamp"] == -1  # the published file has some such timestamps
    emma, dune, unknown = rows(raw_tables.items, shared_engine, "item_id")
    assert (emma["title"], emma["brand"]) == ("Emma, again", 'Jane Austen, A. "B"')
    assert (emma["categories"], emma["description"]) == (["Fiction"], "A novel")
    assert (dune["title"], unknown["title"]) == ("Dune", None)
    assert raw_tables.read == {"reviews": 3, "items": 2, "bad_lines": 0}
    assert raw_tables.warnings == (
        f"{reviews}: 1 reviews have no user and are left out",
        f"{reviews}: 1 item ids have different titles; the first title is used",
        # The reviews of the 3 that are left: one of 1969, two of 1999.
        f"{reviews}: 1 of 3 purchases (33.3%) are dated before 1995, such as 1969-12-31 23:59:59: "
        "check the column and its unit",
    )


def test_kaggle_books_missing_column(shared_engine: Engine, tmp_path: Path) -> None:
    (tmp_path / "r.csv").write_text("Id,Title,User_id,review/score,reviewtime\n1,2,3,4,5\n")
    with pytest.raises(SourceError, match=r"no column 'review/time' .did you mean reviewtime"):
        load(shared_engine, "kaggle-books", tmp_path / "r.csv")
