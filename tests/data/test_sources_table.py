"""The source `table`: formats, the map of columns, timestamps, and a real data set."""

import datetime as dt
import gzip
import os
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from shoptalk.data.engine import Engine
from shoptalk.errors import BadLines, RecipeError, SourceError

from .raw import EVERYTHING, json_lines, load, rows

DATA = Path(os.environ.get("SHOPTALK_DATA") or Path(__file__).parents[3] / "shared" / "data")
HEADER = "user_id,item_id,timestamp\n"


def timestamps(shared_engine: Engine, path: Path, **data: Any) -> list[float]:
    raw_tables = load(shared_engine, "table", path, **data)
    return [row["timestamp"] for row in rows(raw_tables.interactions, shared_engine)]


@pytest.mark.parametrize("delimiter", [",", "\t", ";", "|"])
@pytest.mark.parametrize("compressed", [False, True])
def test_delimiters(delimiter: str, compressed: bool, shared_engine: Engine, tmp_path: Path) -> None:
    text = f'user_id,item_id,timestamp,rating\n1,"a{delimiter}\n""b""",60,4.5\n2,c,61,\n'
    text = text.replace(",", delimiter)
    (tmp_path / "t").write_bytes(gzip.compress(text.encode()) if compressed else text.encode())
    interactions = rows(load(shared_engine, "table", tmp_path / "t").interactions, shared_engine)
    assert [row["user_id"] for row in interactions] == ["1", "2"]
    assert [row["item_id"] for row in interactions] == [f'a{delimiter}\n"b"', "c"]
    assert [row["rating"] for row in interactions] == [4.5, None]


def test_one_map_of_columns_for_both_files(shared_engine: Engine, tmp_path: Path) -> None:
    (tmp_path / "i.csv").write_text("who,sku,when,n\n7,01,100,3\n7,02,90,1\n")
    (tmp_path / "p.csv").write_text('sku,name,maker,kinds\n01,Soap,Acme,"[\'A\', ""B\'s""]"\n02,,Best,C|D|C\n')
    columns = {"user_id": "who", "item_id": "sku", "timestamp": "when", "position": "n"}
    columns |= {"title": "name", "brand": "maker", "categories": "kinds"}
    raw_tables = load(shared_engine, "table", tmp_path / "i.csv", tmp_path / "p.csv", EVERYTHING, columns=columns)
    interactions = rows(raw_tables.interactions, shared_engine)
    assert [(row["item_id"], row["timestamp"], row["position"]) for row in interactions] == [
        ("02", 90, 1),
        ("01", 100, 3),
    ]
    items = rows(raw_tables.items, shared_engine, "item_id")
    assert [item["categories"] for item in items] == [["A", "B's"], ["C", "D"]]
    assert [(item["title"], item["fallback"]) for item in items] == [("Soap", "Acme B's"), (None, "Best D")]


@pytest.mark.parametrize(("columns", "titles"), [({"title": "name"}, ["Soap", "Mint Oil"]), ({}, ["a", "b"])])
def test_titles_in_the_file_of_interactions(
    columns: dict[str, str], titles: list[str], shared_engine: Engine, tmp_path: Path
) -> None:
    rows_of_a = "u,a,1,Soap\nv,a,2,Soap (new)\n"
    (tmp_path / "i.csv").write_text(f"user_id,item_id,timestamp,name\n{rows_of_a}u,b,3,Mint Oil\n")
    tables = load(shared_engine, "table", tmp_path / "i.csv", None, EVERYTHING, columns=columns)
    assert [item["title"] for item in rows(tables.items, shared_engine, "item_id")] == titles
    assert tables.read["bad_lines"] == 0
    different = f"{tmp_path / 'i.csv'}: 1 item ids have different titles; the first title is used"
    assert (different in tables.warnings) == bool(columns)


def test_a_kept_column_that_no_file_has_is_reported(shared_engine: Engine, tmp_path: Path) -> None:
    (tmp_path / "i.csv").write_text("user_id,item_id,timestamp,review\nu,a,1577923200,Fine\n")
    (tmp_path / "p.csv").write_text("item_id,title,Brand\na,Soap,Acme\n")
    kept = frozenset({"brand", "review"})
    raw_tables = load(shared_engine, "table", tmp_path / "i.csv", tmp_path / "p.csv", kept)
    where = f"{tmp_path / 'i.csv'} and {tmp_path / 'p.csv'}"
    absent = f"{where}: no column 'brand' for brand, which the recipe keeps; data.columns maps other names"
    assert raw_tables.warnings == (absent,)
    mapped = load(shared_engine, "table", tmp_path / "i.csv", tmp_path / "p.csv", kept, columns={"brand": "Brand"})
    assert mapped.warnings == ()


