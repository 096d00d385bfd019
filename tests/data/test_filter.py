"""The filters: each rule by hand, all of them against plain Python, and the gift cards against an independent count."""

import gzip
import hashlib
import json
import os
import tomllib
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import ibis
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shoptalk.data.clean import clean_titles
from shoptalk.data.engine import Engine
from shoptalk.data.filter import RULES, filter_interactions
from shoptalk.data.sources.registry import read
from shoptalk.recipe import Data, read_recipe

from .raw import rows

ROOT = Path(__file__).parents[2]
DATA = Path(os.environ.get("SHOPTALK_DATA") or ROOT.parent / "shared" / "data")

Row = tuple[str, str, int, float | None, bool | None]  # user, item, timestamp, rating, verified


def tables(table: list[Row], titles: dict[str, str | None], engine: Engine) -> tuple[Any, Any]:
    """The canonical tables; an item's categories are those of its id: "a1" is of the leaf "a" below "all"."""
    user, item, time, rating, verified = (list(column) for column in zip(*table, strict=True))
    columns = {"user_id": user, "item_id": item, "timestamp": time, "position": list(range(len(table)))}
    columns |= {"rating": pa.array(rating, pa.float64()), "verified": pa.array(verified, pa.bool_())}
    kinds = [["all", name[0]] for name in titles]
    names = {"item_id": list(titles), "title": pa.array(list(titles.values()), pa.string()), "categories": kinds}
    return engine.table_of(columns), engine.table_of(names)


def filtered(
    table: list[Row], engine: Engine, titles: dict[str, str | None] | None = None, **data: Any
) -> tuple[list[int], dict[str, int]]:
    """Positions of the remaining interactions, and the counts of dropped ones that are not zero."""
    titles = {row[1]: row[1] for row in table} if titles is None else titles
    recipe = Data.model_validate({"source": "table", "interactions": "x", **data})
    seed = recipe.seed or 0
    interactions, items, dropped = filter_interactions(*tables(table, titles, engine), recipe, engine, seed)
    assert tuple(dropped) == RULES
    remaining = rows(interactions, engine)
    assert [row["item_id"] for row in rows(items, engine, "item_id")] == sorted({row["item_id"] for row in remaining})
    return [row["position"] for row in remaining], {rule: n for rule, n in dropped.items() if n}


def bought(*pairs: str) -> list[Row]:
    """A purchase for each text: "ua1" is user u with item a1."""
    return [(pair[0], pair[1:], at, 5.0, True) for at, pair in enumerate(pairs)]


def test_only_known_unverified_purchases_are_dropped(shared_engine: Engine) -> None:
    table: list[Row] = [("u", "a1", 1, None, True), ("u", "a2", 2, None, None), ("u", "a3", 3, None, False)]
    assert filtered(table, shared_engine) == ([0, 1], {"unverified": 1})
    assert filtered(table, shared_engine, verified=False) == ([0, 1, 2], {})


def test_duplicates_are_counted_among_the_verified(shared_engine: Engine) -> None:
    table: list[Row] = [
        ("u", "a1", 5, None, True),
        ("u", "a1", 3, None, True),  # earlier in time, later in the file: this one stays
        ("u", "a1", 3, None, True),  # of the same moment: the file's order decides
        ("u", "a1", 1, None, False),  # the earliest, but unverified: it takes nobody's place
        ("v", "a1", 9, None, True),  # of another user
    ]
    assert filtered(table, shared_engine) == ([1, 4], {"unverified": 1, "duplicate": 2})
    assert filtered(table, shared_engine, verified=False) == ([3, 4], {"duplicate": 3})
    assert filtered(table, shared_engine, duplicates="keep") == ([0, 1, 2, 4], {"unverified": 1})


def test_the_rating_filter_follows_that_of_duplicates(shared_engine: Engine) -> None:
    table: list[Row] = [("u", "a1", 1, 2.0, True), ("u", "a1", 2, 5.0, True), ("u", "a2", 3, None, True)]
    table.append(("u", "a3", 4, 4.0, True))
    # The first review of a1 stays and is below 4; that of a2 is unknown, so it does not reach the threshold.
    assert filtered(table, shared_engine, min_rating=4.0) == ([3], {"duplicate": 1, "rating": 2})


