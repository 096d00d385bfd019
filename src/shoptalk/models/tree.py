"""Log-probabilities of several answers to one prompt in one forward pass that computes the prompt once.

A row holds the prompt followed by all answers. The attention mask lets each answer see the prompt and itself, and the
position ids of each answer continue those of the prompt, so the scores equal those of one pass per answer (a tree mask,
as in SpecInfer, arXiv 2305.09781).
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from shoptalk.models.language_model import LanguageModel

#: A prompt's ids, and the ids of each answer that may follow it.
Question = tuple[list[int], list[list[int]]]
#: Tokens of a batch where every answer has its own row.
ROW_TOKENS = 8192
#: Most logits in memory at once: a large vocabulary times all answers of a batch would take gigabytes.
SCORES = 1 << 24


def tree_length(question: Question) -> int:
    """Tokens of the row; the last token of an answer predicts nothing and is not computed."""
    prompt, answers = question
    return len(prompt) + sum(len(answer) - 1 for answer in answers)


def tree_log_probabilities(model: LanguageModel, questions: Sequence[Question]) -> Tensor:
    """Natural log-probability of every answer token, given its prompt and the answer's tokens before it.

    Parameters
    ----------
    questions
        B prompts with their answers, of about the same `tree_length`, because shorter ones are padded.

    Returns
    -------
    Tensor
        (S,), float32: the tokens of all answers of all questions, end to end, in the order given.
    """
    width = max(map(tree_length, questions))
    if not model.reads_trees(width):
        return _row_per_answer(model, questions)
    rows = [_tree_row(question, width) for question in questions]
    ids, positions, masks, sources, targets = zip(*rows, strict=True)
    device = model.device
    with model.autocast():
        hidden = model.hidden(
            torch.stack(ids).to(device), torch.stack(positions).to(device), torch.stack(masks)[:, None].to(device)
        )
        row = torch.cat([torch.full_like(source, number) for number, source in enumerate(sources)])
        states = hidden[row.to(device), torch.cat(sources).to(device)]
        return _log_probabilities(model, states, torch.cat(targets).to(device))


def _row_per_answer(model: LanguageModel, questions: Sequence[Question]) -> Tensor:
    """The same with one row for each prompt and answer, for models without support of tree masks."""
    rows = [(prompt, answer) for prompt, answers in questions for answer in answers]
    width = max(len(prompt) + len(answer) - 1 for prompt, answer in rows)
    size = max(1, ROW_TOKENS // width)
    return torch.cat([_rows(model, rows[start : start + size]) for start in range(0, len(rows), size)])


def _rows(model: LanguageModel, rows: Sequence[tuple[list[int], list[int]]]) -> Tensor:
    """Log-probabilities (S,) of the answers' tokens; rows are padded on the right, which a causal model ignores."""
    width = max(len(prompt) + len(answer) - 1 for prompt, answer in rows)
    ids = torch.zeros(len(rows), width, dtype=torch.long)
    for number, (prompt, answer) in enumerate(rows):
        ids[number, : len(prompt) + len(answer) - 1] = torch.tensor([*prompt, *answer[:-1]])
    sources = torch.cat([torch.arange(len(prompt) - 1, len(prompt) + len(answer) - 1) for prompt, answer in rows])
    row = torch.repeat_interleave(torch.arange(len(rows)), torch.tensor([len(answer) for _, answer in rows]))
    with model.autocast():
        hidden = model.hidden(ids.to(model.device))
        states = hidden[row.to(model.device), sources.to(model.device)]
        targets = torch.tensor([token for _, answer in rows for token in answer], device=model.device)
        return _log_probabilities(model, states, targets)


def _log_probabilities(model: LanguageModel, states: Tensor, tokens: Tensor) -> Tensor:
    """Log-probability (S,) of a token given each of S states; at most `SCORES` logits are in memory at once."""
    size = max(1, SCORES // int(model.network.get_output_embeddings().weight.shape[0]))
    blocks = []
    for start in range(0, len(tokens), size):
        logits = model.logits(states[start : start + size]).float()
        block = tokens[start : start + size]
        blocks.append(logits.gather(1, block[:, None])[:, 0] - logits.logsumexp(1))
    return torch.cat(blocks) if blocks else states.new_zeros(0, dtype=torch.float32)


def _tree_row(question: Question, width: int) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Ids (T), positions (T), mask (T, T), and for each answer token the index that predicts it and its id."""
    prompt, answers = question
    start = len(prompt)
    ids = torch.zeros(width, dtype=torch.long)
    positions = torch.zeros(width, dtype=torch.long)
    ids[:start] = torch.tensor(prompt)
    positions[:start] = torch.arange(start)
    mask = torch.zeros(width, width, dtype=torch.bool)
    mask.fill_diagonal_(True)  # padding must attend to something, also in local attention
    mask[:start, :start] = torch.ones(start, start, dtype=torch.bool).tril()
    begin = start
    sources: list[int] = []
    targets: list[int] = []
    for answer in answers:
        inner = len(answer) - 1
        ids[begin : begin + inner] = torch.tensor(answer[:-1], dtype=torch.long)
        positions[begin : begin + inner] = torch.arange(start, start + inner)
        mask[begin : begin + inner, :start] = True
        mask[begin : begin + inner, begin : begin + inner] = torch.ones(inner, inner, dtype=torch.bool).tril()
        sources += [start - 1, *range(begin, begin + inner)]
        targets += answer
        begin += inner
    return ids, positions, mask, torch.tensor(sources), torch.tensor(targets)
