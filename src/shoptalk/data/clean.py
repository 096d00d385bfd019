"""Cleaning of titles and other texts, at named levels, as whole-table expressions.

``raw``
    As the source has it.
``unescape``
    HTML entities become characters (named or numbered, escaped up to three times). Control and zero-width characters
    are removed, except joiners inside words and emoji. White space becomes single spaces and is trimmed.
``words``
    ``unescape``, then only known English words made of letters, in their original case (as in system A). The possessive
    ``'s`` is removed with its apostrophe. The words are those of pyspellchecker (MIT).
``asymmetric``
    ``words`` in histories and right answers; distractors show the raw title. It exists only to reproduce published
    numbers.

Only the distinct entities and words are handled in Python; titles stay in the engine.
"""

import gzip
import html
import json
from html.entities import html5
from importlib import resources

import ibis
import ibis.expr.types as ir

from shoptalk.data.engine import Engine
from shoptalk.data.engine_functions import extract_all
from shoptalk.data.sources import checks
from shoptalk.recipe import Cleaning

#: How many times a text may have been escaped.
ESCAPE_LEVELS = 3

_SPACE = r"[\s\x{0B}\x{85}\p{Z}]+"
_INVISIBLE = (
    r"[\x{00}-\x{08}\x{0E}-\x{1F}\x{7F}-\x{84}\x{86}-\x{9F}\x{AD}"
    r"\x{061C}\x{200B}\x{200E}\x{200F}\x{202A}-\x{202E}\x{2060}-\x{206F}\x{FEFF}]"
)
#: Zero-width non-joiner and joiner, which many scripts and composed emoji need.
_JOINER = r"[\x{200C}\x{200D}]"
_EMOJI = r"\p{So}\x{2190}-\x{21FF}\x{1F3FB}-\x{1F3FF}"
#: Characters that may precede a joiner; characters that may follow it: letters of joining scripts, and emoji.
_BEFORE = rf"\p{{L}}\p{{M}}\p{{N}}{_EMOJI}"
_AFTER = (
    r"\p{Arabic}\p{Syriac}\p{Mongolian}\p{Nko}\p{Devanagari}\p{Bengali}\p{Gurmukhi}\p{Gujarati}\p{Oriya}\p{Tamil}"
    rf"\p{{Telugu}}\p{{Kannada}}\p{{Malayalam}}\p{{Sinhala}}\p{{Tibetan}}\p{{Myanmar}}\p{{Khmer}}{_EMOJI}"
)
#: Viramas (vowel suppressors): a joiner after one changes the letter, also at the end of a word.
_VIRAMA = (
    r"\x{094D}\x{09CD}\x{0A4D}\x{0ACD}\x{0B4D}\x{0BCD}\x{0C4D}\x{0CCD}\x{0D4D}\x{0DCA}\x{0F84}\x{1039}\x{103A}\x{17D2}"
)
#: Names of entities that HTML accepts without a semicolon, the longest first, because the longest match counts.
_BARE = "|".join(sorted((name for name in html5 if not name.endswith(";")), key=lambda name: (-len(name), name)))
_ENTITY = rf"&#[0-9]{{1,9}};?|&#[xX][0-9a-fA-F]{{1,8}};?|&[A-Za-z][A-Za-z0-9]{{1,31}};|&(?:{_BARE})"
_PIECE = rf"{_ENTITY}|&|[^&]+"
_POSSESSIVE = r"['’][sS]\b"


def clean_titles(items: ir.Table, level: Cleaning, engine: Engine) -> ir.Table:
    """Clean the titles and the other texts of the items at a level.

    Parameters
    ----------
    items
        With ``item_id`` and ``title``. A column ``fallback`` replaces titles that are missing or empty after cleaning.
        A title that equals the item's id is not cleaned.

    Returns
    -------
    ir.Table
        Without ``fallback``; ``title`` is the cleaned title, "" where there is none, ``raw_title`` that of the source.
    """
    collected = items.title.coalesce(items.fallback) if "fallback" in items.columns else items.title
    raw = items.mutate(raw_title=collected.fill_null(""))
    texts = [name for name in ("title", "fallback", "brand", "description") if name in raw.columns]
    if level != "raw":
        arrays = [name for name in ("categories", "features") if name in raw.columns]
        raw = unescape(raw, [*texts, *arrays], engine)
    if level in {"words", "asymmetric"}:
        raw = words_only(raw, [name for name in ("title", "fallback") if name in raw.columns], engine)
    title = checks.filled(raw.title)
    title = title.coalesce(checks.filled(raw.fallback)) if "fallback" in raw.columns else title
    title = (raw.raw_title == raw.item_id).ifelse(raw.item_id, title.fill_null(""))
    descriptions = {name: raw[name].fill_null("") for name in ("brand", "description") if name in raw.columns}
    return engine.cache(raw.mutate(title=title, **descriptions).drop(*({"fallback"} & set(raw.columns))))


