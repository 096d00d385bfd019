import numpy as np
import pytest

from shoptalk.schema import Candidates, History, Item
from shoptalk.second_stage.recommender import block_size
from shoptalk.second_stage.sources import Block
from shoptalk.second_stage.tables import ItemTexts

from .test_fitting import fitted
from .world import catalogue, split


def test_lists_hold_nothing_of_the_history() -> None:
    stage, _ = fitted()
    histories = [case.history for case in split().test[:50]]
    for ranked, history in zip(stage.rank(histories, 10), histories, strict=True):
        assert len(ranked.items) == 10
        assert not set(ranked.items) & set(history.items)
        assert list(ranked.scores) == sorted(ranked.scores, reverse=True)


def test_scores_are_probabilities_of_the_next_item() -> None:
    stage, _ = fitted()
    histories = [case.history for case in split().test]
    scores = stage.score_all(histories)
    pool = np.array([sum(np.exp(np.sort(row)[::-1][:10])) for row in scores])
    lists = stage.rank(histories, 10)
    hits = np.array([case.targets[0] in ranked.items for case, ranked in zip(split().test, lists, strict=True)])
    assert np.exp(scores.max()) <= stage.calibration.coverage  # each is calibrated by itself
    assert pool.mean() == pytest.approx(hits.mean(), abs=0.12)  # calibrated on validation users


def test_items_outside_the_pool_stand_behind_it() -> None:
    stage, _ = fitted()
    history = split().test[0].history
    whole = stage.rank([history], 60)[0]
    assert len(whole.items) == 60 - len(set(history.items))  # every item has a place
    assert np.isfinite(whole.scores).all()


def test_a_history_without_items_gets_popular_ones() -> None:
    stage, _ = fitted()
    empty, unknown = stage.rank([History("u", ()), History("v", ("not in the catalogue",))], 10)
    assert empty.items == unknown.items
    assert len(empty.items) == 10


def test_only_allowed_items_are_ranked() -> None:
    stage, _ = fitted()
    allowed = np.zeros(60, bool)
    allowed[[2, 5, 59]] = True
    ranked = stage.rank([History("u", ("i2", "i17"))], 10, allowed=allowed)[0]
    assert set(ranked.items) == {"i5", "i59"}


def test_scores_of_options() -> None:
    stage, _ = fitted()
    history = History("u", ("i3", "i4"))
    options = Candidates(("i5", "i40", "not in the catalogue"), ("", "", ""))
    near, far, unknown = stage.score([history], [options])[0]
    assert near > far > unknown
    assert near == stage.score_all([history])[0, 5]


def test_the_size_of_a_block_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    stage, _ = fitted()
    histories = [case.history for case in split().test[:30]]
    whole = stage.score_all(histories)
    monkeypatch.setattr("shoptalk.second_stage.recommender.BLOCK", 7)
    assert stage.score_all(histories) == pytest.approx(whole, abs=1e-3)


def test_memory_is_bounded() -> None:
    assert block_size(12_000) == 256
    assert block_size(1_000_000) == 4  # 4 million scores of each source
    assert block_size(10**9) == 1


@pytest.mark.parametrize("ranker", ["linear", "lambdamart"])
def test_contributions_of_sources(ranker: str) -> None:
    if ranker == "lambdamart":
        pytest.importorskip("lightgbm")
    stage, _ = fitted(ranker)
    history = History("u", ("i3", "i4"))
    near, far = stage.contributions(history, ["i5", "i41"])
    assert {source.name for source in stage.sources} <= near.keys()
    assert list(near.values()) == sorted(near.values(), key=abs, reverse=True)
    assert sum(near.values()) > sum(far.values())  # what the ranker scores higher


def test_purchases_that_moved_an_item() -> None:
    stage, _ = fitted()
    reasons = stage.explain(History("u", ("i33", "i4")), ["i5"])[0]
    assert reasons[0].item_id == "i4"
    assert reasons[0].effect > 0


def test_new_items_are_ranked_by_their_words() -> None:
    stage, _ = fitted()
    new = {
        "near": Item("near", "thing0 number4", brand="brand0", categories=("all", "category0")),
        "far": Item("far", "thing5 number54", brand="brand5", categories=("all", "category5")),
    }
    grown = stage.extended(list(new), ItemTexts.of({**catalogue(), **new}))
    near, far = grown.score([History("u", ("i3", "i4"))], [Candidates(("near", "far"), ("", ""))])[0]
    assert near > far
    assert grown.tables.counts[-2:].tolist() == [0, 0]
    assert len(grown.rank([History("u", ("i3",))], 70)[0].items) == 61


def test_items_without_purchases_keep_the_rank_of_the_first_source() -> None:
    new = {f"n{number}": Item(f"n{number}", f"thing{number} again", brand=f"brand{number}") for number in range(6)}
    stage, _ = fitted()
    extended = stage.extended(list(new), ItemTexts.of({**catalogue(), **new}))
    histories = [case.history for case in split().test[:40]]
    first = extended.sources[0].scores(Block(histories, extended.item_index, extended.tables))
    positions = 0
    for history, scores, ranked in zip(histories, first, extended.rank(histories, 66), strict=True):
        order = [extended.items[index] for index in np.argsort(-scores, kind="stable").tolist()]
        expected = [item for item in order if item not in history.items]
        for item in new:
            assert ranked.items.index(item) == expected.index(item)
            positions += expected.index(item) < 10
    assert positions > 10  # some of them stand among the first ten
