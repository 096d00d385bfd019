"""What a column of timestamps means: numbers of some unit, dates in ISO 8601, or one of the common written forms.

A column is understood as a whole. Numbers count seconds, milliseconds, microseconds or nanoseconds since 1970, days
since 1900 (as spreadsheets do), or are written dates (``20191101``). A form is taken only where the values agree on it;
where day and month could be exchanged in every value, reading stops until ``data.time_format`` says which is which.
"""

import contextlib
import datetime as dt
import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import ibis
import ibis.expr.datatypes as idt
import ibis.expr.types as ir

from shoptalk.data.engine import Engine
from shoptalk.data.engine_functions import epoch_microseconds, parsed_time
from shoptalk.data.engine_paths import printable
from shoptalk.data.sources import checks
from shoptalk.data.sources.raw_tables import RawTables
from shoptalk.errors import SourceError
from shoptalk.recipe import SPREADSHEET_DAYS, TIME_UNITS

#: No purchase on the web is older; what is, hints at a wrong unit or a missing date.
EARLIEST_YEAR = 1995
_EARLIEST = dt.datetime(EARLIEST_YEAR, 1, 1, tzinfo=dt.UTC).timestamp()
_DAY = 86_400
#: 1 January 1970 in days of a spreadsheet.
_SPREADSHEET_1970 = 25_569
#: Days of 1982 to 2050: where every number of a column lies between them, they are days of a spreadsheet.
_SPREADSHEET_RANGE = (30_000, 55_000)
#: Shares of the values that have to agree on a form before it is taken.
_AGREEMENT = 0.5
#: Rows that are tried with every form.
_SAMPLE = 2_000
#: A year before is no year, but the two digits of one.
_FIRST_WRITTEN_YEAR = 1000
_FIRST_WRITTEN = dt.datetime(_FIRST_WRITTEN_YEAR, 1, 1, tzinfo=dt.UTC).timestamp()

_CLOCKS = ("", *(f" {clock}" for clock in ("%H:%M", "%H:%M:%S", "%H:%M:%S.%f", "%I:%M %p", "%I:%M:%S %p")))
_ORDERS = {"day first": ("%d", "%m"), "month first": ("%m", "%d")}
#: Written forms that can mean one thing only; clocks are added to the first group.
_DATES = ("%B %d, %Y", "%b %d, %Y", "%d %B %Y", "%d %b %Y", "%d-%b-%Y", "%b %d %Y", "%B %d %Y", "%a %b %d %Y",
          "%A, %B %d, %Y", "%Y/%m/%d", "%Y.%m.%d", "%Y-%m-%d")  # fmt: skip
_MOMENTS = ("%a %b %d %H:%M:%S %z %Y", "%a %b %d %H:%M:%S %Y", "%a, %d %b %Y %H:%M:%S %z", "%a, %d %b %Y %H:%M:%S %Z",
            "%d/%b/%Y:%H:%M:%S %z", "%Y%m%d %H:%M:%S", "%Y%m%dT%H%M%S", "%Y%m%dT%H%M%SZ")  # fmt: skip


@dataclass(frozen=True)
class Times:
    """Seconds since 1970 (UTC, with their fraction) of each row, null where unknown; and what to tell the user."""

    seconds: ir.Value
    warnings: tuple[str, ...] = ()


