"""The graph of users and items, its relations as lists, and that nothing but training purchases gets in."""

from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from shoptalk.graph.relations import Relations
from shoptalk.graph.user_items import UserItemGraph, item_groups, users_of
from shoptalk.schema import EvalExample, History, Item, Split

CATALOGUE = {
    "a": Item("a", "A", brand="Rose", categories=("Care", "Soap")),
    "b": Item("b", "B", brand=" rose"),
    "c": Item("c", "C", categories=("Home", "Soap")),
    "d": Item("d", "D"),
}
HISTORIES = [History("u", ("a", "b", "gone", "a")), History("v", ("b", "c")), History("u", ("c",)), History("w", ())]


def test_purchases_by_hand() -> None:
    graph = UserItemGraph.of(HISTORIES, CATALOGUE)
    assert users_of(HISTORIES) == ["u", "v", "w"]
    assert graph.purchases.toarray().tolist() == [[1, 1, 1, 0], [0, 1, 1, 0], [0, 0, 0, 0]]
    assert graph.buyers.toarray().tolist() == graph.purchases.toarray().T.tolist()
    assert (graph.user_count, graph.item_count, graph.node_count) == (3, 4, 7)
    assert graph.common_users(np.array([1])).toarray().tolist() == [[1, 2, 2, 0]]
    assert graph.common_items(np.array([0])).toarray().tolist() == [[3, 2, 0]]


def test_groups() -> None:
    brand, category = item_groups(CATALOGUE)
    assert brand.tolist() == [0, 0, -1, -1]
    assert category.tolist() == [0, -1, 0, -1]


def test_relations_as_lists() -> None:
    relations = Relations([*HISTORIES, History("x", ("b",))], CATALOGUE)
    assert relations.bought_by("u") == ["a", "b", "c"]
    assert relations.bought_by("nobody") == relations.with_common_items("nobody") == []
    assert relations.buyers_of("b") == ["u", "v", "x"]
    assert relations.same_brand("a") == ["b"]
    assert relations.same_category("c") == ["a"]
    assert relations.same_brand("d") == relations.same_category("b") == []
    assert relations.bought_together("b") == ["c", "a"]  # two common users, then one
    assert relations.bought_together("b", 1) == ["c"]
    assert relations.with_common_items("u") == ["v", "x"]


def test_items_added_later_have_no_purchases_and_may_share_a_brand() -> None:
    graph = UserItemGraph.of(HISTORIES, CATALOGUE)
    extended = graph.with_items({**CATALOGUE, "e": Item("e", "E", brand="Rose")})
    assert extended.purchases.toarray()[:, :4].tolist() == graph.purchases.toarray().tolist()
    assert not extended.purchases.toarray()[:, 4].any()
    assert extended.brand.tolist() == [0, 0, -1, -1, 0]


ITEMS = st.lists(st.sampled_from("abcdefgh"), min_size=1, max_size=5).map(tuple)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(ITEMS, ITEMS, ITEMS), min_size=1, max_size=6))
def test_no_validation_or_test_edge_gets_in(users: list[tuple[tuple[str, ...], ...]]) -> None:
    catalogue = {item: Item(item, item) for item in "abcdefgh"}
    train = [History(f"u{number}", parts[0]) for number, parts in enumerate(users)]
    validation = [EvalExample(train[number], parts[1]) for number, parts in enumerate(users)]
    test = [EvalExample(case.with_targets(), users[number][2]) for number, case in enumerate(validation)]
    split = Split(train, (), validation, test)

    def edges(split: Split) -> set[tuple[str, str]]:
        graph, names = UserItemGraph.of(split.train, catalogue), users_of(split.train)
        return {(names[user], "abcdefgh"[item]) for user, item in zip(*graph.purchases.nonzero(), strict=True)}

    bought, validated = (
        {(f"u{number}", item) for number, parts in enumerate(users) for item in parts[index]} for index in (0, 1)
    )
    assert edges(split) == bought
    assert edges(split.for_final_fit()) == bought
    assert edges(replace(split, refit=True).for_final_fit()) == bought | validated  # never a target of the test
