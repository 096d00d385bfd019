"""Checks and conversions for all sources: missing columns, ids, numbers, repeated items."""

import difflib
from collections.abc import Sequence
from pathlib import Path

import ibis
import ibis.expr.types as ir

from shoptalk.data.engine import Engine
from shoptalk.data.engine_paths import printable
from shoptalk.errors import SourceError

#: The beginning of year 1 and the end of year 9999, in seconds since 1970; other values are not times.
_EARLIEST, _LATEST = -62_135_596_800, 253_402_300_799

#: Integers as they are written in a column of floats.
_INTEGER = r"^-?[0-9]{1,15}(\.0+)?$"

#: Values that programs write for a missing id.
_MISSING = ("", "nan", "NaN", "<NA>", "None", "NULL", "\\N", "inf", "Infinity")


def missing_column(name: str, known: Sequence[str], path: Path | str) -> SourceError:
    """The error for a column, or key, that a file does not have."""
    similar = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    hint = f"did you mean {similar[0]}?" if similar else f"it has: {', '.join(map(str, known[:20]))}"
    return SourceError(f"there is no column {name!r}", where=printable(path), hint=hint)


def seconds(stamp: ir.Value, per_second: int = 1) -> ir.Value:
    """Seconds since 1970, with fraction, from a number in units of which there are ``per_second`` in a second.

    Null outside the years 1 to 9999. A 64-bit float has microsecond precision until the year 2242.
    """
    number = stamp.try_cast("float64") / per_second
    return number.between(_EARLIEST, _LATEST).ifelse(number, ibis.null("float64"))


def number(text: ir.Value) -> ir.Value:
    """A finite number, or null."""
    value = text.try_cast("float64")
    return (value.abs() < float("inf")).ifelse(value, ibis.null("float64"))


def price(text: ir.Value) -> ir.Value:
    """A price as a number, or null: ``$1,299.00`` is valid; ``$5 - $9``, ``12,99`` and negative numbers are not."""
    digits = text.cast("string").strip().re_replace(r"^[$£€]\s*", "").re_replace(r",(\d{3})\b", r"\1")
    value = number(digits)
    return (value >= 0).ifelse(value, ibis.null("float64"))


def identifier(value: ir.Value) -> ir.Value:
    """An id as text, or null where it is empty or stands for a missing value (`_MISSING`).

    Spaces are part of the id, because trimming would double the time.
    """
    text = value.cast("string")
    return text.isin(_MISSING).ifelse(ibis.null("string"), text)


def without_decimal_point(table: ir.Table, where: str, engine: Engine) -> tuple[ir.Table, tuple[str, ...]]:
    """Convert ids that are written as floats (``104.0``) to integers (``104``), with a warning for each such column.

    Many programs turn a column of integers with a missing value into floats. A column with any id that is not an
    integer is not changed.
    """
    warnings = []
    id_columns = [name for name in ("user_id", "item_id") if name in table.columns]
    floats = engine.counts(**{name: table[name].endswith(".0").sum() for name in id_columns})
    for name in [name for name in id_columns if floats[name]]:
        ids = table[name]
        counts = engine.counts(ids=ids.count(), integers=ids.re_search(_INTEGER).sum())
        if counts["integers"] < counts["ids"]:
            continue
        example = engine.to_pyarrow(table.filter(ids.endswith(".0")).select(name).limit(1))[name][0].as_py()
        table = engine.cache(table.mutate(**{name: ids.re_replace(r"\.0+$", "")}))
        integer = example.partition(".")[0]
        warnings.append(f"{where}: {name} holds whole numbers with a decimal point; {example} is read as {integer}")
    return table, tuple(warnings)


def filled(text: ir.Value) -> ir.Value:
    """The text, or null where it is empty or blank."""
    return (text.strip() == "").ifelse(ibis.null("string"), text)


def first_of_each(items: ir.Table, path: Path | str, engine: Engine) -> tuple[ir.Table, tuple[str, ...]]:
    """Keep the first row of every ``item_id``, with a warning if rows of an id have different titles.

    Parameters
    ----------
    items
        With ``item_id``, ``title`` and ``position``, which is dropped.
    """
    ids = items.group_by("item_id").aggregate(
        position=items.position.min(), rows=items.count(), titles=items.title.nunique()
    )
    counts = engine.counts(repeated=(ids.rows > 1).sum(), differing=(ids.titles > 1).sum())
    if not counts["repeated"]:
        return items.drop("position"), ()
    first_rows = engine.cache(items.semi_join(ids, ["item_id", "position"]).drop("position"))
    differing = counts["differing"]
    warning = f"{printable(path)}: {differing:,} item ids have different titles; the first title is used"
    return first_rows, ((warning,) if differing else ())


def join_text(*parts: ir.Value) -> ir.Value:
    """Texts joined by spaces, without those that are null; null where all are."""
    present = ibis.array(list(parts)).filter(lambda part: part.notnull())
    return filled(present.join(" "))


def fallback(
    brand: ir.Value | None = None,
    categories: ir.Value | None = None,
    features: ir.Value | None = None,
    description: ir.Value | None = None,
) -> ir.Value:
    """A title for a product without one: brand and category, else the first feature, else words of the description."""
    candidates: list[ir.Value] = []
    if brand is not None or categories is not None:
        brands = [] if brand is None else [filled(brand)]
        leaf_categories = [] if categories is None else [filled(categories[categories.length() - 1])]
        candidates.append(join_text(*brands, *leaf_categories))
    if features is not None:
        candidates.append(filled(features[0]))
    if description is not None:
        words = description.strip().re_split(r"\s+")
        candidates.append(filled(words[:8].join(" ")))
    return ibis.coalesce(*candidates) if candidates else ibis.null("string")


def unique_in_order(values: ir.ArrayValue) -> ir.ArrayValue:
    """The distinct texts of an array that are not blank, in the order of their first occurrence."""
    present = values.filter(lambda value: value.notnull() & (value.strip() != ""))
    return present.filter(lambda value, index: present.index(value) == index)
