"""The three Amazon releases: fields, Python literals, malformed lines, and files that cannot be read."""

import ast
import gzip
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shoptalk.data.engine import Engine
from shoptalk.data.sources.lines import literal_to_json
from shoptalk.errors import BadLines, SourceError

from .raw import EVERYTHING, json_lines, load, rows


def review(n: int = 0, **changes: Any) -> dict[str, Any]:
    """A line of the 2018 release."""
    line = {
        "reviewerID": f"u{n}",
        "asin": f"i{n}",
        "overall": 4.0,
        "verified": True,
        "unixReviewTime": 1_500_000_000 + n,
    }
    return {**line, "reviewText": "good &amp; cheap", "summary": "Five", "style": {"deep": [1, 2]}, **changes}


REVIEWS = [review(n) for n in range(200)]


def test_2018(shared_engine: Engine, tmp_path: Path) -> None:
    reviews = json_lines(tmp_path / "r.json", review(1), "", review(2, verified=False, overall=None))
    product = {"asin": "i1", "title": "Soap", "brand": "Acme", "category": ["A", "B", "A"], "price": "$1.99"}
    items = json_lines(
        tmp_path / "m.json",
        {**product, "description": ["one", "two"], "feature": ["strong"]},
        {**product, "asin": "i2", "title": "", "description": "plain text", "feature": []},
    )
    raw_tables = load(shared_engine, "amazon2018", reviews, items, EVERYTHING)
    first = {"user_id": "u1", "item_id": "i1", "timestamp": 1_500_000_001, "rating": 4.0, "verified": True}
    second = {"user_id": "u2", "item_id": "i2", "timestamp": 1_500_000_002, "rating": None, "verified": False}
    texts = {"review": "good &amp; cheap", "summary": "Five"}
    assert rows(raw_tables.interactions, shared_engine) == [
        {**first, **texts, "position": 0},
        {**second, **texts, "position": 1},  # blank lines do not count
    ]
    brand_and_categories = {"brand": "Acme", "categories": ["A", "B"]}
    assert rows(raw_tables.items, shared_engine, "item_id") == [
        {"item_id": "i1", "title": "Soap", "fallback": "Acme B", **brand_and_categories, "description": "one two"},
        {"item_id": "i2", "title": None, "fallback": "Acme B", **brand_and_categories, "description": "plain text"},
    ]
    with_features = load(shared_engine, "amazon2018", reviews, items, frozenset({"features"}))
    assert [row["features"] for row in rows(with_features.items, shared_engine, "item_id")] == [["strong"], []]
    assert raw_tables.read == {"reviews": 2, "items": 2, "bad_lines": 0}
    assert raw_tables.files == (reviews, items)
    assert raw_tables.warnings == ()


def test_only_needed_columns_are_read(shared_engine: Engine, tmp_path: Path) -> None:
    reviews = json_lines(tmp_path / "r.json", review(1))
    items = json_lines(tmp_path / "m.json", {"asin": "i1", "title": "Soap", "category": ["A"]})
    raw_tables = load(shared_engine, "amazon2018", reviews, items, frozenset({"categories"}))
    assert set(raw_tables.interactions.columns) == {"user_id", "item_id", "timestamp", "position", "rating", "verified"}
    assert set(raw_tables.items.columns) == {"item_id", "title", "fallback", "categories"}


@pytest.mark.parametrize("source", ["amazon2014", "amazon2018", "amazon2023"])
@pytest.mark.parametrize(
    ("written", "price"),
    [
        ("$12.99", 12.99),
        (12.5, 12.5),
        (7, 7.0),
        ("$1,299.00", 1299.0),
        ("£ 3", 3.0),
        (0, 0.0),
        ("$5.00 - $9.99", None),
        ("12,99", None),
        ("-3", None),
        ("", None),
        (None, None),
        ("None", None),
        ("inf", None),
        (".a-box-inner{background-color:#fff}", None),
        ([], None),
        ({"from": 3}, None),
    ],
)
def test_prices(shared_engine: Engine, tmp_path: Path, source: str, written: Any, price: float | None) -> None:
    key = "parent_asin" if source == "amazon2023" else "asin"
    names = {"user_id": "u1", "parent_asin": "i1", "timestamp": 1_500_000_001_000}  # of the 2023 release
    reviews = json_lines(tmp_path / "r.json", {**review(1), **(names if source == "amazon2023" else {})})
    items = json_lines(tmp_path / "m.json", {key: "i1", "title": "Soap", "price": written})
    raw_tables = load(shared_engine, source, reviews, items, frozenset({"price"}))
    assert rows(raw_tables.items, shared_engine, "item_id")[0]["price"] == price


