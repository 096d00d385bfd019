"""Cleaning: every level on the same titles, against ``html.unescape`` and worked by hand."""

import html
from collections.abc import Iterator

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shoptalk.data.clean import clean_titles, english_words, unescape
from shoptalk.data.engine import Engine
from shoptalk.recipe import Cleaning


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    with Engine(tmp_path_factory.mktemp("work"), threads=1) as opened:
        yield opened


def cleaned(title: str | None, level: Cleaning, engine: Engine, fallback: str | None = None) -> tuple[str, str]:
    texts = {"title": pa.array([title], pa.string()), "fallback": pa.array([fallback], pa.string())}
    items = engine.table_of({"item_id": ["i"], **texts})
    row = engine.to_pyarrow(clean_titles(items, level, engine)).to_pylist()[0]
    assert set(row) == {"item_id", "title", "raw_title"}
    return row["title"], row["raw_title"]


@pytest.mark.parametrize(
    ("raw", "title"),
    [
        ("Crabtree &amp; Evelyn", "Crabtree & Evelyn"),
        ("a &amp;amp;amp; b", "a & b"),  # escaped three times over
        ("&#39;x&#x27; &quot;y&quot;", "'x' \"y\""),
        ("caf&eacute;&nbsp;au lait", "café au lait"),  # a hard space is a space
        ("AT&T &bogus; R&D", "AT&T &bogus; R&D"),  # no entities
        ("&ampfoo &eacute", "&foo é"),  # names that HTML knows without a semicolon
        ("  a \t\r\n b ", "a b"),
        ("a\u200b\x07b \ufeffc\xad", "ab c"),  # zero width, bell, byte order mark, soft hyphen
        ("naïve 日本", "naïve 日本"),
    ],
)
def test_unescape(raw: str, title: str, engine: Engine) -> None:
    assert cleaned(raw, "unescape", engine) == (title, raw)
    assert cleaned(raw, "raw", engine) == (raw, raw)


def test_words(engine: Engine) -> None:
    raw = "Men's Shampoo &amp; KRZQX-Conditioner, 8.8 OZ (Pack of 2) Kérastase"
    # "'s" goes; KRZQX and Kérastase are no English words; digits and signs are no letters.
    assert cleaned(raw, "words", engine) == ("Men Shampoo Conditioner OZ Pack of", raw)


def test_asymmetric_cleans_the_title_and_keeps_the_raw_one(engine: Engine) -> None:
    assert cleaned("Soap &amp; Water 250g!", "asymmetric", engine) == ("Soap Water g", "Soap &amp; Water 250g!")


@pytest.mark.parametrize(
    ("title", "fallback", "level", "expected"),
    [
        (None, "Acme &amp; Soap", "unescape", "Acme & Soap"),
        (" ", "Acme", "raw", "Acme"),
        ("12345", "Acme soap 7", "words", "Acme soap"),  # no word is left after cleaning
        ("12345", "77", "words", ""),
        (None, None, "unescape", ""),
    ],
)
def test_missing_titles(
    title: str | None, fallback: str | None, level: Cleaning, expected: str, engine: Engine
) -> None:
    assert cleaned(title, level, engine, fallback)[0] == expected


@pytest.mark.parametrize("level", ["raw", "unescape", "words", "asymmetric"])
def test_ids_as_titles_are_not_cleaned(level: Cleaning, engine: Engine) -> None:
    items = engine.table_of({"item_id": ["B0 &amp;1", "77"], "title": ["B0 &amp;1", "77"]})
    table = engine.to_pyarrow(clean_titles(items, level, engine)).to_pydict()
    assert table["title"] == table["raw_title"] == table["item_id"]


def test_other_texts_are_cleaned_too(engine: Engine) -> None:
    columns = {
        "item_id": ["i"],
        "title": ["x"],
        "brand": ["A &amp; B"],
        "categories": [["C  &amp; D", "E"]],
        "description": [" d\n"],
    }
    items = engine.table_of(columns)
    row = engine.to_pyarrow(clean_titles(items, "unescape", engine)).to_pylist()[0]
    assert (row["brand"], row["categories"], row["description"]) == ("A & B", ["C & D", "E"], "d")
    row = engine.to_pyarrow(clean_titles(items, "raw", engine)).to_pylist()[0]
    assert (row["brand"], row["categories"], row["description"]) == ("A &amp; B", ["C  &amp; D", "E"], " d\n")


def test_word_list() -> None:
    words = english_words()
    assert len(words) > 100_000
    assert {"shampoo", "conditioner", "of"} <= set(words)
    assert all(word.isalpha() and word == word.lower() for word in words)


PIECES = st.sampled_from(
    [
        "&amp;",
        "&AMP",
        "&#38;",
        "&#x26",
        "&lt;",
        "&notit;",
        "&CounterClockwiseContourIntegral;",
        "&#0;",
        "&#xD800;",
        "&#1114112;",
        "&acE;",
        "&",
        ";",
        "#",
        "x",
        "amp",
        "a",
        "é",
        "1",
        "&ngt",
        "&#128;",
    ]
)


@settings(max_examples=16, deadline=None)  # few tables of many texts: the time is that of the tables
@given(texts=st.lists(st.lists(PIECES, max_size=12).map("".join), min_size=15, max_size=40))
def test_entities_as_the_standard_library_has_them(texts: list[str], engine: Engine) -> None:
    table = unescape(engine.table_of({"place": list(range(len(texts))), "text": texts}), ["text"], engine)
    unescaped = engine.to_pyarrow(table.order_by("place"))["text"].to_pylist()
    assert [_visible(text) for text in unescaped] == [
        _visible(html.unescape(html.unescape(html.unescape(t)))) for t in texts
    ]


def _visible(text: str) -> str:
    """Without the characters that cleaning may remove."""
    return "".join(c for c in text if c.isprintable() and not c.isspace())


FAMILY = "\U0001f468\u200d\U0001f469\u200d\U0001f467"


@pytest.mark.parametrize(
    ("raw", "title"),
    [
        (
            "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",
            "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",
        ),  # Persian: I want
        ("CD\u200c\u0647\u0627", "CD\u200c\u0647\u0627"),  # CDs, with the Persian plural
        ("\u0d05\u0d28\u0d4d\u200d x", "\u0d05\u0d28\u0d4d\u200d x"),  # Malayalam: a joiner behind a virama ends a word
        (f"{FAMILY} set", f"{FAMILY} set"),
        ("\u2764\ufe0f\u200d\U0001f525", "\u2764\ufe0f\u200d\U0001f525"),  # heart on fire
        ("\U0001f44b\U0001f3fd\u200d\u2642", "\U0001f44b\U0001f3fd\u200d\u2642"),  # with a skin tone
        ("\u0645\u06cc&zwnj;\u062e", "\u0645\u06cc\u200c\u062e"),
        ("so\u200dap a\u200db\u200dc\u200dd", "soap abcd"),  # nothing to join in Latin letters
        ("\u200c\u0645 \u200d\u0645\u200d \u0645\u200c\u200c\u0645\u200c", "\u0645 \u0645 \u0645\u200c\u0645"),
        ("a\u202eb\u2067c\u2069\u061cd\u200f", "abcd"),  # overrides, isolates and marks of direction
    ],
)
def test_joiners_stay_where_they_join(raw: str, title: str, engine: Engine) -> None:
    assert cleaned(raw, "unescape", engine) == (title, raw)
