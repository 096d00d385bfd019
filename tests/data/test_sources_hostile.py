"""Difficult files: special characters in names, other formats, malformed lines, ids that do not match."""

import hashlib
import io
import json
import math
import zipfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from shoptalk.data.engine import Engine
from shoptalk.data.prepare import prepare
from shoptalk.errors import BadLines, RecipeError, SourceError

from .raw import json_lines, load, rows
from .small_dataset import recipe_of, write_small_dataset

HEADER = "user_id,item_id,timestamp\n"
NAMES = [
    "a[1].csv",
    "a[0-9].csv",
    "[!a].csv",
    "*.csv",
    "**",
    "a?.csv",
    "it's.csv",
    'a"b.csv',
    "100%.csv",
    "{a,b}.csv",
    "back\\slash.csv",
    "\\[x].csv",
    "new\nline.csv",
    "two words.csv",
    "ümlaut→.csv",
    "-r.csv",
    "~",
    "~none.csv",
    "http:",
    "a;b&c#d.csv",
    "a]b.csv",
    "$HOME.csv",
]


@pytest.mark.parametrize("name", NAMES)
def test_file_names_are_taken_literally(name: str, shared_engine: Engine, tmp_path: Path) -> None:
    (tmp_path / "a1.csv").write_text(HEADER + "wrong,1,1\n")
    (tmp_path / name).write_text(HEADER + "right,1,1\n")
    json_lines(tmp_path / f"{name}.json", {"user_id": "json", "item_id": 1, "timestamp": 1})
    pq.write_table(pa.table({"user_id": ["parquet"], "item_id": ["1"], "timestamp": [1]}), tmp_path / f"{name}.pq")
    for path, user in ((name, "right"), (f"{name}.json", "json"), (f"{name}.pq", "parquet")):
        raw_tables = load(shared_engine, "table", tmp_path / path)
        assert [row["user_id"] for row in rows(raw_tables.interactions, shared_engine)] == [user]


