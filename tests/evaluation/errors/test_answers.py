"""Answers as arrays, from scores of options and from ranked lists."""

import numpy as np

from shoptalk.evaluation.errors.answers import lookup, option_answers, ranking_answers
from shoptalk.evaluation.id_map import PAD_ID, IdMap

CODES = ["a", "b", "c", "d", "e"]


def test_options_of_any_number() -> None:
    answers = option_answers(
        ["u", "v", "w", "x"],
        [["e"], [], ["d", "e"], ["a"]],
        [["a", "b", "c"], ["b", "d"], ["a", "b", "c"], ["c", "d"]],
        [0, 1, 2, 0],
        [np.array(row) for row in ([1.0, 3.0, 2.0], [0.0, 0.5], [1.0, 1.0, 0.0], [np.nan, 1.0])],
        IdMap(CODES),
    )
    # "b" in place of "a"; right; two tied wrong options, of which the first counts; no choice because of NaN.
    assert answers.chosen.tolist() == [1, 3, 0, PAD_ID]
    assert answers.right.tolist() == [0, 3, 2, 2]
    assert answers.wrong.tolist() == [True, False, True, True]
    assert answers.alternatives.tolist() == [[1, 2], [1, PAD_ID], [0, 1], [3, PAD_ID]]
    assert answers.seen_items.counts().tolist() == [1, 0, 2, 1]
    assert answers.positions is not None
    assert answers.positions.chosen.tolist() == [1, 1, 0, PAD_ID]
    assert answers.positions.count.tolist() == [3, 2, 3, 2]


def test_a_tie_with_the_right_one_is_not_wrong() -> None:
    answers = option_answers(["u"], [[]], [["a", "b"]], [1], [np.array([2.0, 2.0])], IdMap(CODES))
    assert not answers.wrong[0]


def test_rankings_are_wrong_beyond_rank_ten() -> None:
    codes = IdMap([f"i{n}" for n in range(20)])
    eleven = [f"i{n}" for n in range(1, 12)]
    answers = ranking_answers(
        ["u", "v", "w", "x"],
        [["i0"], ["i0"], [], ["i3"]],
        [["i11"], ["i10"], ["i2"], ["i12", "i5"]],
        [eleven, eleven, [], ["gone", "i5"]],
        [[11.0 - n for n in range(11)], [11.0 - n for n in range(11)], [], [3.0, 1.0]],
        codes,
    )
    assert answers.wrong.tolist() == [True, False, True, False]  # eleventh; tenth; an empty list; any of several
    assert answers.chosen.tolist() == [1, 1, PAD_ID, PAD_ID]  # "gone" is not in the catalogue
    assert answers.right.tolist() == [11, 10, 2, 12]
    assert answers.confidence.tolist() == [9, 9, 0, 2]  # score of the first item minus that of the tenth, or the last
    assert answers.positions is None


def test_alternatives_are_targets_of_other_users() -> None:
    users, items = 30, [f"i{n}" for n in range(6)]
    seen_items, targets = [[items[n % 6]] for n in range(users)], [[items[(n + 1) % 6]] for n in range(users)]
    lists = [["i0"]] * users
    answers = ranking_answers(
        [f"u{n}" for n in range(users)], seen_items, targets, lists, [[0.0]] * users, IdMap(items), seed=3
    )
    for n, items_drawn in enumerate(answers.alternatives):
        item_numbers = set(items_drawn.tolist()) - {PAD_ID}
        assert item_numbers <= set(range(6)) - {n % 6, (n + 1) % 6}  # neither in its history nor its truth
        assert item_numbers
    repeated = ranking_answers(
        [f"u{n}" for n in range(users)], seen_items, targets, lists, [[0.0]] * users, IdMap(items), seed=3
    )
    assert np.array_equal(answers.alternatives, repeated.alternatives)


def test_lookup_of_no_item_is_zero() -> None:
    assert lookup(np.array([4, 7]), np.array([1, PAD_ID, 0])).tolist() == [7, 0, 4]
    assert lookup(np.array([True, True]), np.array([PAD_ID, 0])).tolist() == [False, True]
