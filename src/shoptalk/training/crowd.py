"""The examples of the stage ``[pretraining]``, drawn from the catalogue and from training histories."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shoptalk.errors import PromptError
from shoptalk.graph.relations import Relations
from shoptalk.graph.user_items import NO_GROUP, Ints
from shoptalk.models.language_model import LanguageModel
from shoptalk.prompts.builder import PromptBuilder
from shoptalk.prompts.crowd import CrowdFact, CrowdPrompts
from shoptalk.prompts.encode import TooLong, encode
from shoptalk.prompts.questions import fit_shortened
from shoptalk.recipe import CrowdKind, CrowdTemplate, Pretraining, Recipe
from shoptalk.schema import History, item_token
from shoptalk.training.examples import TokenSet, gather

#: Most items that the answer of a second-order prompt names.
RELATED = 5


def encode_crowd(
    recipe: Recipe, histories: Sequence[History], builder: PromptBuilder, model: LanguageModel
) -> TokenSet | None:
    """The examples of ``[pretraining]`` as token ids; None without that stage.

    Prompts that do not fit into ``prompt.max_tokens`` have shorter lists and then shorter texts. What does not fit with
    texts of one token either is left out.

    Parameters
    ----------
    histories
        The training histories, and no others: every relation and every purchase of the prompts is from them.

    Raises
    ------
    PromptError
        Where a kind has no prompts, because the dataset lacks its column.
    """
    section = recipe.pretraining
    if not section.epochs:
        return None
    tokenizer = model.tokenizer
    vocabulary = tokenizer.hugging_face.get_added_vocab()
    tokens = frozenset(item for item in builder.catalogue if section.tokens and item_token(item) in vocabulary)
    prompts = CrowdPrompts(builder, section.templates, tokens, users=section.tokens)
    encoded = []
    for fact in draw_facts(section, histories, prompts, recipe.prompt.history, recipe.seed):
        size = max(fact.size, 1)
        try:
            example, _, _ = fit_shortened(
                lambda shorter, latest, fact=fact: encode(  # type: ignore[misc]
                    "plain", prompts.write(fact, shorter, latest).messages, tokenizer
                ),
                len,
                builder,
                size,
                recipe.prompt.max_tokens,
                count=False,
            )
        except TooLong:
            continue
        encoded.append(example)
    return gather(encoded, 0)


def draw_facts(
    section: Pretraining, histories: Sequence[History], prompts: CrowdPrompts, shown: int, seed: int
) -> list[CrowdFact]:
    """The facts of all kinds that the recipe names, at most ``pretraining.counts`` of each, drawn by the seed.

    Parameters
    ----------
    histories
        Training histories alone.
    shown
        Most items of a history in a prompt.
    """
    source = _Source(histories, prompts, shown)
    facts: list[CrowdFact] = []
    for number, kind in enumerate(section.prompts):
        rng = np.random.default_rng([seed, number])
        most = section.counts.get(kind)
        drawn: list[CrowdFact] = []
        for fact in _KINDS[kind](source, rng):
            if most is not None and len(drawn) >= most:
                break
            drawn.append(fact)
        if not drawn and most != 0:
            raise PromptError(
                f'pretraining.prompts: the dataset has nothing for "{kind}"', hint=f"{_NEEDS[kind]}; or leave it out"
            )
        facts += drawn
    return facts


@dataclass(frozen=True)
class _Source:
    """What the facts are made of."""

    histories: Sequence[History]
    prompts: CrowdPrompts
    shown: int

    def items(self, rng: np.random.Generator) -> list[str]:
        """All items of the catalogue in a drawn order."""
        items = list(self.prompts.builder.catalogue)
        return [items[index] for index in rng.permutation(len(items))]

    def drawn(self, rng: np.random.Generator) -> Iterator[History]:
        """All histories in a drawn order."""
        for index in rng.permutation(len(self.histories)):
            yield self.histories[index]


def _contents(source: _Source, rng: np.random.Generator) -> Iterator[CrowdFact]:
    for item in source.items(rng):
        if source.prompts.contents(item, source.prompts.builder):
            yield CrowdFact("contents", (item,))
        else:  # a title without token, brand or description
            yield CrowdFact("title", answers=(item,))


def _first_order(source: _Source, rng: np.random.Generator) -> Iterator[CrowdFact]:
    for history in source.drawn(rng):
        for item, review in zip(history.items, history.reviews, strict=False):
            if source.prompts.builder.safe(review):
                yield CrowdFact("review", (item,), user=history.user_id, review=review)


def _second_order(source: _Source, rng: np.random.Generator) -> Iterator[CrowdFact]:
    """Related items that were bought in training: others are never an answer."""
    relations = Relations(source.histories, source.prompts.builder.catalogue)
    graph, ids = relations.graph, relations.items
    bought = np.asarray(graph.purchases.sum(axis=0)) > 0
    grouped: dict[CrowdTemplate, tuple[Ints, dict[int, list[int]]]] = {
        "same_brand": (graph.brand, _members(graph.brand, bought)),
        "same_category": (graph.category, _members(graph.category, bought)),
    }
    index = {item: number for number, item in enumerate(ids)}
    for item in source.items(rng):
        found: dict[CrowdTemplate, list[str]] = {}
        for name, (group, members) in grouped.items():
            others = members.get(int(group[index[item]]), [])
            few = (
                rng.permutation(len(others))
                if len(others) <= RELATED + 1
                else rng.choice(len(others), RELATED + 1, replace=False)
            )
            found[name] = [ids[others[number]] for number in few.tolist() if ids[others[number]] != item][:RELATED]
        found["bought_together"] = relations.bought_together(item, RELATED)
        yield from (CrowdFact(name, (item,), tuple(others)) for name, others in found.items() if others)


def _members(group: Ints, bought: NDArray[np.bool_]) -> dict[int, list[int]]:
    """The bought items of each group."""
    members: dict[int, list[int]] = {}
    for item in np.flatnonzero(bought & (group != NO_GROUP)).tolist():
        members.setdefault(int(group[item]), []).append(item)
    return members


def _interaction(source: _Source, rng: np.random.Generator) -> Iterator[CrowdFact]:
    for history in source.drawn(rng):
        yield CrowdFact("interaction", answers=history.items[-source.shown :], user=history.user_id)


def _predictive(source: _Source, rng: np.random.Generator) -> Iterator[CrowdFact]:
    """One purchase of each history as the target, with those before it."""
    for history in source.drawn(rng):
        if len(history.items) > 1:
            at = int(rng.integers(1, len(history.items)))
            before = history.items[max(0, at - source.shown) : at]
            yield CrowdFact("predictive", before, (history.items[at],), user=history.user_id)


_KINDS: dict[CrowdKind, Callable[[_Source, np.random.Generator], Iterator[CrowdFact]]] = {
    "contents": _contents,
    "first_order": _first_order,
    "second_order": _second_order,
    "interaction": _interaction,
    "predictive": _predictive,
}
_NEEDS: dict[CrowdKind, str] = {
    "contents": "it needs items",
    "first_order": "it needs purchases with reviews",
    "second_order": "it needs users with two purchases, or brands or categories in data.keep",
    "interaction": "it needs training histories",
    "predictive": "it needs training users with two purchases",
}
