"""Cleaning of titles and other texts, at named levels, as whole-table expressions.

``raw``
    As the source has it.
``unescape``
    HTML entities become characters (named or numbered, escaped up to three times over), control and zero-width
    characters vanish (but for joiners inside words and emoji), every run of white space becomes one space, the
    ends are trimmed.
``words``
    ``unescape``, then known English words only, of letters only, in their own case (as in system A); the possessive
    ``'s`` goes with its apostrophe. The words are those of pyspellchecker (MIT).
``asymmetric``
    ``words`` in histories and answers, while distractors show the raw title. It exists only to reproduce published
    numbers.

Python sees the distinct entities and words that occur, never a title.
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
ROUNDS = 3

_SPACE = r"[\s\x{0B}\x{85}\p{Z}]+"
_INVISIBLE = (
    r"[\x{00}-\x{08}\x{0E}-\x{1F}\x{7F}-\x{84}\x{86}-\x{9F}\x{AD}"
    r"\x{061C}\x{200B}\x{200E}\x{200F}\x{202A}-\x{202E}\x{2060}-\x{206F}\x{FEFF}]"
)
#: Zero-width non-joiner and joiner: they belong to the spelling of many scripts, and to emoji made of several.
_JOINER = r"[\x{200C}\x{200D}]"
_EMOJI = r"\p{So}\x{2190}-\x{21FF}\x{1F3FB}-\x{1F3FF}"
#: What a joiner may follow, and what may follow a joiner: a letter of a script that shapes its letters, or an emoji.
_BEFORE = rf"\p{{L}}\p{{M}}\p{{N}}{_EMOJI}"
_AFTER = (
    r"\p{Arabic}\p{Syriac}\p{Mongolian}\p{Nko}\p{Devanagari}\p{Bengali}\p{Gurmukhi}\p{Gujarati}\p{Oriya}\p{Tamil}"
    rf"\p{{Telugu}}\p{{Kannada}}\p{{Malayalam}}\p{{Sinhala}}\p{{Tibetan}}\p{{Myanmar}}\p{{Khmer}}{_EMOJI}"
)
#: A vowel killer; a joiner behind one changes the letter itself, also at the end of a word.
_VIRAMA = (
    r"\x{094D}\x{09CD}\x{0A4D}\x{0ACD}\x{0B4D}\x{0BCD}\x{0C4D}\x{0CCD}\x{0D4D}\x{0DCA}\x{0F84}\x{1039}\x{103A}\x{17D2}"
)
#: Names that HTML knows without a semicolon, the longest first, because the longest wins.
_BARE = "|".join(sorted((name for name in html5 if not name.endswith(";")), key=lambda name: (-len(name), name)))
_ENTITY = rf"&#[0-9]{{1,9}};?|&#[xX][0-9a-fA-F]{{1,8}};?|&[A-Za-z][A-Za-z0-9]{{1,31}};|&(?:{_BARE})"
_PIECE = rf"{_ENTITY}|&|[^&]+"
_POSSESSIVE = r"['’][sS]\b"


def clean_titles(items: ir.Table, level: Cleaning, engine: Engine) -> ir.Table:
    """Clean the titles, and every other text of the items, at a level.

    Parameters
    ----------
    items
        With ``item_id`` and ``title``; where there is a column ``fallback``, it fills titles that are missing, or that
        cleaning leaves empty. A title that is the item's id is left alone: ids are no language.

    Returns
    -------
    ir.Table
        Without ``fallback``; ``title`` is cleaned, "" where there is none; ``raw_title`` is what the source says.
    """
    collected = items.title.coalesce(items.fallback) if "fallback" in items.columns else items.title
    raw = items.mutate(raw_title=collected.fill_null(""))
    texts = [name for name in ("title", "fallback", "brand", "description") if name in raw.columns]
    if level != "raw":
        raw = unescape(
            engine.cache(raw), [*texts, *(n for n in ("categories", "features") if n in raw.columns)], engine
        )
    if level in {"words", "asymmetric"}:
        raw = words_only(raw, [name for name in ("title", "fallback") if name in raw.columns], engine)
    title = checks.filled(raw.title)
    title = title.coalesce(checks.filled(raw.fallback)) if "fallback" in raw.columns else title
    title = (raw.raw_title == raw.item_id).ifelse(raw.item_id, title.fill_null(""))
    blanks = {name: raw[name].fill_null("") for name in ("brand", "description") if name in raw.columns}
    return engine.cache(raw.mutate(title=title, **blanks).drop(*({"fallback"} & set(raw.columns))))


def unescape(table: ir.Table, columns: list[str], engine: Engine) -> ir.Table:
    """Resolve entities and tidy white space in columns of text, or of arrays of text."""
    for _ in range(ROUNDS):
        known = _entities(table, columns, engine)
        if not known:
            break
        meaning = ibis.map(ibis.array(list(known)), ibis.array(list(known.values())))
        table = engine.cache(
            table.mutate(**{name: _each(table[name], lambda text, m=meaning: _resolved(text, m)) for name in columns})
        )
    tidied = {name: _each(table[name], _tidied) for name in columns}
    return engine.cache(table.mutate(**tidied))


def _each(value: ir.Value, function: object) -> ir.Value:
    """A function of a text, or of each text of an array."""
    return value.map(function) if value.type().is_array() else function(value)  # type: ignore[operator]


def _entities(table: ir.Table, columns: list[str], engine: Engine) -> dict[str, str]:
    """The distinct entities that occur, with what they stand for."""
    found: dict[str, str] = {}
    for name in columns:
        text = table[name].join(" ") if table[name].type().is_array() else table[name]
        some = table.filter(text.contains("&")).select(entity=extract_all(text, _ENTITY).unnest())
        for entity in engine.to_pyarrow(some.distinct().order_by("entity"))["entity"].to_pylist():
            if (meaning := html.unescape(entity)) != entity:
                found[entity] = meaning
    return found


def _resolved(text: ir.StringValue, meaning: ir.MapValue) -> ir.StringValue:
    pieces = extract_all(text, _PIECE).map(lambda piece: meaning.get(piece, piece)).join("")
    return text.contains("&").ifelse(pieces, text)


def _tidied(text: ir.StringValue) -> ir.StringValue:
    seen = text.re_replace(_INVISIBLE, "")
    seen = seen.re_search(_JOINER).ifelse(_joined(seen), seen)
    return seen.re_replace(_SPACE, " ").strip()


def _joined(text: ir.StringValue) -> ir.StringValue:
    """Text without the joiners that join nothing."""
    text = text.re_replace(rf"({_JOINER}){_JOINER}+", r"\1")
    text = text.re_replace(rf"(^|[^{_BEFORE}]){_JOINER}", r"\1")
    for _ in range(2):  # matches share a character where joiners alternate with single characters
        text = text.re_replace(rf"([^{_VIRAMA}]){_JOINER}([^{_AFTER}]|$)", r"\1\2")
    return text


def words_only(table: ir.Table, columns: list[str], engine: Engine) -> ir.Table:
    """Keep the known English words of columns of text, in their order; "" where there is none."""
    known = engine.table_of({"known": english_words()})
    for name in columns:
        distinct = table.filter(table[name].notnull()).select(text=name).distinct()
        distinct = engine.numbered(engine.cache(distinct), "key")
        letters = distinct.text.re_replace(_POSSESSIVE, "").re_replace(r"[^\p{L}]+", " ").strip()
        words = distinct.select("key", word=letters.split(" ")).unnest("word", offset="place", keep_empty=False)
        kept = words.semi_join(known, words.word.lower() == known.known)
        collected = kept.group_by("key").aggregate(told=ibis.struct({"place": kept.place, "word": kept.word}).collect())
        cleaned = distinct.left_join(collected, "key").select("text", "told")
        pairs = engine.cache(
            cleaned.select(text="text", cleaned=cleaned.told.sort().map(lambda pair: pair.word).join(" ").fill_null(""))
        )
        joined = table.left_join(pairs, table[name] == pairs.text)
        table = engine.cache(joined.select(*(c for c in table.columns if c != name), **{name: pairs.cleaned}))
    return table


def english_words() -> list[str]:
    """The English words of pyspellchecker that are of letters only, in lower case, sorted."""
    packed = (resources.files("spellchecker") / "resources" / "en.json.gz").read_bytes()
    return sorted(word for word in json.loads(gzip.decompress(packed)) if word.isascii() and word.isalpha())
