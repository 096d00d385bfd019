"""Phases of training and their losses: tokens of answers, the next item, the right one of some options."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, embedding, pad

from shoptalk.constants import DEFAULT_K
from shoptalk.models.items import ItemTable
from shoptalk.models.language_model import LanguageModel
from shoptalk.models.precision import DTYPES
from shoptalk.models.tree import Question, tree_length, tree_log_probabilities
from shoptalk.prompts.encode import IGNORE
from shoptalk.rank_metrics import ndcg, target_ranks
from shoptalk.training.batching import Batch, make_batch, plan
from shoptalk.training.catalogue_loss import full_loss, sampled_loss, sampled_table
from shoptalk.training.cross_entropy import fused_cross_entropy, rounded
from shoptalk.training.examples import TokenSet

Groups = list[NDArray[np.int64]]


@dataclass(frozen=True)
class Choices:
    """N questions with their options as answers; ``right`` holds the index of the right option of each (N,).

    The score of an option is the sum of the log-probabilities of its tokens, or with ``mean`` their mean. With
    ``priors``, the same questions about a user without purchases, it is less the sum there.
    """

    questions: Sequence[Question]
    right: NDArray[np.int64]
    mean: bool
    priors: Sequence[Question] = ()

    def __len__(self) -> int:
        """N, the number of questions."""
        return len(self.questions)

    @cached_property
    def lengths(self) -> NDArray[np.int64]:
        """Tokens of each question's tree, and of that of its prior (N)."""
        lengths = np.array([tree_length(question) for question in self.questions], dtype=np.int64)
        return lengths + np.array([tree_length(question) for question in self.priors] or 0, dtype=np.int64)


@dataclass(frozen=True, slots=True)
class ValidationResult:
    """The mean loss per term on the validation cases, and for item tokens NDCG@10 over the whole catalogue."""

    loss: float
    ndcg: float | None = None

    @property
    def cost(self) -> float:
        """What is minimised: -NDCG, or the loss; NaN without validation cases or where the loss is NaN."""
        return self.loss if self.ndcg is None or math.isnan(self.loss) else -self.ndcg


class Answers:
    """Cross-entropy of the answers' tokens; a term is a token."""

    resets_optimiser = False

    def __init__(self, name: str, train: TokenSet, validation: TokenSet) -> None:
        self.name, self.train, self.validation_set = name, train, validation

    def plan(self, batch_tokens: int, generator: np.random.Generator) -> Groups:
        """The batches of an epoch."""
        return plan(self.train.lengths, batch_tokens, generator)

    def loss(self, model: LanguageModel, group: NDArray[np.int64]) -> tuple[Tensor, int, int]:
        """Summed cross-entropy in nats, number of answer tokens, number of tokens read."""
        batch = make_batch(self.train, group)
        loss, terms = answer_loss(model, batch)
        return loss, terms, batch.used

    def validate(self, model: LanguageModel, batch_tokens: int) -> ValidationResult:
        """Mean cross-entropy per answer token, in nats."""
        groups = plan(self.validation_set.lengths, batch_tokens, None)
        return ValidationResult(_mean(answer_loss(model, make_batch(self.validation_set, group)) for group in groups))


