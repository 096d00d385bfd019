"""Malformed lines: the reasons, their counts with examples, and hints for the user."""

import functools
import operator
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ibis
import ibis.expr.types as ir

from shoptalk.data.engine import Engine
from shoptalk.data.engine_paths import printable
from shoptalk.data.sources import checks
from shoptalk.errors import BadLines, SourceError

#: The number of reasons that are shown, the most frequent first.
SHOWN_REASONS = 8

#: Up to this share of malformed lines the hint suggests to leave them out.
MAX_SHARE_TO_LEAVE_OUT = 0.1

NOT_UTF8 = "not UTF-8 text"
_ENCODING_ERRORS = (NOT_UTF8, "encoding", "unicode")

# In the column `problem`: the separator between a reason and its value, and the end of each reason.
_VALUE_SEPARATOR, _END = "\x1f", "\x1e"
#: The number of characters of a value that are shown.
_SHOWN_CHARACTERS = 60

_EMPTY = "it is empty"


@dataclass(frozen=True)
class MalformedLine:
    """A malformed line of a file.

    ``line`` is its number, from 1; ``position`` is the index of its row in the table, or -1; ``reason`` is an error of
    syntax, or empty; ``text`` is the line.
    """

    line: int
    position: int
    reason: str
    text: str


#: A function that finds, in order, the lines of the rows at the given positions, and one line without a row for each of
#: the given reasons.
Finder = Callable[[Collection[int], Collection[str]], Iterator[MalformedLine]]


@dataclass(frozen=True)
class Checked:
    """A table without malformed lines: its number of rows (``good``), the number of malformed lines, and warnings."""

    table: ir.Table
    good: int
    bad: int
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class _ReasonCount:
    """A reason with the number of its lines, the number of the first one (0 if unknown), and the value there."""

    reason: str
    count: int
    line: int = 0
    value: str | None = None

    def __str__(self) -> str:
        return self.reason if self.value is None else f"{self.reason}: {self.value}"


def problem(
    required: Mapping[str, tuple[ir.Value, ir.Value]],
    optional: Mapping[str, tuple[ir.Value, ir.Value]] | None = None,
    empty_row: str | None = None,
) -> ir.StringColumn:
    """The reasons why a row is malformed, with their values, encoded for `drop_malformed`; null where it is not.

    Parameters
    ----------
    required
        Name of a column in the file -> its value before and after conversion. Null after conversion is malformed.
    optional
        The same for values that may be missing. A value that becomes null in the conversion is malformed.
    empty_row
        The reason for a row without any of the required values, in place of a reason for each.
    """
    failures = [(after.isnull(), f"no usable {name}", before) for name, (before, after) in required.items()]
    failures += [
        (before.notnull() & after.isnull(), f"{name} cannot be understood", before)
        for name, (before, after) in (optional or {}).items()
    ]
    is_malformed = functools.reduce(operator.or_, [failed for failed, _, _ in failures])
    encoded = [failed.ifelse(_encoded(reason, value), "") for failed, reason, value in failures]
    reasons = functools.reduce(operator.add, encoded)
    if empty_row is not None:
        is_empty = functools.reduce(operator.and_, [before.isnull() for before, _ in required.values()])
        reasons = is_empty.ifelse(f"{empty_row}{_END}", reasons)
    return is_malformed.ifelse(reasons, ibis.null("string"))


def _encoded(reason: str, value: ir.Value) -> ir.StringValue:
    """A reason with its value, as in the column ``problem``."""
    shown = value.cast("string").substr(0, _SHOWN_CHARACTERS + 1).re_replace(r"[[:cntrl:]]+", " ")
    return ibis.literal(f"{reason}{_VALUE_SEPARATOR}") + shown.fill_null("") + _END


def drop_malformed(
    table: ir.Table,
    path: Path | str,
    find: Finder,
    limit: float,
    engine: Engine,
    rejected: Mapping[str, int] | None = None,
    hints: Mapping[str, str] | None = None,
) -> Checked:
    """Drop the malformed rows of a table, or raise an error where there are too many.

    Parameters
    ----------
    table
        With ``position`` and ``problem`` (null where the row is not malformed).
    path
        The file, for messages.
    find
        Finds the lines of malformed rows.
    limit
        The share of malformed lines that is allowed, in [0, 1].
    engine
        The engine of the table.
    rejected
        Reason -> number of lines that have no row in the table for this reason; ``find`` finds them too.
    hints
        Name of a column in the file -> what to do where its values are not usable.

    Raises
    ------
    BadLines
        When the share exceeds the limit or every line is malformed; with a count, a line and a value for each reason.
    SourceError
        When the file has no rows.
    """
    rejected = rejected or {}
    counts = engine.counts(rows=table, malformed=table.problem.count())
    line_count, bad = (counts[name] + sum(rejected.values()) for name in ("rows", "malformed"))
    if not line_count:
        raise SourceError("the file has no rows", where=printable(path), hint="download or copy it again")
    warnings: tuple[str, ...] = ()
    if bad:
        reasons = _count_reasons(table, find, rejected, engine)
        _check_limit(reasons, bad, line_count, limit, path, hints or {})
        warnings = _warnings(reasons, path)
        table = table.filter(table.problem.isnull())
    table, id_warnings = checks.without_decimal_point(table.drop("problem"), printable(path), engine)
    return Checked(table, line_count - bad, bad, warnings + id_warnings)