def test_json_lines_and_numbers_as_ids(shared_engine: Engine, tmp_path: Path) -> None:
    path = json_lines(tmp_path / "i", {"user_id": 1, "item_id": 22, "timestamp": 5, "position": 9}, "", "bad")
    items = json_lines(tmp_path / "p", {"item_id": 22, "title": "Soap", "categories": ["A"]})
    raw_tables = load(shared_engine, "table", path, items, EVERYTHING, max_bad_lines=0.5)
    interactions = rows(raw_tables.interactions, shared_engine)[0]
    assert (interactions["user_id"], interactions["item_id"], interactions["position"]) == ("1", "22", 9)
    assert rows(raw_tables.items, shared_engine, "item_id")[0]["categories"] == ["A"]
    assert raw_tables.warnings[:1] == (f"{path}:3: not valid JSON: Expecting value (column 1)",)


def test_parquet(shared_engine: Engine, tmp_path: Path) -> None:
    moment = dt.datetime(2020, 1, 2, tzinfo=dt.UTC)  # 1577923200
    table = pa.table({"user_id": [1], "item_id": [2], "timestamp": [moment], "verified": [False]})
    pq.write_table(table, tmp_path / "i.parquet")
    pq.write_table(pa.table({"item_id": [2], "title": ["x"], "categories": [["A", "A"]]}), tmp_path / "p")
    raw_tables = load(shared_engine, "table", tmp_path / "i.parquet", tmp_path / "p", EVERYTHING)
    expected = {"user_id": "1", "item_id": "2", "timestamp": 1_577_923_200, "rating": None, "verified": False}
    assert rows(raw_tables.interactions, shared_engine) == [{**expected, "position": 0}]
    assert rows(raw_tables.items, shared_engine, "item_id")[0]["categories"] == ["A"]


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        (["1500000000", "1500000001.7"], [1_500_000_000, 1_500_000_001.7]),
        (["1500000000999", "1500000001000"], [1_500_000_000.999, 1_500_000_001]),
        (["1500000000999000", "1500000001000000"], [1_500_000_000.999, 1_500_000_001]),
        (["1500000000999000000", "1500000001000000000"], [1_500_000_000.999, 1_500_000_001]),
        (["-5", "3"], [-5, 3]),
        (["1970-01-02", "2018-01-01"], [86_400, 1_514_764_800]),
        (["1970-01-01T00:01:00", "1970-01-01 01:00:00+01:00"], [60, 0]),
        (["1970-01-01T00:01:00Z", "1970-01-01 00:00:02.5"], [60, 2.5]),
        (["19700102", "20180101"], [86_400, 1_514_764_800]),
    ],
)
def test_timestamps(written: list[str], seconds: list[float], shared_engine: Engine, tmp_path: Path) -> None:
    (tmp_path / "t").write_text(HEADER + "".join(f"1,{n},{text}\n" for n, text in enumerate(written)))
    assert timestamps(shared_engine, tmp_path / "t") == seconds


def test_a_column_has_one_unit(shared_engine: Engine, tmp_path: Path) -> None:
    """Two of three numbers are milliseconds, so all are; a value that is not a number is malformed."""
    lines = ["1,1,1500000000000", "1,2,1500000001000", "1,3,5000", "1,4,2018-01-01"]
    (tmp_path / "t").write_text(HEADER + "\n".join(lines))
    assert timestamps(shared_engine, tmp_path / "t", max_bad_lines=0.25) == [1_500_000_000, 1_500_000_001, 5]
    with pytest.raises(BadLines, match="no usable timestamp") as error:
        timestamps(shared_engine, tmp_path / "t", max_bad_lines=0.2)
    assert error.value.where == f"{tmp_path / 't'}:5"


