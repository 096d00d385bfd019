"""What every source checks: columns that are missing, malformed lines, product ids that repeat."""

import difflib
import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import ibis
import ibis.expr.types as ir

from shoptalk.data.engine import Engine
from shoptalk.errors import BadLines, SourceError

#: How many malformed lines are shown.
SHOWN = 5

#: Years 1 and 9999, in seconds since 1970: what lies outside is no time.
_EARLIEST, _LATEST = -62_135_596_800, 253_402_300_799

#: From places of malformed rows to line number, place (-1: it has no row) and reason (empty: the table's), in order.
Finder = Callable[[list[int]], Iterator[tuple[int, int, str]]]


@dataclass(frozen=True)
class Checked:
    """A table whose malformed lines are gone: ``good`` rows, ``bad`` lines, and what to tell the user."""

    table: ir.Table
    good: int
    bad: int
    warnings: tuple[str, ...] = ()


def missing_column(name: str, known: Sequence[str], path: Path) -> SourceError:
    """The error for a column, or key, that a file does not have."""
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]}?" if near else f"it has: {', '.join(map(str, known[:20]))}"
    return SourceError(f"there is no column {name!r}", where=str(path), hint=hint)


def seconds(stamp: ir.Value, per_second: int = 1) -> ir.Value:
    """Whole seconds since 1970 of a number that counts ``per_second`` to the second; null outside years 1 to 9999."""
    number = stamp.try_cast("int64")
    if per_second > 1:
        number = (number / per_second).floor().cast("int64")
    return number.between(_EARLIEST, _LATEST).ifelse(number, ibis.null("int64"))


def number(text: ir.Value) -> ir.Value:
    """A finite number, or null."""
    value = text.try_cast("float64")
    return (value.abs() < float("inf")).ifelse(value, ibis.null("float64"))


def price(text: ir.Value) -> ir.Value:
    """A price as a number, or null: ``$1,299.00`` is one, ``$5 - $9``, ``12,99`` and what is below zero are none."""
    plain = text.cast("string").strip().re_replace(r"^[$£€]\s*", "").re_replace(r",(\d{3})\b", r"\1")
    value = number(plain)
    return (value >= 0).ifelse(value, ibis.null("float64"))


def identifier(text: ir.Value) -> ir.Value:
    """An id as text, or null where it is empty; spaces count, because trimming every id would double the time."""
    return text.cast("string").nullif("")


def filled(text: ir.Value) -> ir.Value:
    """The text, or null where it is empty or blank."""
    return (text.strip() == "").ifelse(ibis.null("string"), text)


def problem(needed: dict[str, ir.Value], typed: dict[str, tuple[ir.Value, ir.Value]] | None = None) -> ir.StringColumn:
    """Why a row is malformed, or null.

    Parameters
    ----------
    needed
        The file's name of a value -> the value; null is malformed.
    typed
        The file's name of a value -> the value before and after conversion; what gets lost on the way is malformed.
    """
    branches = [(value.isnull(), f"no usable {name}") for name, value in needed.items()]
    branches += [
        (before.notnull() & after.isnull(), f"{name} cannot be understood")
        for name, (before, after) in (typed or {}).items()
    ]
    return ibis.cases(*branches, else_=ibis.null("string"))


