"""The first test cases as the model saw them: asked and encoded by what scores them, and decoded from the token ids."""

from collections.abc import Sequence
from itertools import islice
from typing import Any

from shoptalk.models.base import LanguageModel
from shoptalk.prompts.tasks import liked
from shoptalk.recommend.items import ItemRecommender
from shoptalk.recommend.listing import ListRecommender
from shoptalk.recommend.options import LanguageModelRecommender
from shoptalk.recommend.titles import ask_title
from shoptalk.schema import Case, item_token

#: How many cases are shown.
SHOWN = 3


def sample_prompts(recommender: Any, cases: Sequence[Case]) -> list[dict[str, Any]]:
    """Prompts with their right answers, as texts made of the token ids that the model reads.

    Returns
    -------
    list of dict
        ``prompt``, ``answer``, ``tokens`` of the prompt; ``others``: the answers that are scored beside the right one;
        ``titles``: what the item tokens of the prompt and the answer stand for. Nothing for what is no language model.
    """
    if not isinstance(recommender, (ItemRecommender, ListRecommender, LanguageModelRecommender)):
        return []
    liking = recommender.teller.prompt.task == "like"  # asks about what has options or a rating only
    asked = (case for case in cases if not liking or case.candidates is not None or case.rating is not None)
    return [_sample(recommender, case) for case in islice(asked, SHOWN)]


def _sample(recommender: ItemRecommender | ListRecommender | LanguageModelRecommender, case: Case) -> dict[str, Any]:
    model, teller = recommender.model, recommender.teller
    if isinstance(recommender, LanguageModelRecommender):
        prompt, answers, right = _asked(recommender, case)
        said = [model.tokenizer.decode(answer, special=True) for answer in answers]
        others = [text for place, text in enumerate(said) if place != right]
        return {**_read(model, prompt), "answer": said[right], "others": others}
    prompt, _ = recommender.ask(case.history)
    answer = item_token(case.truth[0]) if isinstance(recommender, ItemRecommender) else teller.listed(case.truth)
    shown = _read(model, prompt) | {"answer": answer}
    whole = shown["prompt"] + answer
    named = {item_token(item): teller.catalogue[item].title for item in (*case.history.items, *case.truth)}
    return shown | {"titles": {token: title for token, title in named.items() if token in whole}}


def _asked(recommender: LanguageModelRecommender, case: Case) -> tuple[list[int], list[list[int]], int]:
    """The ids of the prompt and of its answers, and the place of the right one."""
    teller = recommender.teller
    if teller.prompt.task == "like":
        item, yes = liked(case)[0]
        (prompt, answers), _ = recommender.ask_liked(case.history, item)
        return prompt, answers, 0 if yes else 1
    if case.candidates is not None and case.answer is not None:
        (prompt, answers), _ = recommender.ask(case.history, case.candidates)
        return prompt, answers, case.answer
    prompt, _ = ask_title(recommender.model, teller, case.history)
    right = teller.examples(case)[0].messages[-1].text
    return prompt, [recommender.model.tokenizer.encode(right)], 0


def _read(model: LanguageModel, prompt: Sequence[int]) -> dict[str, Any]:
    return {"prompt": model.tokenizer.decode(prompt, special=True), "tokens": len(prompt)}
