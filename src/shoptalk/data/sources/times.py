"""Conversion of a column of timestamps: numbers in some unit, dates in ISO 8601, or another common date format.

The format is detected for the whole column. Numbers are seconds, milliseconds, microseconds or nanoseconds since 1970,
days since 1900 (as in spreadsheets), or dates in digits (``20191101``). A format is used only if at least half of the
values fit it. Where day and month could be exchanged in every value, ``data.time_format`` must say which comes first.
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

#: No purchase on the web is older; an earlier date suggests a wrong unit or a missing date.
EARLIEST_YEAR = 1995
_EARLIEST = dt.datetime(EARLIEST_YEAR, 1, 1, tzinfo=dt.UTC).timestamp()
_DAY = 86_400
#: 1 January 1970 in days of spreadsheets.
_SPREADSHEET_1970 = 25_569
#: Days of spreadsheets from 1982 to 2050: a column with only such numbers is read as days of a spreadsheet.
_SPREADSHEET_RANGE = (30_000, 55_000)
#: The share of the values that must fit a format.
_AGREEMENT = 0.5
#: The number of values on which all formats are tried.
_SAMPLE_SIZE = 2_000
#: A smaller year in a date has been written with two digits.
_MIN_YEAR = 1000
_MIN_YEAR_SECONDS = dt.datetime(_MIN_YEAR, 1, 1, tzinfo=dt.UTC).timestamp()

_TIMES_OF_DAY = ("", *(f" {clock}" for clock in ("%H:%M", "%H:%M:%S", "%H:%M:%S.%f", "%I:%M %p", "%I:%M:%S %p")))
_ORDERS = {"day first": ("%d", "%m"), "month first": ("%m", "%d")}
#: Unambiguous formats of dates, which are tried with every time of day.
_DATES = (
    "%B %d, %Y",
    "%b %d, %Y",
    "%d %B %Y",
    "%d %b %Y",
    "%d-%b-%Y",
    "%b %d %Y",
    "%B %d %Y",
    "%a %b %d %Y",
    "%A, %B %d, %Y",
    "%Y/%m/%d",
    "%Y.%m.%d",
    "%Y-%m-%d",
)
#: Unambiguous formats of dates with a time of day.
_DATE_TIMES = (
    "%a %b %d %H:%M:%S %z %Y",
    "%a %b %d %H:%M:%S %Y",
    "%a, %d %b %Y %H:%M:%S %z",
    "%a, %d %b %Y %H:%M:%S %Z",
    "%d/%b/%Y:%H:%M:%S %z",
    "%Y%m%d %H:%M:%S",
    "%Y%m%dT%H%M%S",
    "%Y%m%dT%H%M%SZ",
)


@dataclass(frozen=True)
class ConvertedTimes:
    """Seconds since 1970 (UTC, with fraction) of each row, null where unknown, and warnings for the user."""

    seconds: ir.Value
    warnings: tuple[str, ...] = ()


def convert_times(stamp: ir.Value, time_format: str | None, path: Path | str, engine: Engine) -> ConvertedTimes:
    """Convert a column of timestamps to seconds.

    Parameters
    ----------
    stamp
        A column of a stored table: text, numbers, dates or date-times.
    time_format
        The recipe's ``data.time_format``: a key of ``recipe.TIME_UNITS``, `SPREADSHEET_DAYS`, a pattern of strptime, or
        None to detect the format.
    path
        The file, for messages.
    engine
        The engine of the table.

    Raises
    ------
    SourceError
        Where day and month could be exchanged in every value.
    """
    if stamp.type().is_timestamp() or stamp.type().is_date():
        return ConvertedTimes(_seconds(stamp.cast(idt.Timestamp())))
    if time_format is not None:
        return ConvertedTimes(_by_format(stamp, time_format))
    number = stamp.try_cast("float64")
    magnitude = number.abs()
    counts = engine.counts(
        values=stamp.count(),
        numbers=magnitude.count(),
        dates=magnitude.between(19_000_101, 21_001_231).sum(),
        date_times=magnitude.between(19_000_101_000_000, 21_001_231_235_959).sum(),
        spreadsheet=number.between(*_SPREADSHEET_RANGE).sum(),
        **{f"below_{power}": (magnitude < 10.0**power).sum() for power in (11, 14, 17)},
    )
    if counts["numbers"] >= counts["values"] * _AGREEMENT:
        return _convert_numbers(stamp, counts, path)
    return _convert_text(stamp.cast("string"), counts["values"], path, engine)


def _convert_numbers(stamp: ir.Value, counts: dict[str, int], path: Path | str) -> ConvertedTimes:
    """Numbers in the format or unit that fits most of them; ``counts`` says how many fit each."""
    half = counts["numbers"] / 2
    for name, pattern in (("dates", "%Y%m%d"), ("date_times", "%Y%m%d%H%M%S")):
        if counts["numbers"] and counts[name] > half:
            return ConvertedTimes(_seconds(parsed_time(stamp.cast("string"), ibis.array([pattern]))))
    if counts["numbers"] and counts["spreadsheet"] == counts["numbers"]:
        warning = (
            f"{printable(path)}: the timestamps are read as days since 1900, as in spreadsheets; "
            'if they are seconds or an order, set data.time_format = "seconds"'
        )
        return ConvertedTimes(_spreadsheet(stamp), (warning,))
    powers = [(11, "seconds"), (14, "milliseconds"), (17, "microseconds")]
    unit = next((unit for power, unit in powers if counts[f"below_{power}"] >= half), "nanoseconds")
    return ConvertedTimes(checks.seconds(stamp, TIME_UNITS[unit]))


def _convert_text(text: ir.StringValue, count: int, path: Path | str, engine: Engine) -> ConvertedTimes:
    """Dates in ISO 8601 if at least half of the ``count`` values are, else in the format that fits most of them."""
    iso = _seconds(_iso(text))
    iso = (iso >= _MIN_YEAR_SECONDS).ifelse(iso, ibis.null("float64"))  # 11/1/19 is not a date of the year 11
    if not count or engine.counts(n=iso.count())["n"] >= count * _AGREEMENT:
        return ConvertedTimes(iso)
    best = _best_formats(text, engine)
    chosen = max(best.values(), key=lambda candidate: candidate.count)
    if chosen.count < count * _AGREEMENT:
        return ConvertedTimes(iso)
    if chosen is not best["unambiguous"]:
        _check_day_and_month(text, best["day first"], best["month first"], path, engine)
    return ConvertedTimes(_seconds(_parsed(text, chosen.patterns)))


@dataclass(frozen=True)
class _DateFormat:
    """Patterns of strptime, tried one after the other, and the number of values that they can read."""

    patterns: tuple[str, ...]
    count: int


def _best_formats(text: ir.StringValue, engine: Engine) -> dict[str, _DateFormat]:
    """Of the formats that are unambiguous, have the day first, or have the month first, the one that fits most."""
    date_formats = [tuple(date + time_of_day for time_of_day in _TIMES_OF_DAY) for date in _DATES]
    formats = {"unambiguous": [(pattern,) for pattern in _DATE_TIMES] + date_formats}
    formats |= {order: _numeric_formats(order) for order in _ORDERS}
    # Only the formats that fit a value of a sample are counted in the whole column.
    sample = engine.cache(text.name("text").as_table().filter(text.notnull()).limit(_SAMPLE_SIZE)).text
    best = {}
    for name, candidates in formats.items():
        in_sample = [candidate for patterns in candidates for candidate in _count(sample, [patterns], engine)]
        counted = _count(text, [candidate.patterns for candidate in in_sample if candidate.count], engine)
        best[name] = max(counted, key=lambda candidate: candidate.count, default=_DateFormat((), 0))
    return best


def _numeric_formats(order: str) -> list[tuple[str, ...]]:
    """Formats with day, month and year in digits, with every separator; two-digit and four-digit years apart."""
    first, second = _ORDERS[order]
    years_and_separators = itertools.product("/.-", ("%Y", "%y"))
    dates = [f"{first}{separator}{second}{separator}{year}" for separator, year in years_and_separators]
    dates.append(f"{first} {second}, %Y")
    return [tuple(date + time_of_day for time_of_day in _TIMES_OF_DAY) for date in dates]


def _count(text: ir.StringValue, formats: Sequence[tuple[str, ...]], engine: Engine) -> list[_DateFormat]:
    """Each format, given by its patterns, with the number of values that it can read."""
    if not formats:
        return []
    counts = engine.counts(
        **{f"format_{index}": _parsed(text, patterns).count() for index, patterns in enumerate(formats)}
    )
    return [_DateFormat(patterns, count) for patterns, count in zip(formats, counts.values(), strict=True)]


def _parsed(text: ir.StringValue, patterns: Sequence[str]) -> ir.TimestampValue:
    """The time by the first pattern that fits, or null; without the check, ``%Y`` reads 1/2/10 as of the year 10."""
    time = parsed_time(text, ibis.array(list(patterns)))
    return (time.year() >= _MIN_YEAR).ifelse(time, ibis.null(time.type()))


def _check_day_and_month(
    text: ir.StringValue, day_first: _DateFormat, month_first: _DateFormat, path: Path | str, engine: Engine
) -> None:
    """Raise an error where both orders of day and month fit the same number of values but give different dates."""
    if day_first.count != month_first.count:
        return
    readings = [_parsed(text, date_format.patterns) for date_format in (day_first, month_first)]
    differing = text.name("text").as_table().filter(readings[0] != readings[1]).limit(1)
    examples = engine.to_pyarrow(differing)["text"].to_pylist()
    if examples:
        patterns = [_pattern_of(examples[0], date_format) for date_format in (day_first, month_first)]
        raise SourceError(
            f"the timestamp {examples[0][:60]!r} can be read with the day or with the month first, like all in its "
            "column",
            where=printable(path),
            hint=f'say in the recipe which it is: data.time_format = "{patterns[0]}" or "{patterns[1]}"',
        )


def _pattern_of(value: str, date_format: _DateFormat) -> str:
    """The pattern of a format that fits a value."""
    for pattern in date_format.patterns:
        with contextlib.suppress(ValueError):
            dt.datetime.strptime(value.strip(), pattern)
            return pattern
    return date_format.patterns[0]


def _by_format(stamp: ir.Value, time_format: str) -> ir.Value:
    """Seconds by the recipe's ``data.time_format``."""
    if time_format in TIME_UNITS:
        return checks.seconds(stamp, TIME_UNITS[time_format])
    if time_format == SPREADSHEET_DAYS:
        return _spreadsheet(stamp)
    return _seconds(parsed_time(stamp.cast("string"), ibis.array([time_format])))