class NextItems:
    """Cross-entropy of the next item, over the whole catalogue or over ``negatives`` items sampled for each step.

    Examples with text answers may be mixed in; their tokens have the cross-entropy over the word vocabulary. A term is
    a token.
    """

    resets_optimiser = False

    def __init__(self, train: TokenSet, validation: TokenSet, negatives: int, name: str = "items") -> None:
        self.train, self.validation_set, self.negatives, self.name = train, validation, negatives, name

    def plan(self, batch_tokens: int, generator: np.random.Generator) -> Groups:
        """The batches of an epoch."""
        return plan(self.train.lengths, batch_tokens, generator)

    def loss(self, model: LanguageModel, group: NDArray[np.int64]) -> tuple[Tensor, int, int]:
        """Summed cross-entropy in nats, number of answer tokens, number of tokens read."""
        batch = make_batch(self.train, group)
        loss, terms = item_loss(model, batch, self.negatives)
        return loss, terms, batch.used

    @torch.no_grad()
    def validate(self, model: LanguageModel, batch_tokens: int) -> ValidationResult:
        """Mean cross-entropy in nats, and NDCG@10 of the catalogue without the history (see `rank_metrics`)."""
        loss_sum, ndcg_sum, count = 0.0, 0.0, 0
        assert model.items is not None
        table = model.items.table()
        for group in plan(self.validation_set.lengths, batch_tokens, None):
            scores, targets = _next_item_scores(model, make_batch(self.validation_set, group), table)
            loss_sum += float(cross_entropy(scores, targets, reduction="sum"))
            target_scores = scores.gather(1, targets[:, None])
            rows, items = _history_items(self.validation_set, group, model.items.first, scores.shape, targets.cpu())
            scores[rows, items] = -math.inf
            columns = torch.arange(scores.shape[1], device=scores.device)
            ranks = target_ranks(scores, target_scores, columns, targets[:, None]).cpu().numpy()
            ndcg_sum += float(ndcg(ranks, range(len(ranks)), np.ones(len(ranks), dtype=np.int64), DEFAULT_K).sum())
            count += len(group)
        return ValidationResult(loss_sum / count, ndcg_sum / count) if count else ValidationResult(math.nan)


class MultipleChoicePhase:
    """Cross-entropy of the right option under the softmax of all options' scores; a term is a question."""

    resets_optimiser = True

    def __init__(self, name: str, train: Choices, validation: Choices) -> None:
        self.name, self.train, self.validation_set = name, train, validation

    def plan(self, batch_tokens: int, generator: np.random.Generator) -> Groups:
        """The batches of an epoch."""
        return plan(self.train.lengths, batch_tokens, generator)

    def loss(self, model: LanguageModel, group: NDArray[np.int64]) -> tuple[Tensor, int, int]:
        """Summed cross-entropy in nats, number of questions, number of tokens read."""
        loss, terms = choice_loss(model, self.train, group)
        return loss, terms, int(self.train.lengths[group].sum())

    def validate(self, model: LanguageModel, batch_tokens: int) -> ValidationResult:
        """Mean cross-entropy per question, in nats."""
        groups = plan(self.validation_set.lengths, batch_tokens, None)
        return ValidationResult(_mean(choice_loss(model, self.validation_set, group) for group in groups))


def answer_loss(model: LanguageModel, batch: Batch) -> tuple[Tensor, int]:
    """Summed cross-entropy in nats of the answers' tokens, and their number; logits are computed for these only."""
    device = model.device
    labels = torch.from_numpy(batch.labels).to(device).flatten()
    indices = torch.nonzero(labels != IGNORE).flatten()
    with model.autocast():
        hidden = model.hidden(torch.from_numpy(batch.ids).to(device)).flatten(0, 1)
        return word_loss(model, embedding(indices, hidden), labels[indices]), len(indices)


def word_loss(model: LanguageModel, states: Tensor, targets: Tensor) -> Tensor:
    """Summed cross-entropy in nats of the target tokens (n,) over the word vocabulary, from hidden states (n, D)."""
    head, transform = model.head, model.logit_transform
    if type(head) is nn.Linear and not transform.cap:  # the logits are linear in the states, without an adapter
        bias = None if head.bias is None else head.bias * transform.scale
        scaled = states if transform.scale == 1 else states * transform.scale
        return fused_cross_entropy(scaled, head.weight, bias, targets, DTYPES[model.precision])
    padding = rounded(len(targets)) - len(targets)
    logits = model.logits(pad(states, (0, 0, 0, padding))).float()
    return cross_entropy(logits, pad(targets, (0, padding), value=IGNORE), ignore_index=IGNORE, reduction="sum")