def test_items_without_title_or_line(shared_engine: Engine) -> None:
    titles = {"a1": "Soap", "a2": "", "a3": None, "a9": "nobody bought it"}
    assert filtered(bought("ua1", "ua2", "ua3", "ua4"), shared_engine, titles) == ([0], {"no_title": 3})


def test_the_core_is_repeated_until_nothing_changes(shared_engine: Engine) -> None:
    # x, y and z hold a1 and a2. w holds a2 and a3; a3 has one buyer and goes, then w has one item and goes as well.
    table = bought("xa1", "xa2", "ya1", "ya2", "za1", "za2", "wa2", "wa3")
    assert filtered(table, shared_engine, user_core=2, item_core=2) == ([0, 1, 2, 3, 4, 5], {"k_core": 2})
    assert filtered(table, shared_engine, user_core=3) == ([], {"k_core": 8})
    assert filtered(table, shared_engine, item_core=4) == ([1, 3, 5, 6], {"k_core": 4})


def test_history_counts_different_items(shared_engine: Engine) -> None:
    table = bought("xa1", "xa1", "xa2", "ya1", "ya2", "ya3")
    assert filtered(table, shared_engine, duplicates="keep", min_history=3) == ([3, 4, 5], {"min_history": 3})


@pytest.mark.parametrize(("least", "positions"), [(1, [0, 1, 2, 3, 4]), (2, [2, 3, 4]), (3, [])])
def test_categories_are_counted_at_the_leaf(least: int, positions: list[int], shared_engine: Engine) -> None:
    # x buys twice from "a"; y from "a" and "b". That all is below "all" makes nobody's taste wide.
    assert filtered(bought("xa1", "xa2", "ya1", "yb1", "yb2"), shared_engine, min_categories=least)[0] == positions


def test_texts_of_users_are_cleaned(shared_engine: Engine) -> None:
    interactions, items = tables(bought("ua1"), {"a1": "x"}, shared_engine)
    interactions = interactions.mutate(review=ibis.literal("a  &amp; b"), summary=ibis.literal("c\n"))
    for level, texts in (("unescape", ("a & b", "c")), ("raw", ("a  &amp; b", "c\n"))):
        data = Data.model_validate({"source": "table", "interactions": "x", "cleaning": level})
        row = rows(filter_interactions(interactions, items, data, shared_engine)[0], shared_engine)[0]
        assert (row["review"], row["summary"]) == texts


def by_hand(table: list[Row], titled: set[str], data: Data) -> tuple[list[int], dict[str, int]]:
    """The same rules, row by row in plain Python."""
    left = list(enumerate(table))
    dropped = {}

    def rule(name: str, remaining: list[tuple[int, Row]]) -> list[tuple[int, Row]]:
        dropped[name] = dropped.get(name, 0) + len(left) - len(remaining)
        return remaining

    left = rule("unverified", [pair for pair in left if not data.verified or pair[1][4] is not False])
    first: dict[tuple[str, str], tuple[int, int]] = {}
    for at, (user, item, time, _, _) in left:
        first[user, item] = min(first.get((user, item), (time, at)), (time, at))
    left = rule("duplicate", [(at, row) for at, row in left if first[row[0], row[1]][1] == at])
    least = data.min_rating
    left = rule("rating", [p for p in left if least is None or (p[1][3] is not None and p[1][3] >= least)])
    left = rule("no_title", [pair for pair in left if pair[1][1] in titled])
    while True:
        before = len(left)
        for side, size in ((0, data.user_core), (1, data.item_core)):
            counted = Counter(row[side] for _, row in left)
            left = rule("k_core", [pair for pair in left if counted[pair[1][side]] >= size])
        if len(left) == before:
            break
    items: dict[str, set[str]] = defaultdict(set)
    for _, row in left:
        items[row[0]].add(row[1])
    left = rule("min_history", [pair for pair in left if len(items[pair[1][0]]) >= data.min_history])
    leaves = {user: {item[0] for item in user_items} for user, user_items in items.items()}
    left = rule("min_categories", [pair for pair in left if len(leaves[pair[1][0]]) >= data.min_categories])
    return [at for at, _ in left], dropped


