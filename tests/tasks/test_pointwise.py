"""The task `pointwise`."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from shoptalk.errors import DatasetError, PromptError
from shoptalk.recipe import Prompt
from shoptalk.schema import Candidates, EvalExample, History
from shoptalk.tasks import get_task
from shoptalk.tasks.pointwise import evaluate_labels, labelled_items
from tests.tasks.evaluations import evaluation_of
from tests.words import CATALOGUE, history, prompt_builder

OPTIONS = Candidates(("R1", "C1"), ("Rose soap", "Cedar soap"))


def builder(**settings: object) -> Any:
    return prompt_builder(Prompt.model_validate({"task": "pointwise", **settings}), CATALOGUE)


def lines(messages: list) -> list[str]:
    return [message.text for message in messages if message.role == "user"]


def test_labels_come_from_options_or_else_from_the_rating() -> None:
    prompts = builder(task="pointwise")
    answers = [
        example.messages[-1].text for example in prompts.examples(EvalExample(history("R0"), ("C1",), OPTIONS, 1))
    ]
    assert answers == ["Yes", "No"]
    for rating, answer in ((4.0, "Yes"), (3.0, "No")):
        (example,) = prompts.examples(EvalExample(history("R0"), ("C1",), rating=rating))
        assert example.messages[-1].text == answer
    with pytest.raises(PromptError, match="needs ratings"):
        prompts.examples(EvalExample(history("R0"), ("C1",)))


class Odds:
    """Gives log-odds of Yes by the item asked about."""

    def odds(self, histories: Sequence[History], items: Sequence[str], notify: Any) -> Any:
        assert len(histories) == len(items)
        notify(len(items), len(items))
        return np.array([{"R1": 2.0, "C1": -2.0, "M1": 1.0}[item] for item in items])


def rated(item: str, rating: float | None, user: str) -> EvalExample:
    return EvalExample(history("R0", user=user), (item,), rating=rating)


TEST = [rated("R1", 5.0, "a"), rated("C1", 2.0, "b"), rated("M1", 1.0, "c"), rated("M1", None, "d")]


def test_labels_are_evaluated_beside_the_majority_answer() -> None:
    learned = [rated("R1", rating, f"t{number}") for number, rating in enumerate((5.0, 4.0, 3.0))]
    result = evaluate_labels(evaluation_of(Odds(), TEST, train_cases=learned)).result
    assert result.metrics["accuracy"].n == 3  # the case without a rating is left out
    assert result.metrics["accuracy"].value == pytest.approx(2 / 3)  # R1 yes, C1 no; M1 yes is wrong
    # 2 of 3 training ratings are liked, so the majority answer is Yes: right for R1 alone.
    assert result.baselines["majority"]["accuracy"].value == pytest.approx(1 / 3)
    disliked = [rated("R1", rating, f"t{number}") for number, rating in enumerate((5.0, 3.0, 3.0))]
    result = evaluate_labels(evaluation_of(Odds(), TEST, train_cases=disliked)).result
    assert result.baselines["majority"]["accuracy"].value == pytest.approx(2 / 3)  # No: right for C1 and M1


def test_ratings_are_needed_without_options() -> None:
    with pytest.raises(DatasetError, match="have no ratings"):
        evaluate_labels(evaluation_of(Odds(), TEST[3:]))
    task, without = get_task("pointwise"), evaluation_of(Odds(), TEST, prompt={"task": "pointwise"})
    assert task.cases(TEST, without.recipe) == TEST[:3]
    assert task.evaluate(without).result.metrics["accuracy"].n == 3
    options = evaluation_of(Odds(), TEST, prompt={"task": "pointwise"}, candidates={"options": 3})
    assert task.cases(TEST, options.recipe) == TEST


def test_the_option_after_the_right_one_is_not_liked() -> None:
    case = EvalExample(history("R0"), ("R1",), OPTIONS, 0)
    assert labelled_items(case) == [("R1", True), ("C1", False)]
    last = EvalExample(history("R0"), ("C1",), OPTIONS, 1)  # after the last comes the first
    assert labelled_items(last) == [("C1", True), ("R1", False)]