def test_a_position_replaces_a_missing_timestamp(shared_engine: Engine, tmp_path: Path) -> None:
    (tmp_path / "t").write_text("user_id,item_id,n\n1,a,8\n1,b,3\n")
    raw_tables = load(shared_engine, "table", tmp_path / "t", columns={"position": "n"})
    order = [
        (row["item_id"], row["timestamp"], row["position"]) for row in rows(raw_tables.interactions, shared_engine)
    ]
    assert order == [("b", 3, 3), ("a", 8, 8)]
    with pytest.raises(SourceError, match="no column 'timestamp'") as error:
        load(shared_engine, "table", tmp_path / "t")
    assert "position" in str(error.value.hint)


@pytest.mark.parametrize(
    ("text", "data", "message"),
    [
        ("usr_id,item_id,timestamp\n1,2,3\n", {}, "no column 'user_id'.*did you mean usr_id"),
        (HEADER + "1,2,3\n", {"columns": {"rating": "stars"}}, "no column 'stars'"),
        (HEADER + "1,2,3\n", {"min_rating": 3.0}, "no column 'rating'"),
        ("user_id,item_id,timestamp,user_id\n1,2,3,4\n", {}, "occurs twice"),
        (HEADER, {}, "no rows"),
        ("\ufeff", {}, "empty"),
        ("PAR1 and nothing else", {}, "cannot be read"),
        (HEADER + "1,2,3\n1,2\n", {}, "1 of 2 lines .50.00%. are malformed: 1 x missing columns: '1,2' .line 3."),
        (HEADER + '1,"2,3\n1,2,3\n', {}, "malformed|no rows|inconsistent"),
    ],
)
def test_tables_that_cannot_be_read(
    text: str, data: dict[str, Any], message: str, shared_engine: Engine, tmp_path: Path
) -> None:
    (tmp_path / "t").write_text(text)
    with pytest.raises(SourceError) as error:
        load(shared_engine, "table", tmp_path / "t", **data)
    assert error.match(message)
    assert str(tmp_path / "t") in str(error.value.where)


def test_unknown_columns_in_the_map(shared_engine: Engine, tmp_path: Path) -> None:
    (tmp_path / "t").write_text(HEADER + "1,2,3\n")
    with pytest.raises(RecipeError, match="unknown column 'user'"):
        load(shared_engine, "table", tmp_path / "t", columns={"user": "user_id"})


def test_latin_1_is_malformed(shared_engine: Engine, tmp_path: Path) -> None:
    (tmp_path / "t").write_bytes(HEADER.encode() + b"1,caf\xe9,3\n" + b"1,tea,4\n" * 9)
    with pytest.raises(BadLines, match="convert the file to UTF-8") as error:
        load(shared_engine, "table", tmp_path / "t")
    assert error.value.where == f"{tmp_path / 't'}:2"
    assert load(shared_engine, "table", tmp_path / "t", max_bad_lines=0.1).read["bad_lines"] == 1


@pytest.mark.skipif(not (DATA / "amazon-beauty").is_dir(), reason=f"no real data in {DATA}")
def test_beauty(shared_engine: Engine) -> None:
    folder = DATA / "amazon-beauty"
    raw_tables = load(shared_engine, "table", folder / "interactions.parquet", folder / "items.parquet")
    assert raw_tables.read == {"reviews": 198_215, "items": 12_086, "bad_lines": 0}
    assert shared_engine.counts(users=raw_tables.interactions.user_id.nunique()) == {"users": 22_332}
    interactions = raw_tables.interactions.select("user_id", "item_id", "timestamp", "position")
    expected = pq.read_table(folder / "interactions.parquet").to_pandas()
    matching = shared_engine.to_pandas(interactions).merge(expected.astype({"user_id": str, "item_id": str}))
    assert len(matching) == 198_215


def test_prices_are_read_where_they_are_needed(shared_engine: Engine, tmp_path: Path) -> None:
    (tmp_path / "t").write_text(HEADER + "1,a,3\n")
    (tmp_path / "i").write_text('item_id,title,cost\na,Soap,"$1,200.50"\nb,Comb,3\nc,Mask,cheap\n')
    columns = {"price": "cost"}
    raw_tables = load(shared_engine, "table", tmp_path / "t", tmp_path / "i", frozenset({"price"}), columns=columns)
    assert [row["price"] for row in rows(raw_tables.items, shared_engine, "item_id")] == [1200.5, 3.0, None]
    assert "price" not in load(shared_engine, "table", tmp_path / "t", tmp_path / "i").items.columns
