"""Damaged inputs: each ends in a result or in an error of ours.

40 of them, because each takes a quarter of a second; ``SHOPTALK_FUZZ=1000`` makes a thousand.
"""

import gzip
import json
import math
import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shoptalk.data.clean import clean_titles
from shoptalk.data.engine import Engine
from shoptalk.data.filter import filter_interactions
from shoptalk.data.sources.registry import read
from shoptalk.errors import ShoptalkError
from shoptalk.recipe import Data

N = 12
FORMATS = ("2018", "2023", "literals", "kaggle", "1M", "csv", "json", "parquet")
EXAMPLES = int(os.environ.get("SHOPTALK_FUZZ", "40")) // len(FORMATS)
PRODUCT = {"title": "Soap &amp; more", "brand": "Acme", "categories": [["A", "B"]], "description": ["nice"]}
OLD = [{"reviewerID": f"u{n % 4}", "asin": f"i{n % 5}", "overall": 5.0, "unixReviewTime": 10**9 + n} for n in range(N)]
NEW = [{"user_id": f"u{n % 4}", "parent_asin": f"i{n % 5}", "rating": 5.0, "timestamp": 10**12 + n} for n in range(N)]
META = [{"asin": f"i{n}", "parent_asin": f"i{n}", "category": ["A"], "store": "S", **PRODUCT} for n in range(5)]
KAGGLE = "Id,Title,User_id,review/score,review/time,review/summary,review/text\n"
BOOKS = "Title,description,authors,categories\n"


def lines(objects: list[dict[str, object]]) -> bytes:
    return "".join(json.dumps(each) + "\n" for each in objects).encode()


def parquet(folder: Path, table: dict[str, list[object]]) -> bytes:
    pq.write_table(pa.table(table), folder / "made")
    return (folder / "made").read_bytes()


class Originals(dict[str, tuple[str, bytes, bytes]]):
    """Name -> source, file of interactions, file of items; hypothesis shall not print them."""

    def __repr__(self) -> str:
        return "the undamaged files"


@pytest.fixture(scope="module")
def originals(tmp_path_factory: pytest.TempPathFactory) -> Originals:
    folder = tmp_path_factory.mktemp("made")
    table = "user_id,item_id,timestamp,rating\n" + "".join(f"u{n % 4},i{n % 5},{10**9 + n},5\n" for n in range(N))
    named = "item_id,title,categories\n" + "".join(f"i{n},Soap {n},\"['A', 'B']\"\n" for n in range(5))
    books = KAGGLE + "".join(f'i{n % 5},"T, {n % 5}",u{n % 4},5.0,{10**9 + n},s,"a\nb"\n' for n in range(N))
    columns = {"user_id": [f"u{n % 4}" for n in range(N)], "item_id": [f"i{n % 5}" for n in range(N)]}
    made = {
        "2018": ("amazon2018", lines(OLD), lines(META)),
        "2023": ("amazon2023", lines(NEW), lines(META)),
        "literals": (
            "amazon2014",
            "".join(f"{each!r}\n" for each in OLD).encode(),
            "".join(f"{each!r}\n" for each in META).encode(),
        ),
        "kaggle": (
            "kaggle-books",
            books.encode(),
            (BOOKS + "".join(f"\"T, {n}\",d,\"['X Y']\",['F']\n" for n in range(5))).encode(),
        ),
        "1M": (
            "movielens",
            "".join(f"{n % 4}::{n % 5}::3::{10**9 + n}\n" for n in range(N)).encode(),
            "".join(f"{n}::Film {n}::Drama|War\n" for n in range(5)).encode(),
        ),
        "atomic": (
            "recbole",
            (
                "user_id:token\titem_id:token\ttimestamp:float\n"
                + "".join(f"u{n % 4}\ti{n % 5}\t{10**9 + n}\n" for n in range(N))
            ).encode(),
            (
                "item_id:token\ttitle:token_seq\tclass:token_seq\n"
                + "".join(f"i{n}\tSoap {n}\tA B\n" for n in range(5))
            ).encode(),
        ),
        "csv": ("table", table.encode(), named.encode()),
        "json": (
            "table",
            lines([{**each, "user_id": "u", "item_id": "i0", "timestamp": 5} for each in OLD]),
            named.encode(),
        ),
        "parquet": (
            "table",
            parquet(folder, {**columns, "timestamp": list(range(N))}),
            parquet(folder, {"item_id": [f"i{n}" for n in range(5)], "title": ["Soap"] * 5}),
        ),
    }
    return Originals(made)


