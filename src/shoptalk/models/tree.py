"""Log-probabilities of several answers to one prompt in one pass that computes the prompt once.

One row holds the prompt and behind it every answer; a mask lets each answer see the prompt and itself, and positions go
on from the prompt in each, so the scores are those of one pass per answer (a tree mask, as in SpecInfer, arXiv
2305.09781).
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from shoptalk.models.base import LanguageModel

#: A prompt's ids, and the ids of each answer that may follow it.
Question = tuple[list[int], list[list[int]]]
#: Tokens computed at once where every answer has a row of its own.
ROW_TOKENS = 8192


def tree_length(question: Question) -> int:
    """Tokens of the row; the last token of an answer predicts nothing and is not computed."""
    prompt, answers = question
    return len(prompt) + sum(len(answer) - 1 for answer in answers)


def tree_log_probabilities(model: LanguageModel, questions: Sequence[Question]) -> Tensor:
    """Natural log-probability of every answer token, given its prompt and the answer's tokens before it.

    Parameters
    ----------
    questions
        B prompts with their answers; they should be of about the same `tree_length`, for shorter ones are filled up.

    Returns
    -------
    Tensor
        (S,), float32: the tokens of all answers of all questions, end to end, in the order given.
    """
    width = max(map(tree_length, questions))
    if not model.reads_trees(width):
        return _one_by_one(model, questions)
    rows = [_lay_out(question, width) for question in questions]
    ids, positions, masks, sources, targets = zip(*rows, strict=True)
    device = model.device
    with model.autocast():
        hidden = model.hidden(
            torch.stack(ids).to(device), torch.stack(positions).to(device), torch.stack(masks)[:, None].to(device)
        )
        row = torch.cat([torch.full_like(source, number) for number, source in enumerate(sources)])
        logits = model.logits(hidden[row.to(device), torch.cat(sources).to(device)]).float()
    return _chosen(logits, torch.cat(targets).to(device))


def _one_by_one(model: LanguageModel, questions: Sequence[Question]) -> Tensor:
    """The same, each answer in a row of its own behind its prompt, for models that do not read trees."""
    rows = [(prompt, answer) for prompt, answers in questions for answer in answers]
    width = max(len(prompt) + len(answer) - 1 for prompt, answer in rows)
    size = max(1, ROW_TOKENS // width)
    return torch.cat([_rows(model, rows[start : start + size]) for start in range(0, len(rows), size)])


def _rows(model: LanguageModel, rows: Sequence[tuple[list[int], list[int]]]) -> Tensor:
    """Log-probabilities (S,) of the answers' tokens; rows are filled up behind, where a causal model never looks."""
    width = max(len(prompt) + len(answer) - 1 for prompt, answer in rows)
    ids = torch.zeros(len(rows), width, dtype=torch.long)
    for number, (prompt, answer) in enumerate(rows):
        ids[number, : len(prompt) + len(answer) - 1] = torch.tensor([*prompt, *answer[:-1]])
    sources = torch.cat([torch.arange(len(prompt) - 1, len(prompt) + len(answer) - 1) for prompt, answer in rows])
    owner = torch.repeat_interleave(torch.arange(len(rows)), torch.tensor([len(answer) for _, answer in rows]))
    with model.autocast():
        hidden = model.hidden(ids.to(model.device))
        logits = model.logits(hidden[owner.to(model.device), sources.to(model.device)]).float()
    return _chosen(logits, torch.tensor([token for _, answer in rows for token in answer], device=model.device))


def _chosen(logits: Tensor, tokens: Tensor) -> Tensor:
    return logits.gather(1, tokens[:, None])[:, 0] - logits.logsumexp(1)


def _lay_out(question: Question, width: int) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Ids (T), positions (T), mask (T, T), and for each answer token the place that predicts it and what it is."""
    prompt, answers = question
    start = len(prompt)
    ids = torch.zeros(width, dtype=torch.long)
    positions = torch.zeros(width, dtype=torch.long)
    ids[:start] = torch.tensor(prompt)
    positions[:start] = torch.arange(start)
    mask = torch.zeros(width, width, dtype=torch.bool)
    mask.fill_diagonal_(True)  # a place that fills up the row must see something, also in local attention
    mask[:start, :start] = torch.ones(start, start, dtype=torch.bool).tril()
    at = start
    sources: list[int] = []
    targets: list[int] = []
    for answer in answers:
        inner = len(answer) - 1
        ids[at : at + inner] = torch.tensor(answer[:-1], dtype=torch.long)
        positions[at : at + inner] = torch.arange(start, start + inner)
        mask[at : at + inner, :start] = True
        mask[at : at + inner, at : at + inner] = torch.ones(inner, inner, dtype=torch.bool).tril()
        sources += [start - 1, *range(at, at + inner)]
        targets += answer
        at += inner
    return ids, positions, mask, torch.tensor(sources), torch.tensor(targets)
