"""What an epoch learns: answers token by token, the next item, or to tell the right option from the others."""

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
from shoptalk.training.catalogue_loss import full_loss, needed, sampled_loss
from shoptalk.training.cross_entropy import fused_cross_entropy, rounded
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

    def __len__(self) -> int:
        """N, in questions."""
        return len(self.questions)

    @cached_property
    def lengths(self) -> NDArray[np.int64]:
        """Tokens of each question's tree (N)."""
        return np.array([tree_length(question) for question in self.questions], dtype=np.int64)


@dataclass(frozen=True, slots=True)
class ValidationResult:
    """What the validation cases say: the mean loss per term, and for item tokens NDCG@10 over the whole catalogue."""

    loss: float
    ndcg: float | None = None

    @property
    def cost(self) -> float:
        """What is to be smallest; NaN where there are no validation cases, or where the loss is not a number."""
        return self.loss if self.ndcg is None or math.isnan(self.loss) else -self.ndcg


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

    def validation(self, model: LanguageModel, batch_tokens: int) -> ValidationResult:
        """Mean cross-entropy per answer token, in nats."""
        groups = plan(self.watched.lengths, batch_tokens, None)
        return ValidationResult(_mean(answer_loss(model, make_batch(self.watched, group)) for group in groups))


class NextItems:
    """Cross-entropy of the next item's token out of the whole catalogue, or out of ``negatives`` drawn for each step.

    Examples of other tasks may be mixed in: where a word is learned, it is told from the words. A term is a token.
    """

    name = "items"
    fresh = False

    def __init__(self, train: TokenSet, watched: TokenSet, negatives: int) -> None:
        self.train, self.watched, self.negatives = train, watched, negatives

    def plan(self, batch_tokens: int, generator: np.random.Generator) -> Groups:
        """The batches of an epoch."""
        return plan(self.train.lengths, batch_tokens, generator)

    def loss(self, model: LanguageModel, group: NDArray[np.int64]) -> tuple[Tensor, int, int]:
        """Summed cross-entropy in nats, learned tokens, tokens read."""
        batch = make_batch(self.train, group)
        loss, terms = item_loss(model, batch, self.negatives)
        return loss, terms, batch.used

    @torch.no_grad()
    def validation(self, model: LanguageModel, batch_tokens: int) -> ValidationResult:
        """Mean cross-entropy in nats and NDCG@10 (see `rank_metrics`), what was bought left out."""
        loss, gain, count = 0.0, 0.0, 0
        assert model.items is not None
        table = model.items.table()
        for group in plan(self.watched.lengths, batch_tokens, None):
            scores, targets = _last_scores(model, make_batch(self.watched, group), table)
            loss += float(cross_entropy(scores, targets, reduction="sum"))
            own = scores.gather(1, targets[:, None])
            bought = _bought(self.watched, group, model.items.first, scores.shape, targets.cpu())
            scores[bought[0], bought[1]] = -math.inf
            columns = torch.arange(scores.shape[1], device=scores.device)
            rank = target_ranks(scores, own, columns, targets[:, None]).cpu().numpy()
            gain += float(ndcg(rank, range(len(rank)), np.ones(len(rank), dtype=np.int64), DEFAULT_K).sum())
            count += len(group)
        return ValidationResult(loss / count, gain / count) if count else ValidationResult(math.nan)


class MultipleChoicePhase:
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

    def validation(self, model: LanguageModel, batch_tokens: int) -> ValidationResult:
        """Mean cross-entropy per question, in nats."""
        groups = plan(self.watched.lengths, batch_tokens, None)
        return ValidationResult(_mean(choice_loss(model, self.watched, group) for group in groups))


def answer_loss(model: LanguageModel, batch: Batch) -> tuple[Tensor, int]:
    """Summed cross-entropy of the answers' tokens, and how many; logits exist only where a token is learned."""
    device = model.device
    labels = torch.from_numpy(batch.labels).to(device).flatten()
    indices = torch.nonzero(labels != IGNORE).flatten()
    with model.autocast():
        hidden = model.hidden(torch.from_numpy(batch.ids).to(device)).flatten(0, 1)
        return word_loss(model, embedding(indices, hidden), labels[indices]), len(indices)


def word_loss(model: LanguageModel, states: Tensor, targets: Tensor) -> Tensor:
    """Summed cross-entropy in nats of words (n,) out of all words, told from states (n, D)."""
    head, transform = model.head, model.logit_transform
    if type(head) is nn.Linear and not transform.cap:  # nothing around it or behind it but a factor
        bias = None if head.bias is None else head.bias * transform.scale
        scaled = states if transform.scale == 1 else states * transform.scale
        return fused_cross_entropy(scaled, head.weight, bias, targets, DTYPES[model.precision])
    more = rounded(len(targets)) - len(targets)
    logits = model.logits(pad(states, (0, 0, 0, more))).float()
    return cross_entropy(logits, pad(targets, (0, more), value=IGNORE), ignore_index=IGNORE, reduction="sum")


def item_loss(model: LanguageModel, batch: Batch, negatives: int = 0) -> tuple[Tensor, int]:
    """Summed cross-entropy of items out of all items, and of words out of all words; and how many tokens are learned.

    Items without training interactions do not compete: nothing would ever speak for them.
    """
    items, device = model.items, model.device
    assert items is not None
    ids, labels = torch.from_numpy(batch.ids).to(device), torch.from_numpy(batch.labels).to(device)
    is_item = labels >= items.first
    targets = labels[is_item] - items.first
    with model.autocast():
        if negatives:
            table, drawn, share = needed(items, ids[ids >= items.first] - items.first, targets, negatives)
        else:
            table = items.table()
        hidden = model.hidden(ids, table=table)
        if negatives:
            loss = sampled_loss(hidden[is_item], table, targets, drawn, share)
        else:
            among = torch.nonzero(items.has_interactions).flatten()
            loss = full_loss(hidden[is_item], table, targets, DTYPES[model.precision], among)
        is_word = (labels != IGNORE) & ~is_item
        if bool(is_word.any()):
            loss = loss + word_loss(model, hidden[is_word], labels[is_word])
    return loss, int((labels != IGNORE).sum())


def _last_scores(model: LanguageModel, batch: Batch, table: ItemTable) -> tuple[Tensor, Tensor]:
    """Scores (B, I) of all items where each example's item is asked for, and the places (B,) of the right ones."""
    assert model.items is not None
    labels = torch.from_numpy(batch.labels).to(model.device)
    is_item = labels >= model.items.first
    with model.autocast():
        hidden = model.hidden(torch.from_numpy(batch.ids).to(model.device), table=table)[is_item].float()
    return torch.addmm(table.biases, hidden, table.vectors.T), labels[is_item] - model.items.first


def _bought(
    tokens: TokenSet, group: NDArray[np.int64], first: int, shape: Sequence[int], targets: Tensor
) -> tuple[Tensor, Tensor]:
    """Rows and columns of the items that examples hold, but for what is asked."""
    rows = np.repeat(np.arange(len(group)), tokens.lengths[group])
    seen_items = (
        np.concatenate([tokens.ids[tokens.ends[n] - tokens.lengths[n] : tokens.ends[n]] for n in group]) - first
    )
    kept = (seen_items >= 0) & (seen_items < shape[1]) & (seen_items != targets.numpy()[rows])
    return torch.from_numpy(rows[kept]), torch.from_numpy(seen_items[kept].astype(np.int64))


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