def _spreadsheet(stamp: ir.Value) -> ir.Value:
    """Seconds from days since 1900, rounded to milliseconds, because fractions of days are not exact."""
    milliseconds = ((stamp.try_cast("float64") - _SPREADSHEET_1970) * _DAY * 1000).round()
    return checks.seconds(milliseconds, 1000)


def _seconds(time: ir.Value) -> ir.Value:
    """Seconds from a time of the engine."""
    return checks.seconds(epoch_microseconds(time), 10**6)


def _iso(text: ir.StringValue) -> ir.Value:
    """The time of a date or date-time in ISO 8601, or null."""
    return text.strip().try_cast(idt.Timestamp(timezone="UTC"))


def check_years(raw_tables: RawTables, engine: Engine, now: dt.datetime | None = None) -> RawTables:
    """Warn of purchases before `EARLIEST_YEAR` or after tomorrow, with their share and an example."""
    latest = (now or dt.datetime.now(dt.UTC)).timestamp() + _DAY
    interactions, file = raw_tables.interactions, printable(raw_tables.files[0])
    conditions = {
        f"before {EARLIEST_YEAR}": interactions.timestamp < _EARLIEST,
        "after tomorrow": interactions.timestamp > latest,
    }
    early, late = conditions.values()
    counts = engine.counts(all=interactions, early=early.sum(), late=late.sum())
    warnings = list(raw_tables.warnings)
    for (period, condition), count in zip(conditions.items(), (counts["early"], counts["late"]), strict=True):
        if not count:
            continue
        example = engine.to_pyarrow(interactions.filter(condition).select("timestamp").limit(1))[0][0].as_py()
        date = dt.datetime(1970, 1, 1) + dt.timedelta(seconds=example)
        warnings.append(
            f"{file}: {count:,} of {counts['all']:,} purchases ({count / counts['all']:.1%}) are dated {period}, "
            f"such as {date.isoformat(' ', 'seconds')}: check the column and its unit"
        )
    return replace(raw_tables, warnings=tuple(warnings))