def unescape(table: ir.Table, columns: list[str], engine: Engine) -> ir.Table:
    """Resolve entities and normalise white space in columns of text or of arrays of text."""
    for _ in range(ESCAPE_LEVELS):
        entities = _entities(table, columns, engine)
        if not entities:
            break
        characters = ibis.map(ibis.array(list(entities)), ibis.array(list(entities.values())))
        resolved = {
            name: _apply(table[name], lambda text, by_entity=characters: _resolve(text, by_entity)) for name in columns
        }
        table = engine.cache(table.mutate(**resolved))
    normalised = {name: _apply(table[name], _normalise) for name in columns}
    return engine.cache(table.mutate(**normalised))


def _apply(value: ir.Value, function: object) -> ir.Value:
    """A function of a text, or of each element of an array of texts."""
    return value.map(function) if value.type().is_array() else function(value)  # type: ignore[operator]


def _entities(table: ir.Table, columns: list[str], engine: Engine) -> dict[str, str]:
    """Entity -> its characters, for all entities that occur."""
    texts = [table[name].join(" ") if table[name].type().is_array() else table[name] for name in columns]
    # No entity contains a space, so there is none across the border of two texts.
    rows = table.select(text=ibis.array([text.fill_null("") for text in texts]).join(" "))
    entities = rows.filter(rows.text.contains("&")).select(entity=extract_all(rows.text, _ENTITY).unnest())
    names = engine.to_pyarrow(entities.distinct().order_by("entity"))["entity"].to_pylist()
    characters = {entity: html.unescape(entity) for entity in names}
    return {entity: resolved for entity, resolved in characters.items() if resolved != entity}


def _resolve(text: ir.StringValue, characters: ir.MapValue) -> ir.StringValue:
    """Replace the entities of a text by their characters."""
    resolved = extract_all(text, _PIECE).map(lambda piece: characters.get(piece, piece)).join("")
    return text.contains("&").ifelse(resolved, text)


def _normalise(text: ir.StringValue) -> ir.StringValue:
    """Remove invisible characters, and collapse and trim white space."""
    visible = text.re_replace(_INVISIBLE, "")
    visible = visible.re_search(_JOINER).ifelse(_without_idle_joiners(visible), visible)
    return visible.re_replace(_SPACE, " ").strip()


def _without_idle_joiners(text: ir.StringValue) -> ir.StringValue:
    """Remove the joiners that have no effect."""
    text = text.re_replace(rf"({_JOINER}){_JOINER}+", r"\1")
    text = text.re_replace(rf"(^|[^{_BEFORE}]){_JOINER}", r"\1")
    for _ in range(2):  # matches overlap where joiners alternate with single characters
        text = text.re_replace(rf"([^{_VIRAMA}]){_JOINER}([^{_AFTER}]|$)", r"\1\2")
    return text


def words_only(table: ir.Table, columns: list[str], engine: Engine) -> ir.Table:
    """Reduce columns of text to their known English words, in order; "" where there is none."""
    dictionary = engine.table_of({"known": english_words()})
    for name in columns:
        distinct = table.filter(table[name].notnull()).select(text=name).distinct()
        distinct = engine.numbered(engine.cache(distinct), "key")
        letters = distinct.text.re_replace(_POSSESSIVE, "").re_replace(r"[^\p{L}]+", " ").strip()
        words = distinct.select("key", word=letters.split(" ")).unnest("word", offset="index", keep_empty=False)
        known = words.semi_join(dictionary, words.word.lower() == dictionary.known)
        indexed = ibis.struct({"index": known["index"], "word": known.word})
        collected = distinct.left_join(known.group_by("key").aggregate(words=indexed.collect()), "key")
        cleaned = collected.words.sort().map(lambda indexed_word: indexed_word.word).join(" ").fill_null("")
        by_text = engine.cache(collected.select(text="text", cleaned=cleaned))
        joined = table.left_join(by_text, table[name] == by_text.text)
        other_columns = [column for column in table.columns if column != name]
        table = engine.cache(joined.select(*other_columns, **{name: by_text.cleaned}))
    return table


def english_words() -> list[str]:
    """The English words of pyspellchecker that consist of ASCII letters, in lower case, sorted."""
    compressed = (resources.files("spellchecker") / "resources" / "en.json.gz").read_bytes()
    return sorted(word for word in json.loads(gzip.decompress(compressed)) if word.isascii() and word.isalpha())
