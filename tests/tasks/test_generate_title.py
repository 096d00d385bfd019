"""The task `generate_title`."""

from typing import Any

from shoptalk.recipe import Prompt
from shoptalk.schema import Candidates, EvalExample
from tests.words import CATALOGUE, history, prompt_builder

OPTIONS = Candidates(("R1", "C1"), ("Rose soap", "Cedar soap"))


def builder(**settings: object) -> Any:
    return prompt_builder(Prompt.model_validate({"task": "generate_title", **settings}), CATALOGUE)


def lines(messages: list) -> list[str]:
    return [message.text for message in messages if message.role == "user"]


def test_a_sequence_has_the_text_of_the_single_example() -> None:
    prompts = builder(task="generate_title", style="plain")
    sequence = prompts.sequence(history("R0", "R1", "R2"))
    example = prompts.examples(EvalExample(history("R0", "R1"), ("R2",)))[0]
    assert [message.text for message in sequence.messages] == [message.text for message in example.messages]
    assert [message.role for message in sequence.messages] == ["system", "user", "assistant", "assistant"]
