"""From scores and lists to answers in numbers."""

import numpy as np

from shoptalk.evaluation.coded import NOTHING, Codes
from shoptalk.evaluation.errors.answers import at, option_answers, ranking_answers

CODES = ["a", "b", "c", "d", "e"]


def test_options_of_any_number() -> None:
    found = option_answers(
        ["u", "v", "w", "x"],
        [["e"], [], ["d", "e"], ["a"]],
        [["a", "b", "c"], ["b", "d"], ["a", "b", "c"], ["c", "d"]],
        [0, 1, 2, 0],
        [np.array(row) for row in ([1.0, 3.0, 2.0], [0.0, 0.5], [1.0, 1.0, 0.0], [np.nan, 1.0])],
        Codes(CODES),
    )
    # "b" for "a"; right; a tie of two wrong ones, of which the first counts; and no choice at all.
    assert found.chosen.tolist() == [1, 3, 0, NOTHING]
    assert found.right.tolist() == [0, 3, 2, 2]
    assert found.wrong.tolist() == [True, False, True, True]
    assert found.others.tolist() == [[1, 2], [1, NOTHING], [0, 1], [3, NOTHING]]
    assert found.held.counts().tolist() == [1, 0, 2, 1]
    assert found.places is not None
    assert found.places.chosen.tolist() == [1, 1, 0, NOTHING]
    assert found.places.count.tolist() == [3, 2, 3, 2]


def test_a_tie_with_the_right_one_is_not_wrong() -> None:
    found = option_answers(["u"], [[]], [["a", "b"]], [1], [np.array([2.0, 2.0])], Codes(CODES))
    assert not found.wrong[0]


def test_rankings_are_wrong_beyond_the_tenth() -> None:
    codes = Codes([f"i{n}" for n in range(20)])
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
    assert found.chosen.tolist() == [1, 1, NOTHING, NOTHING]  # "gone" is not in the catalogue
    assert found.right.tolist() == [11, 10, 2, 12]
    assert found.sure.tolist() == [9, 9, 0, 2]  # the lead of the first over the tenth, or over the last
    assert found.places is None


def test_others_are_what_others_bought_next() -> None:
    users, items = 30, [f"i{n}" for n in range(6)]
    held, truth = [[items[n % 6]] for n in range(users)], [[items[(n + 1) % 6]] for n in range(users)]
    lists = [["i0"]] * users
    found = ranking_answers([f"u{n}" for n in range(users)], held, truth, lists, [[0.0]] * users, Codes(items), seed=3)
    for n, drawn in enumerate(found.others):
        real = set(drawn.tolist()) - {NOTHING}
        assert real <= set(range(6)) - {n % 6, (n + 1) % 6}  # neither its history nor its truth
        assert real
    again = ranking_answers([f"u{n}" for n in range(users)], held, truth, lists, [[0.0]] * users, Codes(items), seed=3)
    assert np.array_equal(found.others, again.others)


def test_nothing_is_zero() -> None:
    assert at(np.array([4, 7]), np.array([1, NOTHING, 0])).tolist() == [7, 0, 4]
    assert at(np.array([True, True]), np.array([NOTHING, 0])).tolist() == [False, True]
