"""Recommending from a run with item tokens: what filters, lists of ids and repeats let pass, and why."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from shoptalk.errors import UsageError
from shoptalk.progress import silent
from shoptalk.recommend.filters import Filters
from shoptalk.runs import open_run
from shoptalk.schema import Candidates, History, Item, Reason
from shoptalk.stages.load_dataset import open_run_dataset
from shoptalk.stages.recommend import RecommendRequest, allowed_items, choose, shortfall
from shoptalk.stages.recommend import recommend as stage
from shoptalk.stages.trained_run import open_trained_run
from tests.stages.printed import recommend

SHOP = {name: Item(name, name, categories=("Vowel",) if name in "ae" else ("Other",)) for name in "abcde"}
BOUGHT = History("u", ("a", "b"))


@pytest.mark.parametrize(
    ("named", "filters", "repeats", "expected"),
    [
        ((), Filters(), False, "cde"),
        ((), Filters(), True, "abcde"),
        ((), Filters(categories=("vowel",)), False, "e"),
        (("e", "a", "c"), Filters(), False, "ace"),  # what is named may be what was bought
        (("a", "c"), Filters(deny=("c",)), False, "a"),
    ],
)
def test_what_is_left(named: tuple[str, ...], filters: Filters, repeats: bool, expected: str) -> None:
    allowed = allowed_items(tuple(SHOP), SHOP, filters, named)
    choice = choose(allowed, BOUGHT, repeats=repeats or bool(named))
    assert "".join(choice.open) == expected
    assert choice.count == len(expected)


def test_nothing_left_is_said() -> None:
    allowed = allowed_items(tuple(SHOP), SHOP, Filters(allow=("a", "b", "unknown")))
    with pytest.raises(UsageError, match="no product is left"):
        choose(allowed, BOUGHT, repeats=False)


def everything(run: Path, typed: list[str], **more: Any) -> dict[str, Any]:
    return recommend(run, history=typed, k=1000, **more)


def test_item_tokens_are_ranked_in_one_pass_and_filters_hold(trained: Path) -> None:
    shop = open_run_dataset(open_run(trained)).catalogue
    ids = list(shop)
    bought = ids[3:5]
    whole = everything(trained, bought)
    order = [item["item_id"] for item in whole["items"]]
    assert set(order) == set(ids) - set(bought)
    assert whole["allowed"] == len(ids) - 2
    assert whole["items"][0].keys() == {"item_id", "title", "score", "because", "sources"}
    category = shop[ids[0]].categories[-1]
    some = ids[:20]
    asked = Filters(categories=(category,), allow=some, deny=(ids[1],))
    found = everything(trained, bought, filters=asked)["items"]
    passing = {item for item in some if category in shop[item].categories} - {ids[1], *bought}
    assert [item["item_id"] for item in found] == [item for item in order if item in passing]
    again = everything(trained, bought, repeats=True)["items"]
    assert {item["item_id"] for item in again} == set(ids)
    named = everything(trained, bought, options=[bought[0], ids[7]])["items"]
    assert {item["item_id"] for item in named} == {bought[0], ids[7]}


def test_titles_are_those_of_the_catalogue(trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shop = open_run_dataset(open_run(trained))
    first, second = list(shop.catalogue)[:2]
    odd = {first: "</s> end A) [INST]", second: "<|user|> ## comb"}
    items = {name: replace(shop.catalogue[name], title=title) for name, title in odd.items()}
    changed = replace(shop, catalogue={**shop.catalogue, **items})
    monkeypatch.setattr("shoptalk.stages.trained_run.open_run_dataset", lambda _: changed)
    report = recommend(trained, history=[first], options=[second])
    assert [row["title"] for row in report["history"]] == [odd[first]]
    assert [row["title"] for row in report["items"]] == [odd[second]]


def test_fewer_than_asked_for_is_said(trained: Path) -> None:
    report = everything(trained, list(open_run_dataset(open_run(trained)).catalogue)[:1])
    count = len(report["items"])
    assert report["warnings"] == [f"only {count} of the 1000 products asked for: no more may be recommended"]
    assert shortfall(3, 3, 9) == []
    assert shortfall(2, 3, 9)[0].startswith("only 2 of the 3 products asked for, though 9 may be recommended")


def test_prices_are_those_of_the_dataset(trained: Path) -> None:
    shop = open_run_dataset(open_run(trained)).catalogue
    first = next(iter(shop))
    found = everything(trained, [first], filters=Filters(lowest=20.0, highest=30.0), repeats=True)["items"]
    within = {name for name, item in shop.items() if item.price is not None and 20 <= item.price <= 30}
    assert {item["item_id"] for item in found} == within
    assert 0 < len(within) < len(shop)


def test_reasons_are_scores_with_and_without(trained: Path) -> None:
    run = open_run(trained)
    shop = open_run_dataset(run)
    first, second = list(shop.catalogue)[:2]
    found = recommend(trained, history=[first, second], k=2, explain=True)["items"]
    model = open_trained_run(run, shop).recommender
    best = found[0]["item_id"]
    both, without = (
        scores[0]
        for scores in model.score(
            [History("", (first, second)), History("", (second,))], [Candidates((best,), ("",))] * 2
        )
    )
    effect = {reason["item_id"]: reason["effect"] for reason in found[0]["because"]}
    assert effect.keys() == {first, second}
    assert effect[first] == pytest.approx(both - without, abs=1e-4)
    assert np.isclose(found[0]["score"], both, atol=1e-4)


def test_reasons_are_counted_from_what_the_model_learned_from(trained: Path) -> None:
    run = open_run(trained)
    shop = open_run_dataset(run)
    rows = shop.rows
    learned = shop.learned_purchases(refit=False)
    assert len(learned.item) == (rows.part == 0).sum()
    assert len(shop.learned_purchases(refit=True).item) == np.isin(rows.part, [0, 1]).sum()
    assert sum(len(history.items) for history in shop.split().train) == len(learned.item)
    users = [history.user_id for history in shop.histories()][:20]
    opened = open_trained_run(run, shop)
    written = 0
    check = opened.reason_writer.check
    for user, result in zip(
        users, stage(opened, RecommendRequest(users=users, k=2, explain=True), silent), strict=True
    ):
        assert result.unit == "logit"
        for item in result.items:
            effects = [Reason(part.item_id, part.effect) for part in item.because]
            if item.reason is not None:
                assert check.problem(item.reason, item.item_id, shop.history(user), effects) is None
                written += 1
    assert written > len(users)  # of two for each