def test_a_relative_path_is_not_expanded(
    shared_engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("-r.csv", "~none.csv", "http:", "s[1].csv"):
        Path(name).write_text(HEADER + f"{name},1,1\n")
        interactions = rows(load(shared_engine, "table", Path(name)).interactions, shared_engine)
        assert [row["user_id"] for row in interactions] == [name]


def test_a_partition_folder_is_not_a_column(shared_engine: Engine, tmp_path: Path) -> None:
    """By default, DuckDB replaces the file's column by one from a folder ``user_id=7``."""
    (tmp_path / "user_id=7").mkdir()
    pq.write_table(pa.table({"user_id": ["u"], "item_id": ["1"], "timestamp": [1]}), tmp_path / "user_id=7" / "p")
    (tmp_path / "user_id=7" / "c").write_text(HEADER + "u,1,1\n")
    for name in ("p", "c"):
        interactions = rows(load(shared_engine, "table", tmp_path / "user_id=7" / name).interactions, shared_engine)
        assert [row["user_id"] for row in interactions] == ["u"]


def test_the_recorded_digest_is_of_the_file_that_was_read(tmp_path: Path) -> None:
    """The work folder and both files have special characters in their path, and a pattern would match other files."""
    folder = tmp_path / "[o]ther *?'\"%{}\\~\n=ü"
    write_small_dataset(folder)
    write_small_dataset(tmp_path / "other", users=3)
    report = prepare(recipe_of(folder, seed=1), folder / "dataset")
    assert report.read["reviews"] == 6 * 5
    sources = json.loads((folder / "dataset" / "dataset.json").read_text())["sources"]
    expected = hashlib.sha256((folder / "interactions.parquet").read_bytes()).hexdigest()
    assert sources[0]["sha256"] == expected


def workbook() -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
        archive.writestr("xl/workbook.xml", "<workbook/>")
    return content.getvalue()


RECORD = {"user_id": "u", "item_id": "i", "timestamp": 1}
FORMATS = {
    "xlsx": (workbook(), "Excel workbook"),
    "json array": (json.dumps([RECORD]).encode(), "is a JSON array.*jq"),
    "indented array": (json.dumps([RECORD], indent=2).encode(), "is a JSON array.*jq"),
    "indented objects": (json.dumps(RECORD, indent=2).encode(), "goes over several lines.*jq"),
    "lists": (b'["u", "i", 1]\n', "a JSON list in its first line"),
    "html": (b"<!DOCTYPE html><html></html>", "web page"),
    "sqlite": (b"SQLite format 3\x00", "SQLite"),
    "pickle": (b"\x80\x04\x95", "pickle"),
    "lfs": (b"version https://git-lfs.github.com/spec/v1\n", "Git LFS"),
}


@pytest.mark.parametrize("source", ["table", "amazon2018", "movielens"])
@pytest.mark.parametrize("name", FORMATS)
def test_unreadable_formats_are_named(name: str, source: str, shared_engine: Engine, tmp_path: Path) -> None:
    content, message = FORMATS[name]
    (tmp_path / "t.csv").write_bytes(content)
    with pytest.raises(SourceError) as error:
        load(shared_engine, source, tmp_path / "t.csv")
    assert error.match(message)
    assert error.value.hint


def test_without_a_header(shared_engine: Engine, tmp_path: Path) -> None:
    (tmp_path / "t").write_text("A000,B01,5,1500000000\nA001,B02,4,1500000001\n")
    (tmp_path / "i").write_text("Soap;B01\nComb;B02\n")
    with pytest.raises(SourceError, match=r"has no header.*'A000'.*user_id = 1, item_id = 2, timestamp = 3"):
        load(shared_engine, "table", tmp_path / "t")
    columns = {"user_id": 1, "item_id": 2, "rating": 3, "timestamp": 4, "items.item_id": 2, "title": 1}
    raw_tables = load(shared_engine, "table", tmp_path / "t", tmp_path / "i", columns=columns)
    interactions = rows(raw_tables.interactions, shared_engine)
    assert [(row["user_id"], row["item_id"], row["rating"]) for row in interactions] == [
        ("A000", "B01", 5),
        ("A001", "B02", 4),
    ]
    assert [row["title"] for row in rows(raw_tables.items, shared_engine, "item_id")] == ["Soap", "Comb"]


@pytest.mark.parametrize(
    ("text", "columns", "message"),
    [
        ("a,b,3\n", {"user_id": 1, "item_id": 2, "timestamp": 4}, "timestamp = 4, but the file has 3 columns"),
        ("a,b,3\n", {"user_id": 1, "item_id": 2, "timestamp": "t"}, "and not of timestamp"),
        ("a,b,3\n", {"user_id": 1, "timestamp": 3}, "and not of item_id"),
        (HEADER + "a,b,3\n", {"user_id": 1, "item_id": 2, "timestamp": 3}, "the file has a header"),
        ('{"user_id": 1}\n', {"user_id": 1, "item_id": 2, "timestamp": 3}, "have names"),
    ],
)
def test_column_numbers_that_do_not_fit(
    text: str, columns: dict[str, Any], message: str, shared_engine: Engine, tmp_path: Path
) -> None:
    (tmp_path / "t").write_text(text)
    with pytest.raises((SourceError, RecipeError), match=message):
        load(shared_engine, "table", tmp_path / "t", columns=columns)


def test_every_reason_is_counted_with_a_line_and_a_value(shared_engine: Engine, tmp_path: Path) -> None:
    """Of 10 lines, 8 have no valid date, 2 of these have no user, and another one is latin-1: 9 are malformed."""
    lines = ["1,a,soon"] * 6 + [",a,soon"] * 2 + ["1,caf\xe9,3", "1,a,4"]
    (tmp_path / "t").write_bytes((HEADER + "\n".join(lines) + "\n").encode("latin-1"))
    with pytest.raises(BadLines) as error:
        load(shared_engine, "table", tmp_path / "t", time_format="seconds")
    message, hint = error.value.message, str(error.value.hint)
    assert "9 of 10 lines (90.00%)" in message
    assert "8 x no usable timestamp: 'soon' (line 2)" in message
    assert "2 x no usable user_id: it is empty (line 8)" in message
    assert "caf" in message
    assert "(line 10)" in message
    assert "data.time_format" in hint
    assert "UTF-8" in hint
    assert "max_bad_lines" not in hint  # nine of ten lines would be left out


def test_only_malformed_lines_are_always_an_error(shared_engine: Engine, tmp_path: Path) -> None:
    (tmp_path / "t").write_text(HEADER + "1,a,soon\n")
    with pytest.raises(BadLines, match="1 of 1 lines"):
        load(shared_engine, "table", tmp_path / "t", max_bad_lines=1.0)


def test_ids_with_a_decimal_point(shared_engine: Engine, tmp_path: Path) -> None:
    (tmp_path / "t").write_text(HEADER + "104.0,7.0,1\n105.0,8,2\n")
    (tmp_path / "i").write_text("item_id,title\n7,Soap\n8,Comb\n")
    raw_tables = load(shared_engine, "table", tmp_path / "t", tmp_path / "i")
    interactions = rows(raw_tables.interactions, shared_engine)
    assert [(row["user_id"], row["item_id"]) for row in interactions] == [("104", "7"), ("105", "8")]
    assert any("104.0 is read as 104" in warning for warning in raw_tables.warnings)
    (tmp_path / "t").write_text(HEADER + "1.0,x,1\n1.5,x,2\n")  # 1.5 is not an integer, so nothing changes
    raw_tables = load(shared_engine, "table", tmp_path / "t")
    assert [row["user_id"] for row in rows(raw_tables.interactions, shared_engine)] == ["1.0", "1.5"]


def test_rows_with_a_missing_id_are_malformed(shared_engine: Engine, tmp_path: Path) -> None:
    users = pa.array([1.0, math.nan, None, 2.0])
    pq.write_table(pa.table({"user_id": users, "item_id": ["a"] * 4, "timestamp": [1, 2, 3, 4]}), tmp_path / "t")
    raw_tables = load(shared_engine, "table", tmp_path / "t", max_bad_lines=0.5)
    assert [row["user_id"] for row in rows(raw_tables.interactions, shared_engine)] == ["1", "2"]
    assert raw_tables.read["bad_lines"] == 2
    json_lines(tmp_path / "j", '{"user_id": NaN, "item_id": 1, "timestamp": 1}', dict(RECORD))
    raw_tables = load(shared_engine, "table", tmp_path / "j", max_bad_lines=0.5)
    assert [row["user_id"] for row in rows(raw_tables.interactions, shared_engine)] == ["u"]


def test_unknown_products(shared_engine: Engine, tmp_path: Path) -> None:
    (tmp_path / "i").write_text("item_id,title\np1,Soap\np2,Comb\n")
    (tmp_path / "t").write_text(HEADER + "1,1,1\n1,2,2\n")
    with pytest.raises(SourceError, match=r"no item_id of the purchases \('1', '2'\).*\('p1', 'p2'\)"):
        load(shared_engine, "table", tmp_path / "t", tmp_path / "i")
    (tmp_path / "t").write_text(HEADER + "1,p1,1\n1,x1,2\n1,p2,3\n1,x2,4\n")
    raw_tables = load(shared_engine, "table", tmp_path / "t", tmp_path / "i")
    assert any("2 of 4 purchases (50.0%)" in warning and "'x1', 'x2'" in warning for warning in raw_tables.warnings)
