"""Malformed lines: why each row is one, how many there are of each kind, and what to do about them."""

import functools
import operator
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import ibis
import ibis.expr.types as ir

from shoptalk.data.engine import Engine
from shoptalk.data.engine_paths import printable
from shoptalk.data.sources import checks
from shoptalk.errors import BadLines, SourceError

#: How many kinds of malformed lines are shown, the most frequent first.
SHOWN = 8

#: Past this share, leaving the malformed lines out is no advice: it would lose too much.
MOST_TO_LOSE = 0.1

NOT_UTF8 = "not UTF-8 text"
_NOT_TEXT = (NOT_UTF8, "encoding", "unicode")

# Inside the column `problem`: between a reason and the value it is about, and after each reason.
_VALUE, _END = "\x1f", "\x1e"
#: How much of a value is shown, in characters.
_WIDTH = 60


@dataclass(frozen=True)
class Found:
    """A malformed line in its file.

    ``line`` counts from 1; ``position`` is the row of the table, -1 where the line has none; ``reason`` is what the
    syntax says of it, empty where the syntax is fine; ``text`` is the line itself.
    """

    line: int
    position: int
    reason: str
    text: str


#: Finds the lines of rows at these places, and one line of each of these reasons that have no row, in order.
Finder = Callable[[Collection[int], Collection[str]], Iterator[Found]]


@dataclass(frozen=True)
class Checked:
    """A table whose malformed lines are gone: ``good`` rows, ``bad`` lines, and what to tell the user."""

    table: ir.Table
    good: int
    bad: int
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Kind:
    """One reason: on how many lines it holds, the first of them, and what stands there."""

    reason: str
    count: int
    line: int = 0
    value: str | None = None

    def __str__(self) -> str:
        return self.reason if self.value is None else f"{self.reason}: {self.value}"


def problem(
    needed: Mapping[str, tuple[ir.Value, ir.Value]],
    typed: Mapping[str, tuple[ir.Value, ir.Value]] | None = None,
    whole: str | None = None,
) -> ir.StringColumn:
    """Why a row is malformed: every reason with its value, written for `screen`; null where the row is fine.

    Parameters
    ----------
    needed
        The file's name of a value -> the value before and after conversion; null afterwards is malformed.
    typed
        The same of values that may be missing: what gets lost in the conversion is malformed.
    whole
        The one reason of a row that has none of the needed values.
    """
    failures = [(after.isnull(), f"no usable {name}", before) for name, (before, after) in needed.items()]
    failures += [
        (before.notnull() & after.isnull(), f"{name} cannot be understood", before)
        for name, (before, after) in (typed or {}).items()
    ]
    bad = functools.reduce(operator.or_, [failed for failed, _, _ in failures])
    reasons = functools.reduce(operator.add, [failed.ifelse(_stated(*rest), "") for failed, *rest in failures])
    if whole is not None:
        nothing = functools.reduce(operator.and_, [before.isnull() for before, _ in needed.values()])
        reasons = nothing.ifelse(f"{whole}{_END}", reasons)
    return bad.ifelse(reasons, ibis.null("string"))


def _stated(reason: str, value: ir.Value) -> ir.StringValue:
    shown = value.cast("string").substr(0, _WIDTH + 1).re_replace(r"[[:cntrl:]]+", " ")
    return ibis.literal(f"{reason}{_VALUE}") + shown.fill_null("") + _END


