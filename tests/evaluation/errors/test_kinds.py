"""Each kind of error on a case of its own, its flags and its chance worked out by hand."""

import numpy as np
import pytest

from shoptalk.evaluation.errors import kinds
from shoptalk.evaluation.id_map import PAD_ID
from tests.evaluation.errors.worlds import answers, chosen_among, item_stats

TITLES = ["rose soap", "rose balm", "mint oil", "mint comb"]


def test_semantic_pull() -> None:
    # Everybody has the rose soap. The rose balm for mint oil is a pull; of the options balm and comb, one in two is.
    # Mint oil for the balm is none, nor would the comb be one. Mint comb for mint oil: neither is like the soap.
    found = kinds.semantic(
        answers([[0], [0], [0]], right=[2, 1, 2], chosen=[1, 2, 3], others=[[1, 3], [2, 3], [3, 1]]), item_stats(TITLES)
    )
    assert found.flags.tolist() == [True, False, False]
    assert found.chance.tolist() == [1 / 2, 0, 1 / 2]
    assert found.why(0) == "as similar to the history as 0.38, the right one as 0.00"


def test_popularity_pull() -> None:
    found = kinds.popularity(
        answers([[]] * 4, right=[0, 1, 2, 0], chosen=[1, 0, 3, PAD_ID],
                others=[[1, 2, 3], [0, 2, 3], [3, PAD_ID, PAD_ID], [PAD_ID] * 3]),
        item_stats(TITLES, purchases=[5, 10, 0, 0]),
    )  # fmt: skip
    assert found.flags.tolist() == [True, False, False, False]  # equally often is no pull, and no choice is none
    # 10 of (10, 0, 0) is above 5; none above 10; 0 is not above 0; and without options nothing can be said.
    assert found.chance == pytest.approx([1 / 3, 0, 0, np.nan], nan_ok=True)
    assert found.why(0) == "bought 10 times in training, the right one 5 times"


def test_position_pull() -> None:
    options = np.tile(np.arange(4), (100, 1))
    right = np.arange(100) % 4
    first = kinds.position(chosen_among(options, right, np.zeros(100, dtype=np.int64)), item_stats(TITLES))
    assert first is not None
    # Place 1 is always chosen and right in a quarter: where it is not right, it is one of three wrong options.
    assert first.flags.tolist() == (right != 0).tolist()
    assert first.chance == pytest.approx(np.where(right == 0, 0, 1 / 3))
    assert first.why(1) == "place 1 is chosen by 75.0% of all answers more often than it is right"
    evenly = kinds.position(chosen_among(options, right, (right + 1) % 4), item_stats(TITLES))
    assert evenly is not None
    assert not evenly.flags.any()
    assert not evenly.chance.any()
    assert kinds.position(answers([[]], [0], [1]), item_stats(TITLES)) is None  # a ranking has no places


def test_near_duplicate() -> None:
    titles = ["Cedar Lip Balm, 15 ml", "cedar lip balm, 30 ml", "15 ml Cedar Lip Balm,", "Mint comb"]
    found = kinds.near_duplicate(
        answers([[]] * 3, right=[0, 0, 0], chosen=[1, 2, 3], others=[[1, 2, 3], [2, 3, PAD_ID], [3, 3, 3]]),
        item_stats(titles),
    )
    # Two of 21 letters differ: 1 - (2 + 2) / 42 = .905; the same words in another order; another product.
    assert found.flags.tolist() == [True, True, False]
    assert found.chance.tolist() == [2 / 3, 1 / 2, 0]
    assert found.strength == pytest.approx([100 * 38 / 42, 100, 0])


def test_repeated_category() -> None:
    shop = item_stats(TITLES, categories=["Soap", "Balm", "Oil", ""])
    found = kinds.repeated_category(
        answers([[0], [0], [0], [3], [0]], right=[1, 0, 3, 1, 1], chosen=[0, 1, 0, 3, 2],
                others=[[0, 2], [1, 2], [0, 2], [0, 2], [0, 2]]),
        shop,
    )  # fmt: skip
    assert found is not None
    # Soap again for balm; balm for soap, which is the repetition; the right one's category is not known; nor is that of
    # the history; and oil is as new as balm.
    assert found.flags.tolist() == [True, False, False, False, False]
    assert found.chance.tolist() == [1 / 2, 0, 0, 0, 1 / 2]
    assert found.why(0) == "'Soap' again, and not 'Balm', which would have been new"
    assert kinds.repeated_category(answers([[0]], [1], [0]), item_stats(TITLES)) is None


def test_cold_item() -> None:
    found = kinds.cold(answers([[]] * 2, right=[0, 1], chosen=[1, 0]), item_stats(TITLES, purchases=[0, 3, 1, 1]))
    assert found.flags.tolist() == [True, False]
    assert found.chance.tolist() == [1, 0]


def test_short_history() -> None:
    found = kinds.short_history(answers([[0], [0, 1, 2, 3], [0, 1, 2, 3, 4]], [5] * 3, [6] * 3), item_stats(["x"] * 7))
    assert found is not None
    assert found.flags.tolist() == [True, True, False]
    assert found.why(1) == "a history of 4"
    assert kinds.short_history(answers([[0], [1]], [2, 2], [3, 3]), item_stats(["x"] * 4)) is None


def test_rare_category() -> None:
    # Of 100 purchases A has 90, B and C 5 each: together a tenth, so both are rare. D, never bought, is as well.
    shop = item_stats(list("abcde"), purchases=[90, 5, 5, 0, 0], categories=["A", "B", "C", "D", ""])
    found = kinds.rare_category(answers([[]] * 5, right=[0, 1, 2, 3, 4], chosen=[1, 0, 0, 0, 0]), shop)
    assert found is not None
    assert found.flags.tolist() == [False, True, True, True, False]
    assert found.why(1) == "'B' has 5.00% of the training purchases"
    # With 6 for C only B and D fit into a tenth; with 6 each neither B nor C does.
    for purchases, rare in (([89, 5, 6, 0, 0], [1, 3]), ([88, 6, 6, 0, 0], [3])):
        shop = item_stats(list("abcde"), purchases=purchases, categories=["A", "B", "C", "D", ""])
        found = kinds.rare_category(answers([[]] * 5, right=[0, 1, 2, 3, 4], chosen=[1, 0, 0, 0, 0]), shop)
        assert found is not None
        assert np.flatnonzero(found.flags).tolist() == rare
    assert kinds.rare_category(answers([[]], [0], [1]), item_stats(TITLES)) is None
