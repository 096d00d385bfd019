import math
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from shoptalk.baselines import _catalogue
from shoptalk.baselines._catalogue import LEAST, fallback, folded_in, learned_again, learned_from, score_options
from shoptalk.baselines.tuning import Exam, tune
from shoptalk.evaluation.ranking import ndcg
from shoptalk.graph.purchases import Purchases, strongest
from shoptalk.schema import Candidates, Case, History

from .shop import CATALOGUE, split

PLACES = {"a": 0, "b": 1, "c": 2}
HELD = Purchases.of([History("u", ("a", "b", "gone", "a")), History("v", ()), History("w", ("c",))], PLACES)


def test_purchases_by_hand() -> None:
    assert HELD.row.tolist() == [0, 0, 0, 2]
    assert HELD.column.tolist() == [0, 1, 0, 2]
    assert HELD.age.tolist() == [2, 1, 0, 0]  # the unknown item makes nothing older
    assert (HELD.rows, HELD.items) == (3, 3)


def test_of_a_repeat_the_latest_purchase_counts() -> None:
    assert HELD.weighted(0.5).toarray().tolist() == [[1, 0.5, 0], [0, 0, 0], [0, 0, 1]]
    assert HELD.weighted(0.5, last=1).toarray().tolist() == [[1, 0, 0], [0, 0, 0], [0, 0, 1]]
    assert HELD.weighted().toarray().tolist() == [[1, 1, 0], [0, 0, 0], [0, 0, 1]]
    assert HELD.weighted().dtype == np.float32


def test_counts_are_of_purchases() -> None:
    assert HELD.counts().tolist() == [2, 1, 1]
    assert HELD.counts(last=1).tolist() == [1, 0, 1]


@pytest.mark.parametrize("size", [1, 2, 5])
def test_blocks_are_the_whole(size: int) -> None:
    blocks = [block.weighted(0.5).toarray() for block in HELD.blocks(size)]
    assert len(blocks) == math.ceil(3 / size)
    assert np.concatenate(blocks).tolist() == HELD.weighted(0.5).toarray().tolist()


def test_learning_again_adds_what_validation_asked_of_training_users_only() -> None:
    held = [
        Case(History("t1", ("lip1", "soap")), ("hair1", "hair2")),
        Case(History("stranger", ("lip1", "soap", "hair1", "hair2")), ("lip2",)),
    ]
    shop = split(validation=held)
    places = {item: place for place, item in enumerate(CATALOGUE)}  # lip1 lip2 hair1 hair2 soap
    assert learned_from(shop, places).counts().tolist() == [2, 0, 1, 1, 3]
    again = learned_again(shop, places)
    assert again.counts().tolist() == [2, 0, 2, 2, 3]
    assert again.rows == 3
    assert again.age[:4].tolist() == [3, 2, 1, 0]


def test_fallback_is_popularity_and_next_to_nothing() -> None:
    assert fallback(HELD) == pytest.approx([LEAST, LEAST / 2, LEAST / 2])
    assert fallback(Purchases.of([], PLACES)).tolist() == [0, 0, 0]


def test_strongest_of_each_row_and_the_first_of_equals() -> None:
    matrix = sparse.csr_array(np.array([[1, 3, 2, 3], [0, 0, 0, 0], [0, 5, 0, 0], [4, 4, 4, 0]], dtype=np.float32))
    assert strongest(matrix, 2).toarray().tolist() == [[0, 3, 0, 3], [0, 0, 0, 0], [0, 5, 0, 0], [4, 4, 0, 0]]
    assert strongest(matrix, 9).toarray().tolist() == matrix.toarray().tolist()


def test_folding_in_is_the_weighted_mean() -> None:
    factors = np.array([[1, 0], [0, 3], [7, 7]], dtype=np.float32)
    # a weighs 1 and b, the one before it, 0.5
    assert folded_in(HELD, factors, 0.5) == pytest.approx(
        np.array([[1 / 1.5, 0.5 * 3 / 1.5], [0, 0], [7, 7]], dtype=np.float32)
    )


catalogues = st.integers(2, 25)


@settings(deadline=None)
@given(st.data(), catalogues)
def test_ndcg_is_that_of_evaluation(data: st.DataObject, size: int) -> None:
    items = [f"i{number}" for number in range(size)]
    some = st.lists(st.sampled_from(items), max_size=4)
    drawn = data.draw(st.lists(st.tuples(some, some.filter(bool)), min_size=1, max_size=5))
    cases = [Case(History("u", tuple(held)), tuple(truth)) for held, truth in drawn]
    values = st.integers(0, 3)  # many ties
    scores = np.array(data.draw(st.lists(st.lists(values, min_size=size, max_size=size), min_size=5, max_size=5)))
    places = {item: place for place, item in enumerate(items)}
    exam = Exam(cases, places, seed=1)  # it draws all of them, in their own order
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_catalogue.Purchases, "blocks", lambda self: iter([self]))
        found = exam.ndcg(lambda purchases: scores[: purchases.rows].astype(np.float32))
    expected = []
    for case, row in zip(cases, scores, strict=False):
        allowed = [item for item in items if item not in case.history.items]
        ranked = sorted(allowed, key=lambda item: (-row[places[item]], places[item]))
        expected.append(ndcg(ranked, case.truth, 10))
    assert found == pytest.approx(np.mean(expected))


def test_no_more_cases_than_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_catalogue, "MOST_CASES", 10)
    cases = [Case(History(str(number), ("a",)), ("b" if number % 3 else "c",)) for number in range(50)]
    one, same, other = (Exam(cases, PLACES, seed) for seed in (1, 1, 2))
    assert len(one) == len(other) == 10
    assert one._truth.column.tolist() == same._truth.column.tolist() != other._truth.column.tolist()
    assert len(Exam([Case(History("u", ("a",)), ("gone",))], PLACES, 1)) == 0


@dataclass(frozen=True)
class Two:
    x: int = 0
    y: int = 0


def test_tuning_climbs_field_by_field_and_judges_nothing_twice() -> None:
    tried: list[Two] = []

    def scorer(one: Two):  # type: ignore[no-untyped-def]
        tried.append(one)
        right = 2 if one == Two(1, 0) else 1
        return lambda purchases: np.array([[0, right, 1.5]], dtype=np.float32)

    exam = Exam([Case(History("u", ("a",)), ("b",))], PLACES, 1)  # c is in the way, unless x = 1 and y = 0
    assert tune(Two(), {"x": (0, 1), "y": (0, 1)}, scorer, exam) == Two(1, 0)
    assert tried == [Two(0, 0), Two(1, 0), Two(1, 1)]  # the second round meets nothing new


def test_without_validation_cases_tuning_keeps_the_start() -> None:
    assert tune(Two(5, 5), {"x": (0,)}, lambda one: pytest.fail("nothing to try"), Exam([], PLACES, 1)) == Two(5, 5)


class Fixed:
    name = "fixed"
    items = ("a", "b", "c")

    def score_all(self, histories):  # type: ignore[no-untyped-def]
        return np.array([[-1, 2, 3]] * len(histories), dtype=np.float32)


def test_options_get_their_items_scores_and_unknown_ones_the_lowest() -> None:
    histories = [History("u", ())] * (_catalogue.BLOCK + 1)
    candidates = [Candidates(("c", "gone", "a"), ("", "", ""))] * _catalogue.BLOCK + [Candidates(("b",), ("",))]
    found = score_options(Fixed(), histories, candidates)
    assert found[0].tolist() == [3, -1, -1]
    assert found[-1].tolist() == [2]
    assert found[0].dtype == np.float64
