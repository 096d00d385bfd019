"""What every source checks and converts: columns that are missing, ids, numbers, product ids that repeat."""

import difflib
from collections.abc import Sequence
from pathlib import Path

import ibis
import ibis.expr.types as ir

from shoptalk.data.engine import Engine
from shoptalk.data.engine_paths import printable
from shoptalk.errors import SourceError

#: Years 1 and 9999, in seconds since 1970: what lies outside is no time.
_EARLIEST, _LATEST = -62_135_596_800, 253_402_300_799

#: Whole numbers as a column of floats writes them, in full.
_WHOLE = r"^-?[0-9]{1,15}(\.0+)?$"

#: What programs write for an id that is missing: no user and no product is called so.
_MISSING = ("", "nan", "NaN", "<NA>", "None", "NULL", "\\N", "inf", "Infinity")


def missing_column(name: str, known: Sequence[str], path: Path) -> SourceError:
    """The error for a column, or key, that a file does not have."""
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]}?" if near else f"it has: {', '.join(map(str, known[:20]))}"
    return SourceError(f"there is no column {name!r}", where=printable(path), hint=hint)


def seconds(stamp: ir.Value, per_second: int = 1) -> ir.Value:
    """Seconds since 1970, with their fraction, of a number that counts ``per_second`` to the second.

    Null outside the years 1 to 9999. A 64-bit float tells microseconds apart until the year 2242.
    """
    number = stamp.try_cast("float64") / per_second
    return number.between(_EARLIEST, _LATEST).ifelse(number, ibis.null("float64"))


def number(text: ir.Value) -> ir.Value:
    """A finite number, or null."""
    value = text.try_cast("float64")
    return (value.abs() < float("inf")).ifelse(value, ibis.null("float64"))


def price(text: ir.Value) -> ir.Value:
    """A price as a number, or null: ``$1,299.00`` is one, ``$5 - $9``, ``12,99`` and what is below zero are none."""
    plain = text.cast("string").strip().re_replace(r"^[$£€]\s*", "").re_replace(r",(\d{3})\b", r"\1")
    value = number(plain)
    return (value >= 0).ifelse(value, ibis.null("float64"))


def identifier(value: ir.Value) -> ir.Value:
    """An id as text, or null where it is empty or only says that nothing is there (`_MISSING`).

    Spaces count, because trimming every id would double the time.
    """
    text = value.cast("string")
    return text.isin(_MISSING).ifelse(ibis.null("string"), text)


def without_decimal_point(table: ir.Table, where: str, engine: Engine) -> tuple[ir.Table, tuple[str, ...]]:
    """Write the ids of a column of floats (``104.0``) as whole numbers (``104``), with a warning for the user.

    A column of whole numbers in which one value is missing becomes a column of floats in many programs. Nothing changes
    where any id of the column is something else than a whole number.
    """
    warnings = []
    for name in [name for name in ("user_id", "item_id") if name in table.columns]:
        ids = table[name]
        if not engine.counts(dotted=ids.endswith(".0").sum())["dotted"]:
            continue
        found = engine.counts(given=ids.count(), whole=ids.re_search(_WHOLE).sum())
        if found["whole"] < found["given"]:
            continue
        example = engine.to_pyarrow(table.filter(ids.endswith(".0")).select(name).limit(1))[name][0].as_py()
        table = engine.cache(table.mutate(**{name: ids.re_replace(r"\.0+$", "")}))
        whole = example.partition(".")[0]
        warnings.append(f"{where}: {name} holds whole numbers with a decimal point; {example} is read as {whole}")
    return table, tuple(warnings)


def filled(text: ir.Value) -> ir.Value:
    """The text, or null where it is empty or blank."""
    return (text.strip() == "").ifelse(ibis.null("string"), text)


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
    warning = f"{printable(path)}: {differing:,} item ids come with different titles; the first title stays"
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
    return present.filter(lambda value, index: present.index(value) == index)