@pytest.mark.parametrize(
    ("product", "fallback"),
    [
        ({"brand": "Acme", "category": ["A", "B"], "feature": ["f"]}, "Acme B"),
        ({"brand": "", "category": [], "feature": ["light", "red"]}, "light"),
        (
            {"description": ["one two three", "four five six seven eight nine ten"]},
            "one two three four five six seven eight",
        ),
        ({}, None),
    ],
)
def test_fallbacks_of_a_title(
    product: dict[str, Any], fallback: str | None, shared_engine: Engine, tmp_path: Path
) -> None:
    items = json_lines(tmp_path / "m.json", {"asin": "i1", "title": None, **product})
    raw_tables = load(shared_engine, "amazon2018", json_lines(tmp_path / "r.json", review(1)), items)
    assert rows(raw_tables.items, shared_engine, "item_id")[0]["fallback"] == fallback


def test_ids_are_titles_without_a_file_of_items(shared_engine: Engine, tmp_path: Path) -> None:
    raw_tables = load(shared_engine, "amazon2018", json_lines(tmp_path / "r.json", review(1), review(2), review(2)))
    assert [row["title"] for row in rows(raw_tables.items, shared_engine, "item_id")] == ["i1", "i2"]
    assert raw_tables.read["items"] == 0


def test_2023(shared_engine: Engine, tmp_path: Path) -> None:
    line = {"user_id": "u", "parent_asin": "p", "asin": "a", "rating": 5, "timestamp": 1_600_000_000_999}
    reviews = json_lines(tmp_path / "r", {**line, "verified_purchase": False, "title": "Nice", "text": "Very"})
    product = {"parent_asin": "p", "title": "Pump", "store": "Acme", "categories": ["A", "B"], "price": None}
    items = json_lines(tmp_path / "m", {**product, "description": [], "features": ["quiet"], "details": {}})
    raw_tables = load(shared_engine, "amazon2023", reviews, items, EVERYTHING)
    row = rows(raw_tables.interactions, shared_engine)[0]
    assert (row["user_id"], row["item_id"], row["timestamp"]) == (
        "u",
        "p",
        1_600_000_000.999,
    )  # ms
    assert (row["verified"], row["summary"], row["review"]) == (False, "Nice", "Very")
    assert rows(raw_tables.items, shared_engine, "item_id")[0]["brand"] == "Acme"


def test_2014_literals(shared_engine: Engine, tmp_path: Path) -> None:
    items = tmp_path / "m.json.gz"
    lines = [
        r"""{'asin': '01', 'title': "Men's \"Soap\" \\ caf\xe9", 'categories': [['A', 'B'], ['A', 'C']], 'price': 1.2}""",  # noqa: E501
        r"""{'asin': u'02', 'related': {'also_bought': ['01']}, 'brand': None, 'description': 'True: it\'s None', 'x': (1,)}""",  # noqa: E501
    ]
    items.write_bytes(gzip.compress("\n".join(lines).encode()))
    reviews = tmp_path / "r.json"
    old = {"reviewerID": "u", "asin": "01", "overall": 5.0, "unixReviewTime": 1_300_000_000, "helpful": [0, 1]}
    reviews.write_text(f"{old!r}\n" + repr({**old, "asin": "02", "reviewText": 'it\'s "fine"\n'}) + "\n")
    raw_tables = load(shared_engine, "amazon2014", reviews, items, EVERYTHING)
    first, second = rows(raw_tables.items, shared_engine, "item_id")
    assert first["title"] == 'Men\'s "Soap" \\ café'
    assert first["categories"] == ["A", "B", "C"]
    assert second["description"] == "True: it's None"
    assert (second["brand"], second["fallback"]) == (None, "True: it's None")
    interactions = rows(raw_tables.interactions, shared_engine)
    assert [row["verified"] for row in interactions] == [None, None]
    assert interactions[1]["review"] == 'it\'s "fine"\n'


TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\n\r\x00"), max_size=12) | st.sampled_from(
    ["'", '"', "\\", "\\'", "'\"", "\\x41", "\\u0041", "True", "u'x'", "(1, 2)", "a\tb\nc", "\\\\'", "\x01", "L1L"]
)
LEAF = st.none() | st.booleans() | st.integers(-(10**9), 10**9) | st.floats(-1e6, 1e6, allow_nan=False) | TEXT
VALUE = st.recursive(
    LEAF, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3), max_leaves=6
)


@settings(max_examples=60, deadline=None)
@given(objects=st.lists(st.dictionaries(TEXT, VALUE, max_size=4), min_size=1, max_size=10), old=st.booleans())
def test_literals_as_the_standard_library_reads_them(
    objects: list[dict[str, Any]], old: bool, shared_engine: Engine
) -> None:
    """The ``repr`` (or ``ascii``, as in Python 2) of any dictionary is read as the same dictionary."""
    texts = [(ascii if old else repr)(value) for value in objects]
    table = shared_engine.table_of({"index": list(range(len(texts))), "text": texts})
    converted = shared_engine.to_pyarrow(table.order_by("index").select(json=literal_to_json(table.text)))[
        "json"
    ].to_pylist()
    assert [json.loads(text) for text in converted] == [ast.literal_eval(text) for text in texts]


@pytest.mark.parametrize("line", ["{'a': 'b", "{'a': 1'}", "'"])
def test_unpaired_quotes_are_no_json(line: str, shared_engine: Engine) -> None:
    table = shared_engine.table_of({"text": [line]})
    assert shared_engine.to_pyarrow(table.select(json=literal_to_json(table.text)))["json"].to_pylist() == [None]


def test_malformed_lines_are_counted_and_named(shared_engine: Engine, tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    malformed_lines = [
        review(overall="five"),
        review(unixReviewTime="soon"),
        {"asin": "i"},
        review(verified="perhaps"),
        [1],
    ]
    json_lines(path, *REVIEWS[:3], "", '{"a": ', *malformed_lines, *REVIEWS[3:])
    raw_tables = load(shared_engine, "amazon2018", path, max_bad_lines=0.03)
    assert raw_tables.read == {"reviews": 200, "items": 0, "bad_lines": 6}
    assert raw_tables.warnings == (
        f"{path}:5: not valid JSON: Expecting value (column 6) (2 such lines)",  # the fourth line is blank
        f"{path}:6: overall cannot be understood: 'five'",
        f"{path}:7: no usable unixReviewTime: 'soon' (2 such lines)",
        f"{path}:8: no usable reviewerID: it is empty",
        f"{path}:9: verified cannot be understood: 'perhaps'",
    )
    with pytest.raises(BadLines) as error:
        load(shared_engine, "amazon2018", path)  # 6 / 206 = 2.91 %, more than 0.1 %
    assert error.value.where == f"{path}:5"
    assert "6 of 206 lines (2.91%)" in error.value.message
    assert error.value.hint == "data.max_bad_lines = 0.03 would leave them out"


BODY = "".join(json.dumps(line) + "\n" for line in REVIEWS).encode()
#: A malformed last line, and the beginning of its reason.
MALFORMED_LINES = {
    "cut": (b'{"reviewerID": "u', "not valid JSON"),
    "bytes": (b'{"asin": "\xff"}', "not UTF-8"),
    "nul": (b'{"asin\x00": 1}', "not valid JSON"),
    "deep": (b'{"a": ' + b"[" * 2000 + b"]" * 2000 + b"}", ""),
    "deeper": (b'{"a": ' + b"[" * 90_000 + b"]" * 90_000 + b"}", ""),
}


@pytest.mark.parametrize("name", MALFORMED_LINES)
@pytest.mark.parametrize("packed", [False, True])
def test_one_malformed_line(name: str, packed: bool, shared_engine: Engine, tmp_path: Path) -> None:
    line, reason = MALFORMED_LINES[name]
    path = tmp_path / "r"
    path.write_bytes(gzip.compress(BODY + line) if packed else BODY + line)
    raw_tables = load(shared_engine, "amazon2018", path, max_bad_lines=0.01)
    assert raw_tables.read == {"reviews": 200, "items": 0, "bad_lines": 1}
    assert raw_tables.warnings[0].startswith(f"{path}:201: {reason}")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param(b"", "is empty", id="empty"),
        pytest.param(b"\n \n", "is empty", id="only white space"),
        pytest.param(gzip.compress(b"", mtime=0), "is empty", id="empty gzip"),
        pytest.param(gzip.compress(BODY, mtime=0)[:-200], "damaged or cut off", id="gzip without its end"),
        pytest.param(gzip.compress(BODY * 500, mtime=0)[:-2000], "damaged or cut off", id="long gzip without its end"),
        pytest.param(gzip.compress(BODY, mtime=0)[:9], "damaged or cut off", id="gzip header only"),
        pytest.param(
            pa.compress(BODY * 500, codec="zstd", asbytes=True)[:-50], "damaged or cut off", id="zstd without its end"
        ),
        pytest.param(BODY.decode().encode("utf-16"), "UTF-16", id="utf-16 with a mark"),
        pytest.param(BODY.decode().encode("utf-16-be"), "UTF-16", id="utf-16 without a mark"),
        pytest.param(BODY.replace(b"good", b"g\xf6\xf6d"), "not UTF-8 text", id="latin-1"),
        pytest.param(BODY.replace(b"asin", b"asim"), "no column 'asin'", id="a column is missing"),
        pytest.param(json.dumps(REVIEWS).encode(), "one JSON object per line", id="one JSON array"),
        pytest.param(b'{"asin": "' + b"x" * 70_000_000 + b'"}', "longer than", id="one endless line"),
    ],
)
def test_files_that_cannot_be_read(content: bytes, message: str, shared_engine: Engine, tmp_path: Path) -> None:
    path = tmp_path / "r"
    path.write_bytes(content)
    with pytest.raises(SourceError, match=message) as error:
        load(shared_engine, "amazon2018", path)
    assert str(path) in str(error.value.where)
    assert error.value.hint


