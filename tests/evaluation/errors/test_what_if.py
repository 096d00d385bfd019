"""What-if analysis with a recommender whose answers are known."""

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from shoptalk.evaluation.errors.what_if import LAST, Step, options_what_if, ranking_what_if, shortened
from shoptalk.schema import Candidates, EvalExample, History, RankedList


class Counting:
    """Scores an option by log(1 + number of purchases that begin with the same letter)."""

    name = "counting"
    calls = 0

    def score(self, histories: Sequence[History], candidates: Sequence[Candidates]) -> list[NDArray[np.float64]]:
        self.calls += 1
        return [
            np.log([1 + sum(item[0] == option[0] for item in history.items) for option in options.items])
            for history, options in zip(histories, candidates, strict=True)
        ]


def test_options_by_hand() -> None:
    case = EvalExample(History("u", ("a1", "a2", "b1")), ("b2",), Candidates(("a3", "b2"), ("", "")), 1)
    short_case = EvalExample(History("v", ("c1",)), ("d1",), Candidates(("c2", "d1"), ("", "")), 1)
    model = Counting()
    steps = options_what_if(model, [case, short_case])
    assert model.calls == 1
    # Odds 3 : 2; without a1 2 : 2 (the first is chosen); without a2 1 : 2.
    assert steps[0] == [
        Step((), "a3", pytest.approx(2 / 5), pytest.approx(3 / 5)),
        Step(("a1",), "a3", pytest.approx(1 / 2), pytest.approx(1 / 2)),
        Step(("a2",), "b2", pytest.approx(2 / 3), pytest.approx(1 / 3)),
    ]
    assert steps[1] == [Step((), "c2", pytest.approx(1 / 3), pytest.approx(2 / 3))]  # one purchase: no step


def test_rankings_by_hand() -> None:
    case = EvalExample(History("u", ("a1", "b1")), ("b2",))

    def rank(histories: Sequence[History], k: int) -> list[RankedList]:
        assert k == 102  # a hundred, and two more because of the history
        lists = {("a1", "b1"): ("a2", "b2"), ("b1",): ("a1", "b2", "a2")}
        return [RankedList("u", lists[history.items]) for history in histories]

    # The removed item (a1) is not recommended.
    assert ranking_what_if(rank, [case]) == [[Step((), "a2", 2), Step(("a1",), "b2", 1)]]
    empty = ranking_what_if(lambda histories, k: [RankedList("u", ()) for _ in histories], [case])
    assert empty[0][0] == Step((), None, None)


def test_long_histories_lose_the_oldest_at_once() -> None:
    history = History("u", tuple(f"i{n}" for n in range(LAST + 5)), tuple(f"r{n}" for n in range(LAST + 5)))
    shortened_histories = shortened(history)
    assert [len(shorter.items) for shorter in shortened_histories] == [LAST + 5, *range(LAST, 0, -1)]
    assert shortened_histories[-1] == History("u", ("i14",), ("r14",))
    steps = ranking_what_if(
        lambda shortened_histories, k: [RankedList("u", ()) for _ in shortened_histories],
        [EvalExample(history, ("x",))],
    )[0]
    assert [len(step.removed) for step in steps] == [0, 5, *[1] * (LAST - 1)]
    assert steps[1].removed == ("i0", "i1", "i2", "i3", "i4")