GARBAGE = st.one_of(
    st.binary(max_size=20),
    st.sampled_from(
        [
            b"\x00",
            b"\n",
            b"\r",
            b'"',
            b"'",
            b",",
            b"{",
            b"[" * 300,
            b"\xff\xfe",
            b"\xef\xbb\xbf",
            b"null",
            b"NaN",
            b"1e999",
            b"-9223372036854775809",
            b"::",
            b"\\u0000",
            b"\\ud800",
            b"\\",
            b"&#x110000;",
            b"\n\n\n",
            b"{}\n",
            b"[]\n",
            b"\x01",
        ]
    ),
)
EDIT = st.tuples(
    st.sampled_from(["flip", "cut", "insert", "replace", "delete", "repeat", "rename"]), st.floats(0, 1), GARBAGE
)


def damaged(content: bytes, edits: list[tuple[str, float, bytes]]) -> bytes:
    """Apply edits; a place is a share of the length."""
    for kind, share, garbage in edits:
        at = math.floor(share * max(len(content) - 1, 0))
        if kind == "flip" and content:
            content = content[:at] + bytes([content[at] ^ (1 + len(garbage) % 255)]) + content[at + 1 :]
        elif kind == "cut":
            content = content[:at]
        elif kind == "insert":
            content = content[:at] + garbage + content[at:]
        elif kind == "replace":  # a value of another type, or anything
            content = content.replace(content[at : at + 6], garbage)
        elif kind == "delete":
            content = content[:at] + content[at + 30 :]
        elif kind == "repeat":
            content = content[:at] + content
        elif kind == "rename":  # a column that is gone
            for name in (b"asin", b"item_id", b"timestamp", b"Title")[len(garbage) % 4 :]:
                content = content.replace(name, b"other", 1)
    return content


def packed(content: bytes, kind: str) -> bytes:
    if kind == "gzip":
        return gzip.compress(content, 1)
    return pa.compress(content, codec="zstd", asbytes=True) if kind == "zstd" else content


@settings(
    max_examples=EXAMPLES, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck)
)
@given(
    edits=st.lists(EDIT, max_size=3),
    outside=st.lists(EDIT, max_size=1),
    of_items=st.booleans(),
    packing=st.sampled_from(["none", "none", "gzip", "zstd"]),
    allowed=st.sampled_from([0.0, 1.0]),
    cleaning=st.sampled_from(["raw", "unescape", "unescape", "words"]),
    core=st.integers(0, 2),
)
@pytest.mark.parametrize("name", FORMATS)
def test_damaged_files(
    name: str,
    edits: list[tuple[str, float, bytes]],
    outside: list[tuple[str, float, bytes]],
    of_items: bool,
    packing: str,
    allowed: float,
    cleaning: str,
    core: int,
    originals: Originals,
    tmp_path_factory: pytest.TempPathFactory,
    shared_engine: Engine,
) -> None:
    """Damage inside the packing and outside it, of reviews or of items."""
    source, *contents = originals[name]
    which = int(of_items)
    contents[which] = damaged(packed(damaged(contents[which], edits), packing), outside if packing != "none" else [])
    folder = tmp_path_factory.getbasetemp()
    paths = [folder / f"fuzz-{name}-{at}" for at in range(2)]
    for path, content in zip(paths, contents, strict=True):
        path.write_bytes(content)
    content = {"source": source, "reviews": str(paths[0]), "items": str(paths[1]), "max_bad_lines": allowed}
    data = Data.model_validate({**content, "cleaning": cleaning, "user_core": core})
    shown: tuple[str, str | None] | None = None
    try:
        raw_tables = read(data, frozenset({"categories", "brand", "review"}), shared_engine)
        items = clean_titles(raw_tables.items, data.cleaning, shared_engine)
        interactions, sold, dropped = filter_interactions(raw_tables.interactions, items, data, shared_engine)
        counts = shared_engine.counts(kept=interactions, sold=sold)
    except ShoptalkError as error:
        shown = (str(error), error.where)
    finally:
        shared_engine.clear()
    if shown is not None:
        assert "\n" not in shown[0]
        assert shown[1]
        return
    assert counts["kept"] + sum(dropped.values()) == raw_tables.read["reviews"]
    assert counts["sold"] <= counts["kept"]


def test_the_undamaged_files_are_read(originals: Originals, shared_engine: Engine, tmp_path: Path) -> None:
    for name, (source, reviews, items) in originals.items():
        (tmp_path / "r").write_bytes(reviews)
        (tmp_path / "i").write_bytes(items)
        content = {"source": source, "reviews": str(tmp_path / "r"), "items": str(tmp_path / "i")}
        raw_tables = read(Data.model_validate(content), frozenset({"categories"}), shared_engine)
        assert raw_tables.read == {"reviews": N, "items": 5, "bad_lines": 0}, name
