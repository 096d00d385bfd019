"""What an epoch learns: answers word by word, or to tell the right option from the others."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import cross_entropy

from shoptalk.models.base import LanguageModel
from shoptalk.models.tree import Question, tree_length, tree_log_probabilities
from shoptalk.prompts.encode import IGNORE
from shoptalk.training.batching import Batch, make_batch, plan
from shoptalk.training.examples import TokenSet

Groups = list[NDArray[np.int64]]


@dataclass(frozen=True)
class Choices:
    """N questions with their options as answers, and the places of the right ones.

    An option's score is the summed log-probability of its tokens, or with ``mean`` their mean.
    """

    questions: Sequence[Question]
    right: NDArray[np.int64]
    mean: bool

    @cached_property
    def lengths(self) -> NDArray[np.int64]:
        """Tokens of each question's tree (N)."""
        return np.array([tree_length(question) for question in self.questions], dtype=np.int64)


class Answers:
    """Cross-entropy of the answers' tokens; a term is a token."""

    fresh = False

    def __init__(self, name: str, train: TokenSet, watched: TokenSet) -> None:
        self.name, self.train, self.watched = name, train, watched

    def plan(self, batch_tokens: int, generator: np.random.Generator) -> Groups:
        """The batches of an epoch."""
        return plan(self.train.lengths, batch_tokens, generator)

    def loss(self, model: LanguageModel, group: NDArray[np.int64]) -> tuple[Tensor, int, int]:
        """Summed cross-entropy in nats, answer tokens, tokens read."""
        batch = make_batch(self.train, group)
        loss, terms = answer_loss(model, batch)
        return loss, terms, batch.used

    def validation(self, model: LanguageModel, batch_tokens: int) -> float:
        """Mean cross-entropy per answer token, in nats."""
        groups = plan(self.watched.lengths, batch_tokens, None)
        return _mean(answer_loss(model, make_batch(self.watched, group)) for group in groups)


class Choosing:
    """Cross-entropy of the right option under the softmax of all options' scores; a term is a question."""

    fresh = True

    def __init__(self, name: str, train: Choices, watched: Choices) -> None:
        self.name, self.train, self.watched = name, train, watched

    def plan(self, batch_tokens: int, generator: np.random.Generator) -> Groups:
        """The batches of an epoch."""
        return plan(self.train.lengths, batch_tokens, generator)

    def loss(self, model: LanguageModel, group: NDArray[np.int64]) -> tuple[Tensor, int, int]:
        """Summed cross-entropy in nats, questions, tokens read."""
        loss, terms = choice_loss(model, self.train, group)
        return loss, terms, int(self.train.lengths[group].sum())

    def validation(self, model: LanguageModel, batch_tokens: int) -> float:
        """Mean cross-entropy per question, in nats."""
        groups = plan(self.watched.lengths, batch_tokens, None)
        return _mean(choice_loss(model, self.watched, group) for group in groups)


def answer_loss(model: LanguageModel, batch: Batch) -> tuple[Tensor, int]:
    """Summed cross-entropy of the answers' tokens, and how many; logits exist only where a token is learned."""
    device = model.device
    labels = torch.from_numpy(batch.labels).to(device)
    with model.autocast():
        hidden = model.hidden(torch.from_numpy(batch.ids).to(device))
        learned = labels != IGNORE
        logits = model.head(hidden[learned])
    return cross_entropy(logits.float(), labels[learned], reduction="sum"), int(learned.sum())


def choice_loss(model: LanguageModel, choices: Choices, group: NDArray[np.int64]) -> tuple[Tensor, int]:
    """Summed cross-entropy of the right options of some questions, all with as many options, and how many."""
    questions = [choices.questions[number] for number in group.tolist()]
    flat = tree_log_probabilities(model, questions)
    sizes = torch.tensor([len(answer) for _, answers in questions for answer in answers], device=flat.device)
    owner = torch.repeat_interleave(torch.arange(len(sizes), device=flat.device), sizes)
    scores = torch.zeros(len(sizes), device=flat.device).index_add(0, owner, flat)
    if choices.mean:
        scores = scores / sizes
    right = torch.from_numpy(choices.right[group]).to(flat.device)
    return cross_entropy(scores.view(len(questions), -1), right, reduction="sum"), len(questions)


@torch.no_grad()
def _mean(losses: Iterable[tuple[Tensor, int]]) -> float:
    total, count = 0.0, 0
    for loss, terms in losses:
        total += float(loss)
        count += terms
    return total / count if count else math.nan