def _check_limit(
    reasons: list[_ReasonCount], bad: int, line_count: int, limit: float, path: Path | str, hints: Mapping[str, str]
) -> None:
    """Raise `BadLines` where the share of malformed lines exceeds the limit, or all lines are malformed."""
    share = bad / line_count
    if share <= limit and bad < line_count:
        return
    first_line = min((reason.line for reason in reasons if reason.line), default=0)
    raise BadLines(
        f"{bad:,} of {line_count:,} lines ({share:.2%}) are malformed: {_summary(reasons)}",
        where=f"{printable(path)}:{first_line}" if first_line else printable(path),
        hint=_hint(reasons, share, hints),
    )


def _warnings(reasons: list[_ReasonCount], path: Path | str) -> tuple[str, ...]:
    """A warning for each reason, in the order of their first lines."""
    return tuple(
        f"{printable(path)}:{reason.line}: {reason}" + (f" ({reason.count:,} such lines)" if reason.count > 1 else "")
        for reason in sorted(reasons, key=lambda reason: reason.line)
    )


def _count_reasons(table: ir.Table, find: Finder, rejected: Mapping[str, int], engine: Engine) -> list[_ReasonCount]:
    """Every reason with its count and its first line and value; the most frequent first, at most `SHOWN_REASONS`."""
    rows = _first_rows(table, engine)
    lines = list(find({row["position"] for row in rows}, set(rejected)))
    line_at = {line.position: line for line in lines if line.position >= 0}
    reasons = []
    for row in rows:
        found_line = line_at.get(row["position"])
        number = found_line.line if found_line else row["position"] + 1
        if found_line and found_line.reason:
            reasons.append(_ReasonCount(found_line.reason, row["count"], number))
        else:
            reasons.append(_ReasonCount(row["reason"], row["count"], number, _shown(row["value"])))
    for reason, count in rejected.items():
        example = next((line for line in lines if line.position < 0 and line.reason == reason), None)
        if example is None:
            reasons.append(_ReasonCount(reason, count))
        else:
            reasons.append(_ReasonCount(reason, count, example.line, _shown(example.text)))
    return sorted(reasons, key=lambda reason: (-reason.count, reason.line))[:SHOWN_REASONS]


def _first_rows(table: ir.Table, engine: Engine) -> list[dict[str, Any]]:
    """Reason, count, and position and value of the first row, of the most frequent reasons of malformed rows."""
    malformed = table.filter(table.problem.notnull())
    problems = malformed.select("position", problem=malformed.problem.split(_END).unnest())
    problems = problems.filter(problems.problem != "")
    pair = problems.problem.split(_VALUE_SEPARATOR)
    parts = problems.select("position", reason=pair[0], value=pair[1])
    groups = parts.group_by("reason").aggregate(
        count=parts.count(), position=parts.position.min(), value=parts.value.argmin(parts.position)
    )
    ordered = groups.order_by([groups["count"].desc(), groups.position]).limit(SHOWN_REASONS)
    return engine.to_pyarrow(ordered).to_pylist()


def _shown(value: str | None) -> str | None:
    """A value in quotes, cut to `_SHOWN_CHARACTERS` characters."""
    if value is None:
        return None
    return (
        repr(value if len(value) <= _SHOWN_CHARACTERS else value[: _SHOWN_CHARACTERS - 3] + "...") if value else _EMPTY
    )


def _summary(reasons: list[_ReasonCount]) -> str:
    """All reasons, with their counts and first lines."""
    return "; ".join(
        f"{reason.count:,} x {reason} (line {reason.line:,})" if reason.line else str(reason) for reason in reasons
    )


def _hint(reasons: list[_ReasonCount], share: float, hints: Mapping[str, str]) -> str:
    """What to do about the malformed lines; to leave them out is suggested only where they are few."""
    advice = []
    if any(word in reason.reason for reason in reasons for word in _ENCODING_ERRORS):
        advice.append("convert the file to UTF-8, for example with: iconv -f latin1 -t utf-8 OLD > NEW")
    by_reason = {f"no usable {name}": hint for name, hint in hints.items()}
    advice += [by_reason[reason.reason] for reason in reasons if reason.reason in by_reason and reason.value != _EMPTY]
    if share <= MAX_SHARE_TO_LEAVE_OUT:
        advice.append(f"data.max_bad_lines = {_rounded_up(share)} would leave them out")
    if not advice:
        advice.append("correct these values, or name the right columns and the right source in the recipe's [data]")
    return "; ".join(advice)


def _rounded_up(share: float) -> float:
    """The share, rounded up to three decimal places."""
    return min(1.0, -(-share * 1000 // 1) / 1000)