ROWS = st.lists(
    st.tuples(
        st.sampled_from("uvwx"),
        st.sampled_from(["a1", "a2", "b1", "b2", "c1"]),
        st.integers(0, 3),
        st.sampled_from([None, 1.0, 3.0, 5.0]),
        st.sampled_from([None, True, True, False]),
    ),
    min_size=1,
    max_size=40,
)


def test_users_are_drawn_after_all_other_filters(shared_engine: Engine) -> None:
    table = bought(*(f"{user}a{n}" for user in "stuvwxyz" for n in range(2)), "qa1")  # q has one purchase
    everyone = sorted("stuvwxyz", key=lambda user: hashlib.md5(f"7\x1fdraw\x1f{user}".encode()).hexdigest())
    for count in (1, 3, 8, 9):
        positions, dropped = filtered(table, shared_engine, min_history=2, users=count, seed=7)
        assert {table[position][0] for position in positions} == set(everyone[:count])  # smaller draws are nested
        not_drawn = {"not_drawn": 2 * (8 - count)} if count < 8 else {}
        assert dropped == {"min_history": 1, **not_drawn}


@settings(max_examples=25, deadline=None)
@given(
    table=ROWS,
    untitled=st.sets(st.sampled_from(["a1", "b2", "c1"]), max_size=1),
    min_rating=st.sampled_from([None, 2.0]),
    sizes=st.tuples(*[st.integers(0, 3)] * 4),
)
def test_all_rules_against_plain_python(
    table: list[Row], untitled: set[str], min_rating: float | None, sizes: tuple[int, ...], shared_engine: Engine
) -> None:
    names = ("user_core", "item_core", "min_history", "min_categories")
    content = {"min_rating": min_rating, **dict(zip(names, sizes, strict=True))}
    titles = {item: "" if item in untitled else item for item in ["a1", "a2", "b1", "b2", "c1"]}
    positions, dropped = by_hand(
        table, set(titles) - untitled, Data.model_validate({"source": "table", "interactions": "x", **content})
    )
    assert filtered(table, shared_engine, titles, **content) == (positions, {k: n for k, n in dropped.items() if n})


@pytest.mark.skipif(not (DATA / "amazon2018-gift-cards").is_dir(), reason=f"no real data in {DATA}")
@pytest.mark.parametrize("stricter", [{}, {"user_core": 5, "item_core": 5}, {"min_rating": 4.0, "min_history": 8}])
def test_gift_cards_against_an_independent_count(
    stricter: dict[str, Any], shared_engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHOPTALK_DATA", str(DATA))
    settings = [f"data.{key}={value}" for key, value in stricter.items()]
    data = read_recipe(ROOT / "recipes" / "gift-cards.toml", settings).data
    assert tomllib.loads((ROOT / "recipes" / "gift-cards.toml").read_text())["data"]["source"] == "amazon2018"
    folder = DATA / "amazon2018-gift-cards"
    with gzip.open(folder / "Gift_Cards_5.json.gz", "rt") as file:
        table = [
            (r["reviewerID"], r["asin"], r["unixReviewTime"], r["overall"], r["verified"])
            for r in map(json.loads, file)
        ]
    with gzip.open(folder / "meta_Gift_Cards.json.gz", "rt") as file:
        products = [json.loads(line) for line in file]
    positions, dropped = by_hand(table, {p["asin"] for p in products if p["title"].strip()}, data)

    raw_tables = read(data, frozenset(), shared_engine)
    items = clean_titles(raw_tables.items, data.cleaning, shared_engine)
    interactions, sold, counted = filter_interactions(raw_tables.interactions, items, data, shared_engine)
    assert (
        raw_tables.read
        == {"reviews": len(table), "items": len(products), "bad_lines": 0}
        == {
            "reviews": 2972,
            "items": 1547,
            "bad_lines": 0,
        }
    )
    assert counted == dropped | {"min_categories": 0, "not_drawn": 0}
    assert counted["unverified"] == 134  # as data/README.md says
    assert [row["position"] for row in rows(interactions, shared_engine)] == positions
    assert shared_engine.counts(sold=sold) == {"sold": len({table[at][1] for at in positions})}
