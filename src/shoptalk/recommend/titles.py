"""Generating the exact title, or a recommendation with its reason: greedy decoding without constraints."""

from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import ClassVar

import torch

from shoptalk.length_batching import length_batches
from shoptalk.models.language_model import LanguageModel
from shoptalk.progress import Notify, quiet
from shoptalk.prompts.builder import PromptBuilder
from shoptalk.prompts.questions import ending, open_question
from shoptalk.ranking import Bools
from shoptalk.recommend.constrained import TitleSearch
from shoptalk.recommend.options import LanguageModelRecommender
from shoptalk.schema import History, RankedList

#: Most tokens of a batch, prompts with their answers, and most prompts of a batch.
BATCH_TOKENS, BATCH_ROWS = 8192, 64
#: Most items that are scored one by one; more are searched, with ``BEAMS`` beams.
MOST_SCORED, BEAMS = 300, 100


class TitleRecommender(LanguageModelRecommender):
    """A language model that generates titles: few items are scored one by one, many are searched with beams."""

    ranks_catalogue: ClassVar[bool] = True

    @cached_property
    def search(self) -> TitleSearch:
        """The search over the titles of the whole catalogue."""
        return TitleSearch(self.model, self.builder, self.scoring, BEAMS)

    def rank(
        self,
        histories: Sequence[History],
        k: int,
        *,
        allowed: Bools | None = None,
        exclude_history: bool = True,
        targets: Sequence[str] | None = None,
        notify: Notify = quiet,
    ) -> list[RankedList]:
        """The k best items of each history (see `Recommender`)."""
        count = len(self.items) if allowed is None else int(allowed.sum())
        rank = super().rank if count <= MOST_SCORED else self.search.rank
        return rank(histories, k, allowed=allowed, exclude_history=exclude_history, targets=targets, notify=notify)


def ask_title(model: LanguageModel, builder: PromptBuilder, history: History) -> tuple[list[int], bool]:
    """The token ids of the prompt for a history, and whether the history was shortened."""
    return open_question(builder, model.tokenizer, history, builder.longest_answer, model.longest)


@torch.inference_mode()
def generate_titles(
    model: LanguageModel, builder: PromptBuilder, histories: Sequence[History], notify: Notify = quiet
) -> list[str]:
    """Generated titles of the next purchase of each user: B texts, in the catalogue or not."""
    end, most_tokens = ending(builder, model.tokenizer), builder.longest_answer
    prompts = [ask_title(model, builder, history)[0] for history in histories]
    texts = [""] * len(prompts)
    done = 0
    for batch in length_batches([len(prompt) + most_tokens for prompt in prompts], BATCH_TOKENS, max_rows=BATCH_ROWS):
        numbers = batch.tolist()
        generated = _decode(model, [prompts[number] for number in numbers], end, most_tokens)
        for number, text in zip(numbers, generated, strict=True):
            texts[number] = text
        done += len(numbers)
        notify(done, len(prompts))
    return texts


def _decode(model: LanguageModel, prompts: list[list[int]], end: list[int], most_tokens: int) -> list[str]:
    """Greedy continuations of prompts, which are padded on the left."""
    width = max(map(len, prompts))
    pad = model.tokenizer.pad_id
    ids = torch.tensor([[pad] * (width - len(prompt)) + prompt for prompt in prompts], device=model.device)
    mask = torch.tensor([[0] * (width - len(prompt)) + [1] * len(prompt) for prompt in prompts], device=model.device)
    stops = sorted(stop_ids(model, end))
    with model.autocast():
        output = model.network.generate(
            input_ids=ids,
            attention_mask=mask,
            max_new_tokens=most_tokens,
            do_sample=False,
            num_beams=1,
            eos_token_id=stops,
            pad_token_id=pad,
        )
    return [_until(generated, stops, model) for generated in output[:, width:].tolist()]


def stop_ids(model: LanguageModel, end: Sequence[int]) -> set[int]:
    """The tokens that end decoding: the last token of the end of an answer, and the end tokens of the model."""
    eos = getattr(model.network.generation_config, "eos_token_id", None)
    eos_ids: Iterable[int] = () if eos is None else [eos] if isinstance(eos, int) else eos
    return {end[-1], *eos_ids}


def _until(ids: list[int], stops: list[int], model: LanguageModel) -> str:
    """The text of generated ids before the first stop token, with single spaces."""
    for index, token in enumerate(ids):
        if token in stops:
            ids = ids[:index]
            break
    return " ".join(model.tokenizer.decode(ids).split())
