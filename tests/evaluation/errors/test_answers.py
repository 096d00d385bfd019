"""From scores and lists to answers in numbers."""

import numpy as np

from shoptalk.evaluation.errors.answers import at, option_answers, ranking_answers
from shoptalk.evaluation.id_map import PAD_ID, IdMap

CODES = ["a", "b", "c", "d", "e"]


def test_options_of_any_number() -> None:
    found = option_answers(
        ["u", "v", "w", "x"],
        [["e"], [], ["d", "e"], ["a"]],
        [["a", "b", "c"], ["b", "d"], ["a", "b", "c"], ["c", "d"]],
        [0, 1, 2, 0],
        [np.array(row) for row in ([1.0, 3.0, 2.0], [0.0, 0.5], [1.0, 1.0, 0.0], [np.nan, 1.0])],
        IdMap(CODES),
    )
    # "b" for "a"; right; a tie of two wrong ones, of which the first counts; and no choice at all.
    assert found.chosen.tolist() == [1, 3, 0, PAD_ID]
    assert found.right.tolist() == [0, 3, 2, 2]
    assert found.wrong.tolist() == [True, False, True, True]
    assert found.others.tolist() == [[1, 2], [1, PAD_ID], [0, 1], [3, PAD_ID]]
    assert found.seen_items.counts().tolist() == [1, 0, 2, 1]
    assert found.positions is not None
    assert found.positions.chosen.tolist() == [1, 1, 0, PAD_ID]
    assert found.positions.count.tolist() == [3, 2, 3, 2]


def test_a_tie_with_the_right_one_is_not_wrong() -> None:
    found = option_answers(["u"], [[]], [["a", "b"]], [1], [np.array([2.0, 2.0])], IdMap(CODES))
    assert not found.wrong[0]


def test_rankings_are_wrong_beyond_the_tenth() -> None:
    codes = IdMap([f"i{n}" for n in range(20)])
    eleven = [f"i{n}" for n in range(1, 12)]
    found = ranking_answers(
        ["u", "v", "w", "x"],
        [["i0"], ["i0"], [], ["i3"]],
        [["i11"], ["i10"], ["i2"], ["i12", "i5"]],
        [eleven, eleven, [], ["gone", "i5"]],
        [[11.0 - n for n in range(11)], [11.0 - n for n in range(11)], [], [3.0, 1.0]],
        codes,
    )
    assert found.wrong.tolist() == [True, False, True, False]  # eleventh; tenth; an empty list; any of several
    assert found.chosen.tolist() == [1, 1, PAD_ID, PAD_ID]  # "gone" is not in the catalogue
    assert found.right.tolist() == [11, 10, 2, 12]
    assert found.sure.tolist() == [9, 9, 0, 2]  # the lead of the first over the tenth, or over the last
    assert found.positions is None


def test_others_are_what_others_bought_next() -> None:
    users, items = 30, [f"i{n}" for n in range(6)]
    seen_items, targets = [[items[n % 6]] for n in range(users)], [[items[(n + 1) % 6]] for n in range(users)]
    lists = [["i0"]] * users
    found = ranking_answers(
        [f"u{n}" for n in range(users)], seen_items, targets, lists, [[0.0]] * users, IdMap(items), seed=3
    )
    for n, drawn in enumerate(found.others):
        real = set(drawn.tolist()) - {PAD_ID}
        assert real <= set(range(6)) - {n % 6, (n + 1) % 6}  # neither its history nor its truth
        assert real
    again = ranking_answers(
        [f"u{n}" for n in range(users)], seen_items, targets, lists, [[0.0]] * users, IdMap(items), seed=3
    )
    assert np.array_equal(found.others, again.others)


def test_nothing_is_zero() -> None:
    assert at(np.array([4, 7]), np.array([1, PAD_ID, 0])).tolist() == [7, 0, 4]
    assert at(np.array([True, True]), np.array([PAD_ID, 0])).tolist() == [False, True]
