"""Each kind of error on a small example, with flags and chance computed by hand."""

import numpy as np
import pytest

from shoptalk.evaluation.errors import kinds
from shoptalk.evaluation.id_map import PAD_ID
from tests.evaluation.errors.answer_sets import answers, item_stats, option_answers

TITLES = ["rose soap", "rose balm", "mint oil", "mint comb"]


def test_semantic_pull() -> None:
    # All histories are the rose soap. Rose balm in place of mint oil is a pull; so is one of the options balm and comb.
    # Mint oil in place of the balm is none, and neither is the comb. Mint comb and mint oil: both have similarity 0.
    result = kinds.semantic(
        answers([[0], [0], [0]], right=[2, 1, 2], chosen=[1, 2, 3], alternatives=[[1, 3], [2, 3], [3, 1]]),
        item_stats(TITLES),
    )
    assert result.flags.tolist() == [True, False, False]
    assert result.chance.tolist() == [1 / 2, 0, 1 / 2]
    assert result.describe(0) == "similarity to the history 0.38, right product 0.00"


def test_popularity_pull() -> None:
    result = kinds.popularity(
        answers(
            [[]] * 4,
            right=[0, 1, 2, 0],
            chosen=[1, 0, 3, PAD_ID],
            alternatives=[[1, 2, 3], [0, 2, 3], [3, PAD_ID, PAD_ID], [PAD_ID] * 3],
        ),
        item_stats(TITLES, purchases=[5, 10, 0, 0]),
    )
    assert result.flags.tolist() == [True, False, False, False]  # neither equal purchases nor no choice is a pull
    # 10 of (10, 0, 0) is above 5; none is above 10; 0 is not above 0; without options the chance is unknown.
    assert result.chance == pytest.approx([1 / 3, 0, 0, np.nan], nan_ok=True)
    assert result.describe(0) == "bought 10 times in training, right product 5 times"


def test_position_pull() -> None:
    options = np.tile(np.arange(4), (100, 1))
    right = np.arange(100) % 4
    first = kinds.position(option_answers(options, right, np.zeros(100, dtype=np.int64)), item_stats(TITLES))
    assert first is not None
    # Position 1 is always chosen and right in a quarter: where it is not right, it is one of three wrong options.
    assert first.flags.tolist() == (right != 0).tolist()
    assert first.chance == pytest.approx(np.where(right == 0, 0, 1 / 3))
    assert first.describe(1) == "position 1 is chosen more often than it is right, by 75.0% of all answers"
    evenly = kinds.position(option_answers(options, right, (right + 1) % 4), item_stats(TITLES))
    assert evenly is not None
    assert not evenly.flags.any()
    assert not evenly.chance.any()
    assert kinds.position(answers([[]], [0], [1]), item_stats(TITLES)) is None  # a ranking has no positions


def test_near_duplicate() -> None:
    titles = ["Cedar Lip Balm, 15 ml", "cedar lip balm, 30 ml", "15 ml Cedar Lip Balm,", "Mint comb"]
    result = kinds.near_duplicate(
        answers([[]] * 3, right=[0, 0, 0], chosen=[1, 2, 3], alternatives=[[1, 2, 3], [2, 3, PAD_ID], [3, 3, 3]]),
        item_stats(titles),
    )
    # Two of 21 letters differ: 1 - (2 + 2) / 42 = .905; the same words in another order; another product.
    assert result.flags.tolist() == [True, True, False]
    assert result.chance.tolist() == [2 / 3, 1 / 2, 0]
    assert result.strength == pytest.approx([100 * 38 / 42, 100, 0])


def test_repeated_category() -> None:
    items = item_stats(TITLES, categories=["Soap", "Balm", "Oil", ""])
    result = kinds.repeated_category(
        answers(
            [[0], [0], [0], [3], [0]],
            right=[1, 0, 3, 1, 1],
            chosen=[0, 1, 0, 3, 2],
            alternatives=[[0, 2], [1, 2], [0, 2], [0, 2], [0, 2]],
        ),
        items,
    )
    assert result is not None
    # Soap again in place of balm; balm in place of soap, the repetition; the right item's category is unknown; so is
    # that of the history; oil is as new as balm.
    assert result.flags.tolist() == [True, False, False, False, False]
    assert result.chance.tolist() == [1 / 2, 0, 0, 0, 1 / 2]
    assert result.describe(0) == "category 'Soap' again; the right product's, 'Balm', is new"
    assert kinds.repeated_category(answers([[0]], [1], [0]), item_stats(TITLES)) is None


def test_cold_item() -> None:
    result = kinds.cold(answers([[]] * 2, right=[0, 1], chosen=[1, 0]), item_stats(TITLES, purchases=[0, 3, 1, 1]))
    assert result.flags.tolist() == [True, False]
    assert result.chance.tolist() == [1, 0]


def test_short_history() -> None:
    result = kinds.short_history(answers([[0], [0, 1, 2, 3], [0, 1, 2, 3, 4]], [5] * 3, [6] * 3), item_stats(["x"] * 7))
    assert result is not None
    assert result.flags.tolist() == [True, True, False]
    assert result.describe(1) == "a history of 4 products"
    assert kinds.short_history(answers([[0], [1]], [2, 2], [3, 3]), item_stats(["x"] * 4)) is None


def test_rare_category() -> None:
    # Of 100 purchases A has 90, B and C 5 each: together a tenth, so both are rare. D, without purchases, is rare too.
    items = item_stats(list("abcde"), purchases=[90, 5, 5, 0, 0], categories=["A", "B", "C", "D", ""])
    result = kinds.rare_category(answers([[]] * 5, right=[0, 1, 2, 3, 4], chosen=[1, 0, 0, 0, 0]), items)
    assert result is not None
    assert result.flags.tolist() == [False, True, True, True, False]
    assert result.describe(1) == "'B' has 5.00% of the training purchases"
    # With 6 for C only B and D are within a tenth; with 6 each neither B nor C is.
    for purchases, rare in (([89, 5, 6, 0, 0], [1, 3]), ([88, 6, 6, 0, 0], [3])):
        items = item_stats(list("abcde"), purchases=purchases, categories=["A", "B", "C", "D", ""])
        result = kinds.rare_category(answers([[]] * 5, right=[0, 1, 2, 3, 4], chosen=[1, 0, 0, 0, 0]), items)
        assert result is not None
        assert np.flatnonzero(result.flags).tolist() == rare
    assert kinds.rare_category(answers([[]], [0], [1]), item_stats(TITLES)) is None