def read_times(stamp: ir.Value, time_format: str | None, path: Path, engine: Engine) -> Times:
    """Understand a column of timestamps.

    Parameters
    ----------
    stamp
        A column of a kept table: text, numbers, dates or moments.
    time_format
        The recipe's ``data.time_format``: None to find out, a word of ``recipe.TIME_UNITS``, `SPREADSHEET_DAYS`, or a
        pattern of strptime.
    path
        The file, for errors.

    Raises
    ------
    SourceError
        Where day and month could be exchanged in every value.
    """
    kind = stamp.type()
    if kind.is_timestamp() or kind.is_date():
        return Times(_seconds(stamp.cast(idt.Timestamp())))
    if time_format is not None:
        return Times(_by_format(stamp, time_format))
    number = stamp.try_cast("float64")
    size = number.abs()
    found = engine.counts(
        given=stamp.count(),
        numbers=size.count(),
        days=size.between(19_000_101, 21_001_231).sum(),
        moments=size.between(19_000_101_000_000, 21_001_231_235_959).sum(),
        spreadsheet=number.between(*_SPREADSHEET_RANGE).sum(),
        **{f"below_{power}": (size < 10.0**power).sum() for power in (11, 14, 17)},
    )
    if found["numbers"] >= found["given"] * _AGREEMENT:
        return _of_numbers(stamp, found, path)
    return _of_text(stamp.cast("string"), found["given"], path, engine)


def _of_numbers(stamp: ir.Value, found: dict[str, int], path: Path) -> Times:
    half = found["numbers"] / 2
    for name, pattern in (("days", "%Y%m%d"), ("moments", "%Y%m%d%H%M%S")):
        if found["numbers"] and found[name] > half:
            return Times(_seconds(parsed_time(stamp.cast("string"), ibis.array([pattern]))))
    if found["numbers"] and found["spreadsheet"] == found["numbers"]:
        warning = (
            f"{printable(path)}: the timestamps are read as days since 1900, as spreadsheets count them; "
            'if they are seconds or places in an order, say data.time_format = "seconds"'
        )
        return Times(_spreadsheet(stamp), (warning,))
    powers = [(11, "seconds"), (14, "milliseconds"), (17, "microseconds")]
    unit = next((unit for power, unit in powers if found[f"below_{power}"] >= half), "nanoseconds")
    return Times(checks.seconds(stamp, TIME_UNITS[unit]))


def _of_text(text: ir.StringValue, given: int, path: Path, engine: Engine) -> Times:
    """Dates in ISO 8601 where most values are, else the written form on which most of the values agree."""
    iso = _seconds(_iso(text))
    iso = (iso >= _FIRST_WRITTEN).ifelse(iso, ibis.null("float64"))  # 11/1/19 is no date of the year 11
    if not given or engine.counts(n=iso.count())["n"] >= given * _AGREEMENT:
        return Times(iso)
    plain = [(pattern,) for pattern in _MOMENTS] + [tuple(date + clock for clock in _CLOCKS) for date in _DATES]
    forms = {"plain": plain} | {order: _numeric_forms(order) for order in _ORDERS}
    # The first rows tell which forms are worth counting in all of them.
    sample = engine.cache(text.name("text").as_table().filter(text.notnull()).limit(_SAMPLE)).text
    likely = {name: [_count(sample, [form], engine)[0] for form in some] for name, some in forms.items()}
    best = {
        name: max(_count(text, [form.patterns for form in some if form.count], engine), key=lambda form: form.count,
                  default=_Form((), 0))
        for name, some in likely.items()
    }  # fmt: skip
    chosen = max(best.values(), key=lambda form: form.count)
    if chosen.count < given * _AGREEMENT:
        return Times(iso)
    if chosen is not best["plain"]:
        _check_order(text, best["day first"], best["month first"], path, engine)
    return Times(_seconds(_parsed(text, chosen.patterns)))


@dataclass(frozen=True)
class _Form:
    """Patterns of strptime, tried one after the other, and how many values they can read."""

    patterns: tuple[str, ...]
    count: int


def _numeric_forms(order: str) -> list[tuple[str, ...]]:
    """Day, month and year in numbers, with every mark between them; years of two digits apart from those of four."""
    one, other = _ORDERS[order]
    dates = [f"{one}{mark}{other}{mark}{year}" for mark, year in itertools.product("/.-", ("%Y", "%y"))]
    return [tuple(date + clock for clock in _CLOCKS) for date in [*dates, f"{one} {other}, %Y"]]


def _count(text: ir.StringValue, forms: Sequence[tuple[str, ...]], engine: Engine) -> list[_Form]:
    if not forms:
        return []
    counts = engine.counts(**{f"form_{at}": _parsed(text, patterns).count() for at, patterns in enumerate(forms)})
    return [_Form(patterns, count) for patterns, count in zip(forms, counts.values(), strict=True)]


