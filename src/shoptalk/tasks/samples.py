"""Samples of test cases for the report: the token ids of prompt and answer, decoded."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

from shoptalk.prompts.builder import PromptBuilder
from shoptalk.results import SamplePrompt
from shoptalk.schema import EvalExample, item_token

if TYPE_CHECKING:
    from shoptalk.models.language_model import LanguageModel
    from shoptalk.tasks.task import Task


#: Number of samples.
SHOWN = 3


def scored_sample(
    model: LanguageModel, prompt: Sequence[int], answers: Sequence[Sequence[int]], right: int
) -> SamplePrompt:
    """The sample of a prompt whose answers are scored; ``right`` is the index of the right answer."""
    texts = [model.tokenizer.decode(answer, special=True) for answer in answers]
    wrong_answers = tuple(text for index, text in enumerate(texts) if index != right)
    return SamplePrompt(model.tokenizer.decode(prompt, special=True), texts[right], len(prompt), wrong_answers)


def token_sample(
    model: LanguageModel, prompts: PromptBuilder, prompt: Sequence[int], case: EvalExample
) -> SamplePrompt:
    """The sample of a prompt whose answer has item tokens, with the titles of all item tokens in it."""
    text, answer = model.tokenizer.decode(prompt, special=True), prompts.answer(case).text
    tokens = {item_token(item): prompts.catalogue[item].title for item in (*case.history.items, *case.targets)}
    titles = {token: title for token, title in tokens.items() if token in text + answer}
    return SamplePrompt(text, answer, len(prompt), titles=titles)


def sample_prompts(task: Task, recommender: Any, cases: Sequence[EvalExample]) -> tuple[SamplePrompt, ...]:
    """Samples of the first test cases; empty for recommenders that are not language models."""
    if not hasattr(recommender, "model"):
        return ()
    return tuple(task.sample(recommender, case) for case in islice(task.samples(cases), SHOWN))
