"""The task that writes the next title."""

from typing import Any

from shoptalk.recipe import Prompt
from shoptalk.schema import Candidates, EvalExample
from tests.words import CATALOGUE, history, prompt_builder

OPTIONS = Candidates(("R1", "C1"), ("Rose soap", "Cedar soap"))


def builder(**settings: object) -> Any:
    return prompt_builder(Prompt.model_validate({"task": "generate_title", **settings}), CATALOGUE)


def lines(messages: list) -> list[str]:
    return [message.text for message in messages if message.role == "user"]


def test_a_sequence_says_the_same_as_one_question_after_another() -> None:
    words = builder(task="generate_title", style="plain")
    whole = words.sequence(history("R0", "R1", "R2"))
    one = words.examples(EvalExample(history("R0", "R1"), ("R2",)))[0]
    assert [message.text for message in whole.messages] == [message.text for message in one.messages]
    assert [message.role for message in whole.messages] == ["system", "user", "assistant", "assistant"]
