"""Generating a list of the next ten items token by token: constrained to new items, or free."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from shoptalk.errors import ModelError
from shoptalk.models.language_model import LanguageModel
from shoptalk.models.tokenizer import Tokenizer
from shoptalk.progress import Notify, quiet
from shoptalk.prompts.builder import PromptBuilder
from shoptalk.prompts.questions import ending, open_question
from shoptalk.ranking import explain_by_removal
from shoptalk.recommend.titles import stop_ids
from shoptalk.recommend.tree_decoder import TreeDecoder, batches
from shoptalk.schema import LIST_LENGTH as LISTED
from shoptalk.schema import NO_ITEM, Candidates, History, RankedList, Reason, item_token


@dataclass(frozen=True, slots=True)
class GeneratedList:
    """A parsed list: the distinct items in order, the number of entries, and of invalid and repeated ones.

    ``scores`` are the natural log-probabilities of all tokens up to and including that of each item.
    """

    items: tuple[str, ...]
    scores: tuple[float, ...]
    entries: int
    invalid: int
    repeats: int


class ListRecommender:
    """A language model that generates lists of items (task ``generate_ids``) by greedy decoding.

    Parameters
    ----------
    model, builder
        The model, and the prompt builder of its training.
    constrained
        Whether only the tokens of items are considered that are neither in the list nor in the history. Otherwise all
        tokens are, up to the number of tokens of ten items.

    Attributes
    ----------
    cut
        Number of histories that the last `rank` or `score` shortened.
    invalid_share, repeat_share
        For each history of the last `rank`: the shares of the entries of its list that are no item, and that repeat an
        earlier entry; NaN for an empty list. Items that pad a list, as ``prompt.padding`` trains it, count as repeats.
    """

    name = "model"
    score_unit = "log-probability"

    def __init__(self, model: LanguageModel, builder: PromptBuilder, *, constrained: bool = True) -> None:
        self.model, self.builder, self.constrained, self.cut = model, builder, constrained, 0
        self.items = list(builder.catalogue)
        tokens = [_token(model.tokenizer, item) for item in self.items]
        self._tokens = torch.tensor(tokens, dtype=torch.long, device=model.device)
        self._index_of = {token: index for index, token in enumerate(tokens)}
        self._item_index = {item: index for index, item in enumerate(self.items)}
        self.separator = _separator(model.tokenizer, self.items)
        self.end = ending(builder, model.tokenizer)
        self._stops = torch.tensor(sorted(stop_ids(model, self.end)), dtype=torch.long, device=model.device)
        self._longest = LISTED * (1 + len(self.separator)) + len(self.end)
        self.invalid_share = self.repeat_share = np.empty(0)

    def ask(self, history: History) -> tuple[list[int], bool]:
        """The token ids of the prompt for a history, and whether the history was shortened."""
        return open_question(self.builder, self.model.tokenizer, history, self._longest, self.model.longest)

    @torch.inference_mode()
    def rank(
        self,
        histories: Sequence[History],
        k: int = LISTED,
        *,
        allowed: NDArray[np.bool_] | None = None,
        exclude_history: bool = True,
        targets: Sequence[str] | None = None,  # noqa: ARG002
        notify: Notify = quiet,
    ) -> list[RankedList]:
        """The first k items of the list of each history (see `Recommender`).

        The score of an item is the log-probability of the list up to and including it. A constrained list has ten
        items, as in training. If k is larger, further items follow in the order of their probability as the tenth item,
        with the log-probability of the list that they would end. Free lists are not changed. Targets get no rank.
        """
        encoded = [self.ask(history) for history in histories]
        self.cut = sum(cut for _, cut in encoded)
        generated: dict[int, GeneratedList] = {}
        allowed_items = self._allowed_items(allowed)
        for numbers in batches([prompt for prompt, _ in encoded]):
            with self.model.autocast():
                decoder = TreeDecoder(self.model, [encoded[number][0] for number in numbers])
                if self.constrained:
                    mask = self._mask([histories[number] for number in numbers], allowed_items, exclude_history)
                    lists = self._decode_constrained(decoder, mask, k)
                else:
                    lists = self._decode_free(decoder)
            generated |= dict(zip(numbers, lists, strict=True))
            notify(len(generated), len(histories))
        self.invalid_share = _entry_rates(generated, "invalid")
        self.repeat_share = _entry_rates(generated, "repeats")
        return [
            RankedList(history.user_id, generated[number].items[:k], generated[number].scores[:k])
            for number, history in enumerate(histories)
        ]

    @torch.inference_mode()
    def score(
        self, histories: Sequence[History], candidates: Sequence[Candidates], notify: Notify = quiet
    ) -> list[NDArray[np.float64]]:
        """Log-probability of each option as the first item of the list (see `Recommender`)."""
        encoded = [self.ask(history) for history in histories]
        self.cut = sum(cut for _, cut in encoded)
        scores: dict[int, NDArray[np.float64]] = {}
        for numbers in batches([prompt for prompt, _ in encoded]):
            with self.model.autocast():
                decoder = TreeDecoder(self.model, [encoded[number][0] for number in numbers])
                logits = decoder.logits(decoder.last)
            item_scores = logits.log_softmax(1)[:, self._tokens].double().cpu().numpy()
            for number, row in zip(numbers, item_scores, strict=True):
                scores[number] = row[[self._column(item) for item in candidates[number].items]]
            notify(len(scores), len(histories))
        return [scores[number] for number in range(len(histories))]

    def explain(
        self, history: History, items: Sequence[str], candidates: Candidates | None = None
    ) -> list[list[Reason]]:
        """What each item of the history adds to the log-probability of each item as the first of the list."""
        options = candidates or Candidates(tuple(items), ("",) * len(items))
        return explain_by_removal(self, history, items, options, self.builder.prompt.history)

    def _column(self, item: str) -> int:
        """Index of an item among all items of the model."""
        if item not in self._item_index:
            raise ModelError(
                f"the model has no token for item {item!r}", hint='train with prompt.task = "generate_ids"'
            )
        return self._item_index[item]

    def _allowed_items(self, allowed: NDArray[np.bool_] | None) -> Tensor:
        """(I,) mask of the items that may be in any list."""
        mask = np.ones(len(self.items), dtype=np.bool_) if allowed is None else allowed
        return torch.from_numpy(mask).to(self.model.device)

    def _mask(self, histories: Sequence[History], allowed_items: Tensor, exclude_history: bool) -> Tensor:
        """(B, I) mask of the items that may be in the list of each history."""
        mask = allowed_items.repeat(len(histories), 1)
        if exclude_history:
            history_items = [
                (row, self._item_index[item])
                for row, history in enumerate(histories)
                for item in history.items
                if item in self._item_index
            ]
            rows, indices = torch.tensor(history_items, dtype=torch.long, device=mask.device).view(-1, 2).T
            mask[rows, indices] = False
        return mask

    def _decode_constrained(self, decoder: TreeDecoder, mask: Tensor, k: int) -> list[GeneratedList]:
        """Lists constrained to the items of a mask (B, I), from which each item is removed once it is listed.

        An item and the separator after it are computed in one pass.
        """
        size, device = len(mask), mask.device
        if not k:
            return [GeneratedList((), (), 0, 0, 0)] * size
        steps = min(k, LISTED)
        separator = torch.tensor(self.separator, dtype=torch.long, device=device).expand(size, -1)
        count = torch.full((size, 1), 1 + len(self.separator), device=device)
        state, seen, score = decoder.last, decoder.seen, torch.zeros(size, device=device)
        chosen: list[Tensor] = []
        scores: list[Tensor] = []
        for step in range(steps):
            logits = decoder.logits(state)
            gains = (logits[:, self._tokens] - logits.logsumexp(1, keepdim=True)).masked_fill(~mask, -torch.inf)
            if step + 1 == steps:
                gain, best = gains.topk(min(k - step, gains.shape[1]), dim=1)
                chosen.extend(best.unbind(1))
                scores.extend((score[:, None] + gain).unbind(1))
                break
            gain, best = gains.max(1)
            score = score + gain
            chosen.append(best)
            scores.append(score)
            mask[torch.arange(size, device=device), best] = False
            tokens = torch.cat([self._tokens[best][:, None], separator], 1)[:, None]
            depth = torch.full((size, 1), step * (1 + len(self.separator)), device=device)
            hidden, _, seen = decoder.grow(tokens, count, depth, seen)
            states = hidden.view(size, -1, hidden.shape[1])  # after the item, and after each token of the separator
            state = states[:, -1]
            if self.separator:
                separator_states = states[:, :-1].flatten(0, 1)
                score = score + decoder.log_probability(separator_states, separator.flatten()).view(size, -1).sum(1)
        return self._generated_lists(torch.stack(chosen, 1), torch.stack(scores, 1))

    def _generated_lists(self, indices: Tensor, scores: Tensor) -> list[GeneratedList]:
        """Lists of the items with indices (B, k) and finite scores (B, k)."""
        lists = []
        for row, row_scores in zip(indices.tolist(), scores.tolist(), strict=True):
            entries = [
                (self.items[index], score) for index, score in zip(row, row_scores, strict=True) if score > -np.inf
            ]
            items, item_scores = tuple(item for item, _ in entries), tuple(score for _, score in entries)
            lists.append(GeneratedList(items, item_scores, len(items), 0, 0))
        return lists

    def _decode_free(self, decoder: TreeDecoder) -> list[GeneratedList]:
        """Lists without constraints."""
        size, device = len(decoder.lengths), self.model.device
        state, seen, score = decoder.last, decoder.seen, torch.zeros(size, device=device)
        finished = torch.zeros(size, dtype=torch.bool, device=device)
        tokens: list[Tensor] = []
        scores: list[Tensor] = []
        for step in range(self._longest):
            gain, best = decoder.logits(state).log_softmax(1).max(1)
            score = score + gain
            tokens.append(best.masked_fill(finished, self.end[-1]))
            scores.append(score)
            finished |= torch.isin(best, self._stops)
            if finished.all() or step + 1 == self._longest:
                break
            depth = torch.full((size, 1), step, device=device)
            state, _, seen = decoder.grow(best[:, None, None], torch.ones_like(depth), depth, seen)
        rows = zip(torch.stack(tokens, 1).tolist(), torch.stack(scores, 1).tolist(), strict=True)
        return [self._parse(row, row_scores) for row, row_scores in rows]

    def _parse(self, generated: list[int], scores: list[float]) -> GeneratedList:
        """A free list from its tokens and scores. An entry is an item's token, or other text between separators."""
        padding = _padding_token(self.model.tokenizer)
        scores_by_item: dict[str, float] = {}
        entries = invalid = repeats = 0
        stops = set(self._stops.tolist())
        in_invalid_entry = False
        for token, score in zip(generated, scores, strict=True):
            if token in stops or entries == LISTED:
                break
            index = self._index_of.get(token)
            if index is None and (token in self.separator or token in self.end or token == padding):
                in_invalid_entry = False
            elif index is None:
                entries += not in_invalid_entry
                invalid += not in_invalid_entry
                in_invalid_entry = True
            else:
                in_invalid_entry = False
                entries += 1
                repeats += self.items[index] in scores_by_item
                scores_by_item.setdefault(self.items[index], score)
        return GeneratedList(tuple(scores_by_item), tuple(scores_by_item.values()), entries, invalid, repeats)


def _token(tokenizer: Tokenizer, item: str) -> int:
    """The token id of an item."""
    ids = tokenizer.encode(item_token(item))
    if len(ids) != 1:
        raise ModelError(f"the model has no token for item {item!r}", hint='train with prompt.task = "generate_ids"')
    return ids[0]


def _padding_token(tokenizer: Tokenizer) -> int | None:
    """The token that pads a list, if there is one."""
    ids = tokenizer.encode(item_token(NO_ITEM))
    return ids[0] if len(ids) == 1 else None


def _separator(tokenizer: Tokenizer, items: Sequence[str]) -> list[int]:
    """Token ids between two items."""
    token = item_token(items[0]) if items else ""
    return tokenizer.encode(f"{token} {token}")[1:-1]


def _entry_rates(generated: dict[int, GeneratedList], attribute: str) -> NDArray[np.float64]:
    """``invalid`` or ``repeats`` of each list over its number of entries; NaN for an empty list."""
    lists = [generated[number] for number in range(len(generated))]
    return np.array(
        [getattr(ranked, attribute) / ranked.entries if ranked.entries else np.nan for ranked in lists],
        dtype=np.float64,
    )