def screen(
    table: ir.Table,
    path: Path,
    find: Finder,
    limit: float,
    engine: Engine,
    rejected: Mapping[str, int] | None = None,
    cures: Mapping[str, str] | None = None,
) -> Checked:
    """Take malformed rows out of a table, or stop where there are too many.

    Parameters
    ----------
    table
        With ``position`` and ``problem`` (null where the row is fine).
    find
        Finds the lines of malformed rows.
    limit
        The share of malformed lines that is allowed, in [0, 1].
    rejected
        Reason -> how many lines have no row in the table for it; ``find`` gives them too.
    cures
        The file's name of a column -> what to do where its values are not usable.

    Raises
    ------
    BadLines
        Past the limit, and where no line is left; with the count of every reason, and a line and a value of each.
    SourceError
        When there is no row at all.
    """
    rejected = rejected or {}
    found = engine.counts(rows=table, bad=table.problem.count())
    lines, bad = (found[name] + sum(rejected.values()) for name in ("rows", "bad"))
    if not lines:
        raise SourceError("the file has no rows", where=printable(path), hint="download or copy it again")
    if not bad:
        table, warnings = checks.without_decimal_point(table.drop("problem"), printable(path), engine)
        return Checked(table, found["rows"], 0, warnings)
    kinds = _kinds(table, find, rejected, engine)
    share = bad / lines
    if share > limit or bad == lines:
        first = min((kind.line for kind in kinds if kind.line), default=0)
        raise BadLines(
            f"{bad:,} of {lines:,} lines ({share:.2%}) are malformed: {_counted(kinds)}",
            where=f"{printable(path)}:{first}" if first else printable(path),
            hint=_advice(kinds, share, cures or {}),
        )
    warnings = tuple(
        f"{printable(path)}:{kind.line}: {kind}" + (f" ({kind.count:,} such lines)" if kind.count > 1 else "")
        for kind in sorted(kinds, key=lambda kind: kind.line)
    )
    kept = table.filter(table.problem.isnull()).drop("problem")
    kept, about_ids = checks.without_decimal_point(kept, printable(path), engine)
    return Checked(kept, lines - bad, bad, warnings + about_ids)


def _kinds(table: ir.Table, find: Finder, rejected: Mapping[str, int], engine: Engine) -> list[_Kind]:
    """Every reason with its count, and the line and value of its first row; the most frequent first."""
    bad = table.filter(table.problem.notnull())
    problems = bad.select("position", problem=bad.problem.split(_END).unnest())
    problems = problems.filter(problems.problem != "")
    pair = problems.problem.split(_VALUE)
    parts = problems.select("position", reason=pair[0], value=pair[1])
    groups = parts.group_by("reason").aggregate(
        count=parts.count(), position=parts.position.min(), value=parts.value.argmin(parts.position)
    )
    rows = engine.to_pyarrow(groups.order_by([groups["count"].desc(), groups.position]).limit(SHOWN)).to_pylist()
    lines = list(find({row["position"] for row in rows}, set(rejected)))
    at = {found.position: found for found in lines if found.position >= 0}
    kinds = []
    for row in rows:
        found = at.get(row["position"])
        line = found.line if found else row["position"] + 1
        if found and found.reason:
            kinds.append(_Kind(found.reason, row["count"], line))
        else:
            kinds.append(_Kind(row["reason"], row["count"], line, _shown(row["value"])))
    for reason, count in rejected.items():
        example = next((found for found in lines if found.position < 0 and found.reason == reason), None)
        kinds.append(_Kind(reason, count, example.line if example else 0, _shown(example.text) if example else None))
    return sorted(kinds, key=lambda kind: (-kind.count, kind.line))[:SHOWN]


def _shown(value: str | None) -> str | None:
    """A value in quotes, cut to `_WIDTH` characters."""
    if value is None:
        return None
    return repr(value if len(value) <= _WIDTH else value[: _WIDTH - 3] + "...") if value else "it is empty"


def _counted(kinds: list[_Kind]) -> str:
    return "; ".join(f"{kind.count:,} x {kind} (line {kind.line:,})" if kind.line else str(kind) for kind in kinds)


def _advice(kinds: list[_Kind], share: float, cures: Mapping[str, str]) -> str:
    """What to do about the malformed lines; leaving them out is advised only where few would be lost."""
    advice = []
    if any(word in kind.reason for kind in kinds for word in _NOT_TEXT):
        advice.append("convert the file to UTF-8, for example with: iconv -f latin1 -t utf-8 OLD > NEW")
    usable = {f"no usable {name}": cure for name, cure in cures.items()}
    advice += [usable[kind.reason] for kind in kinds if kind.reason in usable and kind.value != "it is empty"]
    if share <= MOST_TO_LOSE:
        advice.append(f"data.max_bad_lines = {_allowing(share)} would leave them out")
    if not advice:
        advice.append("correct these values, or name the right columns and the right source in the recipe's [data]")
    return "; ".join(advice)


def _allowing(share: float) -> float:
    """The share, rounded up to three places."""
    return min(1.0, -(-share * 1000 // 1) / 1000)