def test_missing_file_folder_and_wrong_extension(shared_engine: Engine, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no such file"):
        load(shared_engine, "amazon2018", tmp_path / "none")
    with pytest.raises(SourceError, match="is a folder"):
        load(shared_engine, "amazon2018", tmp_path)
    (tmp_path / "r.json.gz").write_bytes(BODY)
    with pytest.raises(SourceError, match="is not compressed"):
        load(shared_engine, "amazon2018", tmp_path / "r.json.gz")


@pytest.mark.parametrize(
    "content",
    [
        BODY,
        gzip.compress(BODY),
        gzip.compress(BODY[:100_000]) + gzip.compress(BODY[100_000:]),
        pa.compress(BODY, codec="zstd", asbytes=True),
        b"\xef\xbb\xbf" + BODY,
        BODY.replace(b"\n", b"\r\n"),
    ],
    ids=["plain", "gzip", "gzip in two parts", "zstd", "byte order mark", "windows"],
)
def test_every_compression_and_line_end_gives_the_same_rows(
    content: bytes, shared_engine: Engine, tmp_path: Path
) -> None:
    (tmp_path / "r").write_bytes(content)
    raw_tables = load(shared_engine, "amazon2018", tmp_path / "r")
    interactions = rows(raw_tables.interactions, shared_engine)
    assert [row["user_id"] for row in interactions] == [f"u{n}" for n in range(200)]
    assert [row["position"] for row in interactions] == list(range(200))


def test_repeated_products(shared_engine: Engine, tmp_path: Path) -> None:
    titles = [("i1", "first"), ("i2", "same"), ("i1", "second"), ("i2", "same"), ("i1", None)]
    items = json_lines(tmp_path / "m", *({"asin": item, "title": title} for item, title in titles))
    raw_tables = load(shared_engine, "amazon2018", json_lines(tmp_path / "r", review(1)), items)
    assert [row["title"] for row in rows(raw_tables.items, shared_engine, "item_id")] == ["first", "same"]
    assert raw_tables.warnings == (f"{items}: 1 item ids have different titles; the first title is used",)
