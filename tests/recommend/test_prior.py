"""The log-probabilities of answers without a history are computed once, and not too many are kept."""

import pytest

from shoptalk.models.tree import Question
from shoptalk.recommend import prior as module
from shoptalk.recommend.log_probabilities import log_probabilities
from shoptalk.recommend.prior import Prior
from tests.words import small_model

FIRST: Question = ([5, 6], [[7, 8], [9], [7, 8]])
SECOND: Question = ([6], [[7, 8], [10, 11, 12]])


def test_each_answer_is_computed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    model, asked = small_model(), []
    expected = [[tokens.sum() for tokens in row] for row in log_probabilities(model, [FIRST, SECOND])]

    def counted(model: object, questions: list[Question]) -> object:
        asked.extend((tuple(prompt), tuple(answer)) for prompt, answers in questions for answer in answers)
        return log_probabilities(model, questions)  # type: ignore[arg-type]

    monkeypatch.setattr(module, "log_probabilities", counted)
    prior = Prior(model)
    for _ in range(2):
        for found, row in zip(prior.sums([FIRST, SECOND]), expected, strict=True):
            assert found == pytest.approx(row, abs=1e-5)
    assert sorted(asked) == [((5, 6), (7, 8)), ((5, 6), (9,)), ((6,), (7, 8)), ((6,), (10, 11, 12))]


def test_the_oldest_are_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_KEPT", 2)
    prior = Prior(small_model())
    first = prior.sums([FIRST, SECOND])
    assert len(prior._known) == 2
    assert [row.tolist() for row in prior.sums([FIRST, SECOND])] == [pytest.approx(row) for row in first]
