"""A language model chooses among given texts: constrained decoding over a trie of exactly these texts."""

from collections.abc import Sequence

import torch

from shoptalk.models.language_model import LanguageModel
from shoptalk.prompts.builder import PromptBuilder
from shoptalk.prompts.questions import fitted_question
from shoptalk.recommend.constrained import ExclusionMask, search
from shoptalk.recommend.tree_decoder import BATCH, TreeDecoder
from shoptalk.recommend.trie import Trie, make_trie
from shoptalk.schema import Candidates, History, Message


@torch.inference_mode()
def choose_answers(
    model: LanguageModel,
    builder: PromptBuilder,
    history: History,
    groups: Sequence[Sequence[str]],
    candidates: Candidates | None = None,
    scoring: str = "sum",
) -> list[int]:
    """The most probable text of each group as an answer to the question about a history.

    One trie holds the texts of all groups. For each group, only tokens that continue one of its own texts are
    considered. There are as many beams as texts, so the search is exact.

    Parameters
    ----------
    groups
        B groups of texts, none empty.
    candidates
        The options, for prompts that show them.
    scoring
        ``sum`` or ``mean`` of the log-probabilities of a text's tokens; ``pmi`` counts as ``sum``.

    Returns
    -------
    list
        The index of the chosen text in each group.
    """
    texts = list(dict.fromkeys(builder.safe(text) for group in groups for text in group))
    (prompt, answers), _ = fitted_question(
        lambda prompts, latest: prompts.ask(history, candidates, latest=latest),
        lambda *_: [Message("assistant", text) for text in texts],
        builder,
        model.tokenizer,
        history,
    )
    distinct = list(dict.fromkeys(map(tuple, answers)))  # texts of unknown characters may have equal tokens
    trie = make_trie(distinct).to(model.device)
    row_of_tokens = {distinct[index]: row for row, index in enumerate(trie.source.tolist())}
    row_of = {text: row_of_tokens[tuple(answer)] for text, answer in zip(texts, answers, strict=True)}
    allowed = [[row_of[builder.safe(text)] for text in group] for group in groups]
    chosen: list[int] = []
    for start in range(0, len(groups), BATCH):
        batch = allowed[start : start + BATCH]
        with model.autocast():
            decoder = TreeDecoder(model, [prompt] * len(batch))
            _, rows = search(decoder, trie, _only(batch, trie), max(map(len, batch)), 1, scoring)
        chosen += [group.index(row) for group, row in zip(batch, rows[:, 0].tolist(), strict=True)]
    return chosen


def _only(allowed: Sequence[Sequence[int]], trie: Trie) -> ExclusionMask:
    """All rows of a trie but those that each group allows are excluded."""
    excluded = [sorted(set(range(len(trie))) - set(rows)) for rows in allowed]
    width = max(map(len, excluded))
    padded = torch.tensor([rows + [len(trie)] * (width - len(rows)) for rows in excluded], dtype=torch.long)
    none = torch.zeros(len(trie) + 1, dtype=torch.long, device=trie.token.device)
    return ExclusionMask(none, padded.view(len(excluded), width).to(trie.token.device))
