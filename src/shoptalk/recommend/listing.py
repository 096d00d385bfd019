"""Listing the next ten items, token by token (system D): constrained to new items, or free as published."""

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
    """A language model that writes lists of items (task ``generate_ids``), the likeliest token first (greedy).

    Parameters
    ----------
    model, builder
        The model, and the prompt builder of its training.
    constrained
        Whether only tokens of items are considered that the list, and the history, do not hold yet; else the model may
        say anything, up to as many tokens as ten items have.

    Attributes
    ----------
    cut
        Of the last `rank`: how many histories had to be shortened.
    invalid_share, repeat_share
        Of the last `rank`, for each history: the shares of the entries of its list that are no item, and that were said
        before; NaN for an empty list. Items that fill up a list as ``prompt.padding`` teaches it count as repeats.
    """

    name = "model"

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
        """The ids that the model reads of a history, and whether it had to be cut."""
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
        """The first k items of each history's list, with the log-probability of the list up to each.

        A list has ten items, as the model has learned. Where more are encoded for, the others follow in the order of
        their probability as the tenth, with the log-probability of the list that they would end. Free lists stay as
        the model writes them.

        See `Recommender`. Free lists are only counted, never changed. No target has a rank: a list is all there is.
        """
        encoded = [self.ask(history) for history in histories]
        self.cut = sum(cut for _, cut in encoded)
        generated: dict[int, GeneratedList] = {}
        allowed_items = self._allowed_items(allowed)
        for chosen in batches([prompt for prompt, _ in encoded]):
            batch = [histories[number] for number in chosen]
            with self.model.autocast():
                decoder = TreeDecoder(self.model, [encoded[number][0] for number in chosen])
                if self.constrained:
                    lists = self._decode_constrained(decoder, batch, k, allowed_items, exclude_history=exclude_history)
                else:
                    lists = self._decode_free(decoder)
            generated |= dict(zip(chosen, lists, strict=True))
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
        for chosen in batches([prompt for prompt, _ in encoded]):
            with self.model.autocast():
                decoder = TreeDecoder(self.model, [encoded[number][0] for number in chosen])
                logits = decoder.logits(decoder.last)
            first = logits.log_softmax(1)[:, self._tokens].double().cpu().numpy()
            for number, row in zip(chosen, first, strict=True):
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
        if item not in self._item_index:
            raise ModelError(
                f"the model has no token for item {item!r}", hint='train with prompt.task = "generate_ids"'
            )
        return self._item_index[item]

    def _allowed_items(self, allowed: NDArray[np.bool_] | None) -> Tensor:
        """(I,) which items may be listed for anybody."""
        mask = np.ones(len(self.items), dtype=np.bool_) if allowed is None else allowed
        return torch.from_numpy(mask).to(self.model.device)

    def _decode_constrained(
        self,
        decoder: TreeDecoder,
        histories: Sequence[History],
        k: int,
        allowed_items: Tensor,
        *,
        exclude_history: bool,
    ) -> list[GeneratedList]:
        """Lists constrained to items; an item and the separator after it are computed in one pass."""
        steps = min(k, LISTED)
        size, device = len(histories), self.model.device
        mask = allowed_items.repeat(size, 1)  # (B, I)
        if exclude_history:
            seen_items = [
                (row, self._item_index[i])
                for row, history in enumerate(histories)
                for i in history.items
                if i in self._item_index
            ]
            rows, indices = torch.tensor(seen_items, dtype=torch.long, device=device).view(-1, 2).T
            mask[rows, indices] = False
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
            state = hidden.view(size, -1, hidden.shape[1])[:, -1]
            if self.separator:
                between = hidden.view(size, -1, hidden.shape[1])[:, :-1].flatten(0, 1)
                score = score + decoder.log_probability(between, separator.flatten()).view(size, -1).sum(1)
        if not k:
            return [GeneratedList((), (), 0, 0, 0)] * size
        generated = []
        for generated_positions, values in zip(
            torch.stack(chosen, 1).tolist(), torch.stack(scores, 1).tolist(), strict=True
        ):
            real = [
                (self.items[index], value)
                for index, value in zip(generated_positions, values, strict=True)
                if value > -np.inf
            ]
            items, item_scores = tuple(item for item, _ in real), tuple(value for _, value in real)
            generated.append(GeneratedList(items, item_scores, len(items), 0, 0))
        return generated

    def _decode_free(self, decoder: TreeDecoder) -> list[GeneratedList]:
        """Lists as the model writes them without constraints."""
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
            where = torch.full((size, 1), step, device=device)
            state, _, seen = decoder.grow(best[:, None, None], torch.ones_like(where), where, seen)
        table = zip(torch.stack(tokens, 1).tolist(), torch.stack(scores, 1).tolist(), strict=True)
        return [self._parse(generated, values) for generated, values in table]

    def _parse(self, generated: list[int], scores: list[float]) -> GeneratedList:
        """Entries of a free list: an item's token, and whatever else stands between separators."""
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
    lists = [generated[number] for number in range(len(generated))]
    return np.array(
        [getattr(ranked, attribute) / ranked.entries if ranked.entries else np.nan for ranked in lists],
        dtype=np.float64,
    )
