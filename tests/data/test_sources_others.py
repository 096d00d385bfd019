"""MovieLens in its three formats, Amazon Books Reviews of Kaggle, and atomic files of RecBole."""

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


ATOMIC = "user_id:token\titem_id:token\trating:float\ttimestamp:float\n"


def test_recbole(shared_engine: Engine, tmp_path: Path) -> None:
    purchases, items = tmp_path / "ml.inter", tmp_path / "ml.item"
    purchases.write_text(ATOMIC + "196\t242\t3\t881250949\n186\t302\t4\t891717742\n")
    items.write_text(
        "item_id:token\tmovie_title:token_seq\trelease_year:token\tclass:token_seq\n"
        "242\tKolya\t1996\tComedy Drama\n302\tL.A. Confidential\t1997\t'Crime & Law', 'Film-Noir'\n"
    )
    raw_tables = load(shared_engine, "recbole", purchases, items, EVERYTHING)
    first = {"user_id": "196", "item_id": "242", "timestamp": 881_250_949, "rating": 3.0, "verified": None}
    assert rows(raw_tables.interactions, shared_engine)[0] == {**first, "position": 0}
    kolya, confidential = rows(raw_tables.items, shared_engine, "item_id")
    assert (kolya["title"], kolya["categories"]) == ("Kolya", ["Comedy", "Drama"])
    assert confidential["categories"] == ["Crime & Law", "Film-Noir"]
    assert raw_tables.read == {"reviews": 2, "items": 2, "bad_lines": 0}
    alone = load(shared_engine, "recbole", purchases)
    assert rows(alone.items, shared_engine, "item_id")[0]["title"] == "242"


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("user_id\titem_id\ttimestamp\n", "'user_id' has none of the types"),
        ("user_id:token\titem_id:list\n", "'item_id:list' has none of the types"),
        ("session:token\titem_id:token\ttimestamp:float\n", "no column 'user_id'"),
    ],
)
def test_recbole_refuses_other_headers(header: str, message: str, shared_engine: Engine, tmp_path: Path) -> None:
    (tmp_path / "a.inter").write_text(header + "1\t2\t3\n")
    with pytest.raises(SourceError, match=message):
        load(shared_engine, "recbole", tmp_path / "a.inter")


def test_recbole_needs_titles_and_counts_malformed_rows(shared_engine: Engine, tmp_path: Path) -> None:
    purchases, items = tmp_path / "a.inter", tmp_path / "a.item"
    items.write_text("item_id:token\tclass:token_seq\n2\tComedy\n")
    purchases.write_text(ATOMIC + "1\t2\t3\t4\n1\t2\t3\tx\n")
    with pytest.raises(SourceError, match="no column of titles"):
        load(shared_engine, "recbole", purchases, items)
    with pytest.raises(BadLines) as error:
        load(shared_engine, "recbole", purchases)
    assert error.value.where == f"{purchases}:3"
