"""Scores of options: the log-probability of each answer, all in one pass that computes the shared prompt once.

One row holds the prompt and behind it every answer; a mask lets each answer see the prompt and itself, and positions go
on from the prompt in each, so the scores are those of one pass per option (Medusa and SpecInfer call it a tree mask).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from shoptalk.models.base import LanguageModel
from shoptalk.prompts.encode import encode_question, fit
from shoptalk.prompts.tasks import Teller
from shoptalk.schema import Candidates, History, Message

Notify = Callable[[int, int], None]


def quiet(done: int, of: int) -> None:
    """Report to nobody."""


#: Tokens of a batch; a row's mask costs the square of its length.
BATCH_TOKENS = 8192


@dataclass(frozen=True, slots=True)
class Tree:
    """A prompt of T tokens and the answers that may follow it."""

    prompt: list[int]
    answers: list[list[int]]

    def __len__(self) -> int:
        """Tokens of the row; the last token of an answer predicts nothing and is not computed."""
        return len(self.prompt) + sum(len(answer) - 1 for answer in self.answers)


class LanguageModelRecommender:
    """A language model as a `Recommender`.

    Parameters
    ----------
    model, teller
        The model, and the words that it was trained on.
    scoring
        ``sum`` of the log-probabilities of an answer's tokens, or their ``mean``.
    """

    name = "model"

    def __init__(self, model: LanguageModel, teller: Teller, scoring: str) -> None:
        self.model, self.teller, self.scoring = model, teller, scoring
        self.cut = 0

    def score(
        self,
        histories: Sequence[History],
        candidates: Sequence[Candidates],
        notify: Notify = quiet,
    ) -> list[NDArray[np.float64]]:
        """Scores of each history's options (see `Recommender`); ``cut`` counts prompts that lost their oldest items."""
        self.cut = 0
        if self.teller.prompt.task == "like":
            asked = [
                (history, i) for history, options in zip(histories, candidates, strict=True) for i in options.items
            ]
            odds = self.odds([history for history, _ in asked], [item for _, item in asked], notify)
            return np.split(odds, np.cumsum([len(options.items) for options in candidates])[:-1])
        trees = [self.tree(history, options) for history, options in zip(histories, candidates, strict=True)]
        return [self._reduce(scores) for scores in log_probabilities(self.model, trees, notify)]

    def tree(self, history: History, candidates: Candidates) -> Tree:
        """The question and what could be answered, as token ids that fit."""
        answers = self.teller.answers(candidates)
        return self._fit(lambda latest: self.teller.ask(history, candidates, latest=latest), answers, history)

    def _fit(self, ask: Callable[[int], list[Message]], answers: list[Message], history: History) -> Tree:
        prompt = self.teller.prompt
        told = min(len(history.items), prompt.history)

        def build(latest: int) -> Tree:
            return Tree(*encode_question(prompt.style, ask(latest), answers, self.model.tokenizer))

        def length(tree: Tree) -> int:
            return len(tree.prompt) + max(map(len, tree.answers))

        tree, kept = fit(build, length, told, prompt.max_tokens)
        self.cut += kept < told
        return tree

    def odds(self, histories: Sequence[History], items: Sequence[str], notify: Notify = quiet) -> NDArray[np.float64]:
        """Log-odds that each user likes an item (task ``like``): log P(Yes) - log P(No), (B,)."""
        said = [Message("assistant", "Yes"), Message("assistant", "No")]
        trees = []
        for history, item in zip(histories, items, strict=True):

            def ask(latest: int, history: History = history, item: str = item) -> list[Message]:
                return self.teller.ask_liked(history, item, latest=latest)

            trees.append(self._fit(ask, said, history))
        scores = [self._reduce(tokens) for tokens in log_probabilities(self.model, trees, notify)]
        return np.array([yes - no for yes, no in scores], dtype=np.float64)

    def _reduce(self, scores: list[NDArray[np.float64]]) -> NDArray[np.float64]:
        reduce = np.mean if self.scoring == "mean" else np.sum
        return np.array([reduce(tokens) for tokens in scores], dtype=np.float64)


def log_probabilities(
    model: LanguageModel, trees: Sequence[Tree], notify: Notify = quiet
) -> list[list[NDArray[np.float64]]]:
    """Natural log-probability of every token of every answer, given its prompt and the tokens before it.

    Parameters
    ----------
    trees
        B prompts with their answers.
    notify
        Called with how many trees are done, and how many there are.

    Returns
    -------
    list of lists of arrays
        For each tree, for each answer, an array as long as the answer.
    """
    by_length = sorted(range(len(trees)), key=lambda number: len(trees[number]))
    results: list[list[NDArray[np.float64]]] = [[] for _ in trees]
    start = 0
    while start < len(by_length):
        end = start + 1
        while end < len(by_length) and len(trees[by_length[end]]) * (end + 1 - start) <= BATCH_TOKENS:
            end += 1
        chosen = by_length[start:end]
        for number, scores in zip(chosen, _batch(model, [trees[number] for number in chosen]), strict=True):
            results[number] = scores
        start = end
        notify(start, len(trees))
    return results


@torch.inference_mode()
def _batch(model: LanguageModel, trees: list[Tree]) -> list[list[NDArray[np.float64]]]:
    width = max(map(len, trees))
    rows = [_lay_out(tree, width) for tree in trees]
    ids, positions, masks, sources, targets = zip(*rows, strict=True)
    device = model.device
    with model.autocast():
        hidden = model.hidden(
            torch.stack(ids).to(device), torch.stack(positions).to(device), torch.stack(masks)[:, None].to(device)
        )
        row = torch.cat([torch.full_like(source, number) for number, source in enumerate(sources)])
        logits = model.head(hidden[row.to(device), torch.cat(sources).to(device)]).float()
    chosen = torch.cat(targets).to(device)
    scores = logits.gather(1, chosen[:, None])[:, 0] - logits.logsumexp(1)
    flat = scores.double().cpu().numpy()
    lengths = [len(answer) for tree in trees for answer in tree.answers]
    pieces = iter(np.split(flat, np.cumsum(lengths)[:-1]))
    return [[next(pieces) for _ in tree.answers] for tree in trees]


def _lay_out(tree: Tree, width: int) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Ids (T), positions (T), mask (T, T), and for each answer token the place that predicts it and what it is."""
    prompt = len(tree.prompt)
    ids = torch.zeros(width, dtype=torch.long)
    positions = torch.zeros(width, dtype=torch.long)
    ids[:prompt] = torch.tensor(tree.prompt)
    positions[:prompt] = torch.arange(prompt)
    mask = torch.zeros(width, width, dtype=torch.bool)
    mask[:, 0] = True  # a place that fills up the row must see something
    mask[:prompt, :prompt] = torch.ones(prompt, prompt, dtype=torch.bool).tril()
    at = prompt
    sources: list[int] = []
    targets: list[int] = []
    for answer in tree.answers:
        inner = len(answer) - 1
        ids[at : at + inner] = torch.tensor(answer[:-1], dtype=torch.long)
        positions[at : at + inner] = torch.arange(prompt, prompt + inner)
        mask[at : at + inner, :prompt] = True
        mask[at : at + inner, at : at + inner] = torch.ones(inner, inner, dtype=torch.bool).tril()
        sources += [prompt - 1, *range(at, at + inner)]
        targets += answer
        at += inner
    return ids, positions, mask, torch.tensor(sources), torch.tensor(targets)
