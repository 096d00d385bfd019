"""The engine: order, lines, rejected rows, spilling, and errors of this package instead of DuckDB's."""

import gzip
from collections.abc import Iterator
from pathlib import Path

import duckdb
import ibis
import pyarrow.parquet as pq
import pytest

from shoptalk.data.engine import Engine
from shoptalk.data.engine_errors import storing
from shoptalk.data.engine_functions import json_list, json_text
from shoptalk.errors import SourceError, StorageError


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    work = tmp_path / "work"
    work.mkdir()
    with Engine(work, memory="300MB", threads=1) as opened:
        yield opened


def test_spilled_files_are_removed(tmp_path: Path) -> None:
    with Engine(tmp_path, memory="100MB", threads=1) as engine:
        many = engine.cache(engine.table_of({"n": list(range(1000))}))
        wide = engine.cache(many.cross_join(many.rename(m="n")).mutate(text=many.n.cast("string").rpad(200, "x")))
        assert list((tmp_path / "spill").iterdir())
        assert engine.counts(n=wide)["n"] == 1_000_000
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_dropping_an_expression_drops_its_tables_only(engine: Engine) -> None:
    dropped, remaining = (engine.cache(engine.table_of({"a": [value]})) for value in (1, 2))
    engine.drop(dropped.filter(dropped.a > 0))
    assert engine.counts(n=remaining) == {"n": 1}
    with pytest.raises(Exception, match="does not exist"):
        engine.counts(n=dropped)


def test_cache_keeps_the_order_and_numbers_it(engine: Engine) -> None:
    table = engine.numbered(engine.table_of({"a": [3, 1, 2]}), "index")
    assert engine.to_pyarrow(table).to_pydict() == {"a": [3, 1, 2], "index": [0, 1, 2]}


def test_json_lines(engine: Engine, tmp_path: Path) -> None:
    path = tmp_path / "a.anything"
    path.write_bytes(gzip.compress(b'{"a": 1, "b": ["x", "y"], "c": 0}\n\nbroken\n{"a": "z"}\n'))
    table = engine.read_json_lines(path, {"a": "VARCHAR", "b": "JSON"}, "gzip")
    rows = engine.to_pyarrow(table.select(a="a", b=json_list(table.b))).to_pylist()
    assert rows == [{"a": "1", "b": ["x", "y"]}, {"a": None, "b": None}, {"a": "z", "b": None}]


@pytest.mark.parametrize(
    ("value", "as_list", "as_text"),
    [
        ('["x", "y"]', ["x", "y"], "x y"),
        ('[["x"], ["y", "z"]]', ["x", "y", "z"], "x y z"),
        ('"x"', ["x"], "x"),
        ("null", None, None),
        ('{"k": 1}', None, None),  # an object is not text
    ],
)
def test_json_values(
    engine: Engine, tmp_path: Path, value: str, as_list: list[str] | None, as_text: str | None
) -> None:
    (tmp_path / "a").write_text(f'{{"v": {value}}}\n')
    table = engine.read_json_lines(tmp_path / "a", {"v": "JSON"})
    row = engine.to_pyarrow(table.select(as_list=json_list(table.v), as_text=json_text(table.v))).to_pylist()
    assert row == [{"as_list": as_list, "as_text": as_text}]


def test_lines_that_are_not_text_are_counted(engine: Engine, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"one, \"'1\n\n \ntwo\n\xff\xfe\nthree")
    table, unreadable = engine.read_lines(tmp_path / "a")
    assert engine.to_pyarrow(table)["line"].to_pylist() == ["one, \"'1", "two", "three"]
    assert unreadable == 1


def test_csv_rejects_rows_that_do_not_fit(engine: Engine, tmp_path: Path) -> None:
    (tmp_path / "a").write_text('x;y\n1;"two\nlines; one cell"\n2\n3;4\n')
    table, rejected = engine.read_csv(tmp_path / "a", ["x", "y"], delimiter=";", keep=["y"])
    assert engine.to_pyarrow(table).to_pydict() == {"y": ["two\nlines; one cell", "4"]}
    assert [reason for _, reason in rejected] == ["missing columns"]


def test_counts_in_one_query(engine: Engine) -> None:
    table = engine.table_of({"a": [1, 2, 5]})
    counts = engine.counts(rows=table, big=(table.a > 1).sum(), none=table.filter(table.a > 9).a.sum())
    assert counts == {"rows": 3, "big": 2, "none": 0}


def test_no_subquery_hides_a_table(engine: Engine) -> None:
    """Ibis names subqueries t0, t1, ...; tables must have other names."""
    tables = [engine.table_of({"a": list(range(size))}) for size in range(1, 30)]
    used_twice = tables[0].semi_join(tables[1], "a").semi_join(tables[2], "a")
    for size, table in enumerate(tables, 1):
        counts = engine.counts(pair=used_twice, users=used_twice.a.nunique(), size=table)
        assert counts == {"pair": 1, "users": 1, "size": size}


def test_parquet_is_sorted(engine: Engine, tmp_path: Path) -> None:
    engine.write_parquet(engine.table_of({"a": [3, 1, 2]}), tmp_path / "a.parquet", order_by=["a"])
    assert pq.read_table(tmp_path / "a.parquet")["a"].to_pylist() == [1, 2, 3]
    assert engine.to_pandas(engine.read_parquet(tmp_path / "a.parquet").a.sum().as_table()).iloc[0, 0] == 6


def test_batches_hold_at_most_their_size(engine: Engine) -> None:
    table = engine.cache(ibis.range(5000).unnest().name("a").as_table())
    sizes = [batch.num_rows for batch in engine.batches(table, size=2048)]
    assert sum(sizes) == 5000
    assert max(sizes) <= 2048


def test_sorts_more_than_its_memory(tmp_path: Path) -> None:
    """Six million rows of 3 numbers (144 MB) sorted within 100 MB."""
    with Engine(tmp_path, memory="100MB", threads=1) as engine:
        numbers = ibis.range(6_000_000).unnest().name("a").as_table()
        wide = engine.cache(numbers.mutate(b=(numbers.a * 7919) % 6_000_011, c=numbers.a + 1))
        rows = engine.cache(wide.order_by("b"))
        assert engine.counts(rows=rows)["rows"] == 6_000_000


def test_truncated_gzip_is_a_source_error(engine: Engine, tmp_path: Path) -> None:
    compressed = gzip.compress(b"".join(b'{"a": %d}\n' % n for n in range(9999)))
    (tmp_path / "a.gz").write_bytes(compressed[:-100])
    with pytest.raises(SourceError, match="damaged or cut off"):
        engine.cache(engine.read_json_lines(tmp_path / "a.gz", {"a": "VARCHAR"}, "gzip"), source=tmp_path / "a.gz")


@pytest.mark.parametrize("error", [duckdb.OutOfMemoryException("x"), duckdb.IOException("No space left")])
def test_storage_errors(tmp_path: Path, error: Exception) -> None:
    with pytest.raises(StorageError), storing(tmp_path):
        raise error