def item_loss(model: LanguageModel, batch: Batch, negatives: int = 0) -> tuple[Tensor, int]:
    """Summed cross-entropy in nats of item tokens over items and of words over words, and the number of both.

    Items without training interactions are left out of the softmax, because they are never a target.
    """
    items, device = model.items, model.device
    assert items is not None
    ids, labels = torch.from_numpy(batch.ids).to(device), torch.from_numpy(batch.labels).to(device)
    is_item = labels >= items.first
    targets = labels[is_item] - items.first
    with model.autocast():
        if negatives:
            table, drawn, share = sampled_table(items, ids[ids >= items.first] - items.first, targets, negatives)
        else:
            table = items.table()
        hidden = model.hidden(ids, table=table)
        if negatives:
            loss = sampled_loss(hidden[is_item], table, targets, drawn, share)
        else:
            competing = torch.nonzero(items.has_interactions).flatten()
            loss = full_loss(hidden[is_item], table, targets, DTYPES[model.precision], competing)
        is_word = (labels != IGNORE) & ~is_item
        if bool(is_word.any()):
            loss = loss + word_loss(model, hidden[is_word], labels[is_word])
    return loss, int((labels != IGNORE).sum())


def _next_item_scores(model: LanguageModel, batch: Batch, table: ItemTable) -> tuple[Tensor, Tensor]:
    """Scores (B, I) of all items as the next item of each example, and the indices (B,) of the targets."""
    assert model.items is not None
    labels = torch.from_numpy(batch.labels).to(model.device)
    is_item = labels >= model.items.first
    with model.autocast():
        hidden = model.hidden(torch.from_numpy(batch.ids).to(model.device), table=table)[is_item].float()
    return torch.addmm(table.biases, hidden, table.vectors.T), labels[is_item] - model.items.first


def _history_items(
    tokens: TokenSet, group: NDArray[np.int64], first: int, shape: Sequence[int], targets: Tensor
) -> tuple[Tensor, Tensor]:
    """Rows and columns, in scores of ``shape``, of all items in the examples of a group except the targets."""
    rows = np.repeat(np.arange(len(group)), tokens.lengths[group])
    examples = [tokens.ids[tokens.ends[number] - tokens.lengths[number] : tokens.ends[number]] for number in group]
    items = np.concatenate(examples) - first  # negative for words
    excluded = (items >= 0) & (items < shape[1]) & (items != targets.numpy()[rows])
    return torch.from_numpy(rows[excluded]), torch.from_numpy(items[excluded].astype(np.int64))


def choice_loss(model: LanguageModel, choices: Choices, group: NDArray[np.int64]) -> tuple[Tensor, int]:
    """Summed cross-entropy in nats of the right options of a group of questions, and the number of questions.

    All questions of a group have the same number of options.
    """
    scores = _option_scores(model, [choices.questions[number] for number in group.tolist()], mean=choices.mean)
    if choices.priors:
        scores = scores - _option_scores(model, [choices.priors[number] for number in group.tolist()], mean=False)
    right = torch.from_numpy(choices.right[group]).to(scores.device)
    return cross_entropy(scores, right, reduction="sum"), len(group)


def _option_scores(model: LanguageModel, questions: Sequence[Question], *, mean: bool) -> Tensor:
    """The sum or mean (B, O) of the log-probabilities of the tokens of the O options of each question."""
    token_scores = tree_log_probabilities(model, questions)
    device = token_scores.device
    sizes = torch.tensor([len(answer) for _, answers in questions for answer in answers], device=device)
    option = torch.repeat_interleave(torch.arange(len(sizes), device=device), sizes)  # that a token belongs to
    scores = torch.zeros(len(sizes), device=device).index_add(0, option, token_scores)
    return (scores / sizes if mean else scores).view(len(questions), -1)


@torch.no_grad()
def _mean(losses: Iterable[tuple[Tensor, int]]) -> float:
    """The mean per term of summed losses with their numbers of terms; NaN without terms."""
    total, count = 0.0, 0
    for loss, terms in losses:
        total += float(loss)
        count += terms
    return total / count if count else math.nan