def _parsed(text: ir.StringValue, patterns: Sequence[str]) -> ir.TimestampValue:
    """The moment by the first pattern that fits, or null; ``%Y`` would read the 10 of 1/2/10 as the year 10."""
    moment = parsed_time(text, ibis.array(list(patterns)))
    return (moment.year() >= _FIRST_WRITTEN_YEAR).ifelse(moment, ibis.null(moment.type()))


def _check_order(text: ir.StringValue, day_first: _Form, month_first: _Form, path: Path, engine: Engine) -> None:
    """Stop where both orders of day and month read as many values, and make different dates of them."""
    if day_first.count != month_first.count:
        return
    moments = [_parsed(text, form.patterns) for form in (day_first, month_first)]
    differing = text.name("text").as_table().filter(moments[0] != moments[1]).limit(1)
    found = engine.to_pyarrow(differing)["text"].to_pylist()
    if found:
        answer_text = " or ".join(f'"{_pattern_of(found[0], form)}"' for form in (day_first, month_first))
        raise SourceError(
            f"the timestamp {found[0][:60]!r} can be read with the day or with the month first, like all of its column",
            where=printable(path),
            hint=f"say in the recipe which it is: data.time_format = {answer_text}",
        )


def _pattern_of(value: str, form: _Form) -> str:
    for pattern in form.patterns:
        with contextlib.suppress(ValueError):
            dt.datetime.strptime(value.strip(), pattern)
            return pattern
    return form.patterns[0]


def _by_format(stamp: ir.Value, time_format: str) -> ir.Value:
    if time_format in TIME_UNITS:
        return checks.seconds(stamp, TIME_UNITS[time_format])
    if time_format == SPREADSHEET_DAYS:
        return _spreadsheet(stamp)
    return _seconds(parsed_time(stamp.cast("string"), ibis.array([time_format])))


def _spreadsheet(stamp: ir.Value) -> ir.Value:
    """Seconds of days since 1900; whole milliseconds, because fractions of days are never exact."""
    milliseconds = ((stamp.try_cast("float64") - _SPREADSHEET_1970) * _DAY * 1000).round()
    return checks.seconds(milliseconds, 1000)


def _seconds(moment: ir.Value) -> ir.Value:
    return checks.seconds(epoch_microseconds(moment), 10**6)


def _iso(text: ir.StringValue) -> ir.Value:
    """The moment of a date or date-time in ISO 8601, or null."""
    return text.strip().try_cast(idt.Timestamp(timezone="UTC"))


def check_years(raw_tables: RawTables, engine: Engine, now: dt.datetime | None = None) -> RawTables:
    """Warn of purchases before `EARLIEST_YEAR` or after tomorrow, with their share and an example."""
    latest = (now or dt.datetime.now(dt.UTC)).timestamp() + _DAY
    interactions, file = raw_tables.interactions, printable(raw_tables.files[0])
    implausible = {
        f"before {EARLIEST_YEAR}": interactions.timestamp < _EARLIEST,
        "after tomorrow": interactions.timestamp > latest,
    }
    early, late = implausible.values()
    counts = engine.counts(all=interactions, early=early.sum(), late=late.sum())
    warnings = list(raw_tables.warnings)
    for (period, condition), count in zip(implausible.items(), (counts["early"], counts["late"]), strict=True):
        if not count:
            continue
        example = engine.to_pyarrow(interactions.filter(condition).select("timestamp").limit(1))[0][0].as_py()
        date = dt.datetime(1970, 1, 1) + dt.timedelta(seconds=example)
        warnings.append(
            f"{file}: {count:,} of {counts['all']:,} purchases ({count / counts['all']:.1%}) are dated {period}, "
            f"such as {date.isoformat(' ', 'seconds')}: check the column and its unit"
        )
    return replace(raw_tables, warnings=tuple(warnings))