def screen(table: ir.Table, path: Path, find: Finder, limit: float, engine: Engine, unreadable: int = 0) -> Checked:
    """Take malformed rows out of a table, or stop where there are too many.

    Parameters
    ----------
    table
        With ``position`` and ``problem`` (null where the row is fine).
    find
        Finds the lines of malformed rows.
    limit
        The share of malformed lines that is allowed, in [0, 1].
    unreadable
        How many malformed lines have no row in the table; ``find`` gives them too.

    Raises
    ------
    BadLines
        Past the limit; with the first malformed line, and the key of the recipe that allows more.
    SourceError
        When there is no row at all.
    """
    found = engine.counts(rows=table, bad=table.problem.count())
    lines, bad = found["rows"] + unreadable, found["bad"] + unreadable
    if not lines:
        raise SourceError("the file has no rows", where=str(path), hint="download or copy it again")
    if not bad:
        return Checked(table.drop("problem"), found["rows"], 0)
    shown = _first_bad(table, find, engine)
    if bad / lines > limit:
        number, reason = shown[0]
        recode = "convert the file to UTF-8; " if "UTF-8" in reason or "encoding" in reason else ""
        raise BadLines(
            f"{bad:,} of {lines:,} lines ({bad / lines:.2%}) are malformed, the first: {reason}",
            where=f"{path}:{number}" if number else str(path),
            hint=f"{recode}data.max_bad_lines = {_allowing(bad / lines)} would leave them out",
        )
    warnings = tuple(f"{path}:{number}: {reason}" for number, reason in shown)
    return Checked(table.filter(table.problem.isnull()).drop("problem"), lines - bad, bad, warnings)


def _first_bad(table: ir.Table, find: Finder, engine: Engine) -> list[tuple[int, str]]:
    """Line number (0: not known) and reason of the first malformed lines."""
    first = table.filter(table.problem.notnull()).select("position", "problem").order_by("position").limit(SHOWN)
    rows = {row["position"]: row["problem"] for row in engine.to_pyarrow(first).to_pylist()}
    found = []
    for number, place, reason in itertools.islice(find(list(rows)), SHOWN):
        found.append((number, reason or rows.get(place, "malformed")))
    return found or [(0, reason) for reason in rows.values()] or [(0, "malformed")]


def _allowing(share: float) -> float:
    """The share, rounded up to three places."""
    return min(1.0, -(-share * 1000 // 1) / 1000)


def first_of_each(items: ir.Table, path: Path, engine: Engine) -> tuple[ir.Table, tuple[str, ...]]:
    """Keep the first row of every ``item_id``; warn of ids whose titles differ.

    Parameters
    ----------
    items
        With ``item_id``, ``title`` and ``position``, which is dropped.
    """
    ids = items.group_by("item_id").aggregate(
        position=items.position.min(), rows=items.count(), titles=items.title.nunique()
    )
    found = engine.counts(repeated=(ids.rows > 1).sum(), differing=(ids.titles > 1).sum())
    if not found["repeated"]:
        return items.drop("position"), ()
    kept = engine.cache(items.semi_join(ids, ["item_id", "position"]).drop("position"))
    differing = found["differing"]
    warning = f"{path}: {differing:,} item ids come with different titles; the first title stays"
    return kept, ((warning,) if differing else ())


def join_text(*parts: ir.Value) -> ir.Value:
    """Texts joined by spaces, without those that are null; null where all are."""
    pieces = ibis.array(list(parts)).filter(lambda part: part.notnull())
    return filled(pieces.join(" "))


def fallback(
    brand: ir.Value | None = None,
    categories: ir.Value | None = None,
    features: ir.Value | None = None,
    description: ir.Value | None = None,
) -> ir.Value:
    """Name a product without a title: brand and category, else its first feature, else the first words said of it."""
    branches: list[ir.Value] = []
    if brand is not None or categories is not None:
        named = [] if brand is None else [filled(brand)]
        kinds = [] if categories is None else [filled(categories[categories.length() - 1])]
        branches.append(join_text(*named, *kinds))
    if features is not None:
        branches.append(filled(features[0]))
    if description is not None:
        words = description.strip().re_split(r"\s+")
        branches.append(filled(words[:8].join(" ")))
    return ibis.coalesce(*branches) if branches else ibis.null("string")


def unique_in_order(values: ir.ArrayValue) -> ir.ArrayValue:
    """The distinct texts of an array that are not blank, each at the place of its first."""
    present = values.filter(lambda value: value.notnull() & (value.strip() != ""))
    return present.filter(lambda value, place: present.index(value) == place)
