"""Timestamps: precision, units, date formats, order of day and month, implausible years."""

import datetime as dt
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from shoptalk.data.engine import Engine
from shoptalk.data.prepare import prepare
from shoptalk.data.sources import times
from shoptalk.errors import RecipeError, SourceError

from .raw import load, rows
from .small_dataset import BEGIN, recipe_of, write_tables

NOVEMBER = 1_572_566_400  # 2019-11-01 00:00:00 UTC


def seconds(engine: Engine, folder: Path, written: list[str], time_format: str | None = None) -> list[float]:
    lines = [f"1;{n};{text}" for n, text in enumerate(written)]
    (folder / "t").write_text("user_id;item_id;timestamp\n" + "\n".join(lines))
    raw_tables = load(engine, "table", folder / "t", time_format=time_format)
    return [row["timestamp"] for row in rows(raw_tables.interactions, engine)]


@pytest.mark.parametrize(
    "written",
    [
        ["11/01/2019", "11/13/2019"],
        ["01.11.2019 00:00", "13.11.2019 00:00"],
        ["11/1/2019 0:00", "11/13/2019 0:00"],
        ["11/1/19", "11/13/19"],
        ["Fri Nov 01 00:00:00 +0000 2019", "Wed Nov 13 00:00:00 +0000 2019"],
        ["November 01, 2019", "November 13, 2019"],
        ["01-Nov-2019", "13-Nov-2019"],
        ["Fri, 01 Nov 2019 00:00:00 GMT", "Wed, 13 Nov 2019 00:00:00 GMT"],
        ["2019.11.01", "2019.11.13"],
        ["43770", "43782"],  # days since 1900: 43770 - 25569 = 18201 days = 1572566400 seconds
        ["20191101000000", "20191113000000"],
        ["11/1/2019 12:00 AM", "11/13/2019 12:00 AM"],
    ],
)
def test_common_date_formats(written: list[str], shared_engine: Engine, tmp_path: Path) -> None:
    assert seconds(shared_engine, tmp_path, written) == [NOVEMBER, NOVEMBER + 12 * 86_400]


def test_the_order_of_day_and_month_is_not_guessed(shared_engine: Engine, tmp_path: Path) -> None:
    written = ["12/1/2010 8:26", "1/2/2011 9:00"]
    with pytest.raises(SourceError, match=r"'12/1/2010 8:26'.*%d/%m/%Y %H:%M.*%m/%d/%Y %H:%M"):
        seconds(shared_engine, tmp_path, written)
    month_first = seconds(shared_engine, tmp_path, written, "%m/%d/%Y %H:%M")
    assert month_first[0] == dt.datetime(2010, 12, 1, 8, 26, tzinfo=dt.UTC).timestamp()
    day_first = seconds(shared_engine, tmp_path, written, "%d/%m/%Y %H:%M")
    assert day_first[0] == dt.datetime(2010, 1, 12, 8, 26, tzinfo=dt.UTC).timestamp()
    assert seconds(shared_engine, tmp_path, ["11/11/2019"]) == [NOVEMBER + 10 * 86_400]  # the same in both orders


def test_invalid_time_formats(shared_engine: Engine, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no pattern such as"):
        seconds(shared_engine, tmp_path, ["1"], "%Q")
    with pytest.raises(RecipeError, match="time_format is a setting of"):
        load(shared_engine, "movielens", tmp_path / "t", time_format="seconds")


def test_units_by_name(shared_engine: Engine, tmp_path: Path) -> None:
    assert seconds(shared_engine, tmp_path, ["1500", "43770"], "milliseconds") == [1.5, 43.77]
    assert seconds(shared_engine, tmp_path, ["43770.5"], "excel-days") == [NOVEMBER + 43_200]


@pytest.mark.parametrize("unit", ["ms", "us", "ns"])
def test_date_times_keep_their_fraction(unit: str, shared_engine: Engine, tmp_path: Path) -> None:
    stamps = pa.array([NOVEMBER * 1000 + 150, None], pa.timestamp("ms")).cast(pa.timestamp(unit))
    pq.write_table(pa.table({"user_id": ["1"] * 2, "item_id": ["a"] * 2, "timestamp": stamps}), tmp_path / "t")
    raw_tables = load(shared_engine, "table", tmp_path / "t", max_bad_lines=0.5)
    assert [row["timestamp"] for row in rows(raw_tables.interactions, shared_engine)] == [NOVEMBER + 0.15]


def test_milliseconds_keep_the_order_of_a_newest_first_file(tmp_path: Path) -> None:
    """Five purchases of one user 150 ms apart, the newest in the first row: item 0 is the oldest.

    ``write_tables`` adds `BEGIN` to the timestamps.
    """
    purchases = [("u", f"i{n}", NOVEMBER * 1000 + 150 * n - BEGIN) for n in range(4, -1, -1)]
    write_tables(tmp_path, purchases, {f"i{n}": f"Soap number {n}" for n in range(5)})
    prepare(recipe_of(tmp_path, candidates=None), tmp_path / "dataset")
    table = pq.read_table(tmp_path / "dataset" / "interactions.parquet")
    assert table["item_id"].to_pylist() == ["i0", "i1", "i2", "i3", "i4"]
    assert table["timestamp"].to_pylist()[:2] == [NOVEMBER, NOVEMBER + 0.15]


def test_implausible_years_are_reported(shared_engine: Engine, tmp_path: Path) -> None:
    lines = ["1,a,-48470400000", "1,b,1572566400000", "1,c,1572566400001", "1,d,4102444800000"]
    (tmp_path / "t").write_text("\n".join(["user_id,item_id,timestamp", *lines]))
    raw_tables = load(shared_engine, "table", tmp_path / "t")
    without_warnings = replace(raw_tables, warnings=())
    warnings = times.check_years(without_warnings, shared_engine, now=dt.datetime(2020, 1, 1, tzinfo=dt.UTC)).warnings
    # -48,470,400 s = 561 days before 1970; 4,102,444,800 s = 2100-01-01
    assert "1 of 4 purchases (25.0%) are dated before 1995, such as 1968-06-19 00:00:00" in warnings[0]
    assert "1 of 4 purchases (25.0%) are dated after tomorrow, such as 2100-01-01 00:00:00" in warnings[1]
