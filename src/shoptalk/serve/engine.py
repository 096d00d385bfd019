"""The engine: answers batches of queries from the current state."""

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from shoptalk.errors import ShoptalkError, UsageError
from shoptalk.online.database import Database
from shoptalk.online.exploration import NO_EXPLORATION, Drawn
from shoptalk.results import HistoryEffect, SourceEffect
from shoptalk.schema import Candidates, History, RankedList, Reason
from shoptalk.serve.arms import Arm
from shoptalk.serve.catalogue import Bools, LiveCatalogue
from shoptalk.serve.explore import POOL, Explorer
from shoptalk.serve.histories import LiveEvents, live_events
from shoptalk.serve.query import MODEL_ERROR, NO_HISTORY, NO_ITEMS, Answer, ItemFilters, Listed, Query
from shoptalk.serve.rules import Ranking, Scores
from shoptalk.serve.state import State

LOG = logging.getLogger("shoptalk.serve")
#: More items than asked for that a model lists which does not score all, for rules and exclusions to act on.
SPARE = 20
#: Method of every fallback.
POPULARITY = "popularity"


@dataclass(frozen=True, slots=True)
class _Case:
    """A query with the history that it is about."""

    query: Query
    read: tuple[str, ...]
    bought: frozenset[str]
    purchases: LiveEvents
    known: History
    stored: bool


class Engine:
    """Answers queries; its state is replaced while it answers.

    Parameters
    ----------
    state
        What it answers from.
    database
        Events of users.
    history_kinds
        Kinds of events that are part of a history.
    explorer
        Draws the last places of lists; None for none.
    """

    def __init__(
        self, state: State, database: Database, history_kinds: Sequence[str], explorer: Explorer | None = None
    ) -> None:
        self.state, self.database, self.history_kinds = state, database, tuple(history_kinds)
        self.explorer = explorer

    def recommend(self, queries: Sequence[Query]) -> list[Answer | Exception]:
        """The answers to a batch of queries; an error in the place of the answer that it prevents."""
        state = self.state
        users = [query.user for query in queries if query.user]
        events, readable = live_events(self.database, users, self.history_kinds)
        cases = [self._case(state, query, events.get(query.user, LiveEvents()), readable) for query in queries]
        answers: list[Answer | Exception] = [UsageError("not answered")] * len(queries)
        for number in range(len(state.arms)):
            own = [index for index, case in enumerate(cases) if case.query.arm == number]
            for index, answer in zip(own, self._by_arm(state, number, [cases[index] for index in own]), strict=True):
                answers[index] = answer
        return answers

    def popular(self, query: Query, fallback: str) -> Answer:
        """The answer of popularity to one query, without the model and without the history of the user."""
        state = self.state
        case = self._case(state, query, LiveEvents(), readable=False)
        return self._by_popularity(state, case, fallback)

    def _case(self, state: State, query: Query, events: LiveEvents, readable: bool) -> _Case:
        """A query with the history of its user, or the history that it gives."""
        arm = state.arms[query.arm]
        if query.history is not None:
            read, bought = query.history, frozenset(query.history)
        else:
            base = arm.history(query.user) if query.user else ()
            live = set(events.items)
            read = (*(item for item in base if item not in live), *events.items)
            bought = frozenset(base) | events.purchases.keys()
        known = History(query.user, tuple(item for item in read if item in arm.known))
        return _Case(query, read, bought, events, known, readable)

    def _by_arm(self, state: State, number: int, cases: Sequence[_Case]) -> list[Answer | Exception]:
        """The answers of one arm; users without a known history get popular products."""
        arm = state.arms[number]
        answers: dict[int, Answer | Exception] = {}
        with_history = [index for index, case in enumerate(cases) if case.known.items or arm.method == POPULARITY]
        scores = self._scores(arm, [cases[index].known for index in with_history])
        for index, case in enumerate(cases):
            try:
                if index not in with_history:
                    answers[index] = self._by_popularity(state, case, NO_HISTORY)
                elif isinstance(scores, Exception):
                    answers[index] = self._by_popularity(state, case, MODEL_ERROR)
                else:
                    row = None if scores is None else scores[with_history.index(index)]
                    answers[index] = self._ranked(state, number, case, row)
            except ShoptalkError as error:
                answers[index] = error
            except Exception as error:  # one request must not fail the others of its batch
                _note(arm, error)
                answers[index] = self._by_popularity(state, case, MODEL_ERROR)
        return [answers[index] for index in range(len(cases))]

    def _scores(self, arm: Arm, histories: Sequence[History]) -> Scores | Exception | None:
        """Scores (B, I) of an arm's items; None if it does not score all items; the error if the model fails."""
        if not histories or not arm.scores_all:
            return None
        try:
            scores = np.asarray(arm.recommender.score_all(histories), dtype=np.float64)
            if not np.isfinite(scores).all():
                raise ValueError("scores are not finite")
        except Exception as error:  # whatever the model raises, customers get an answer
            _note(arm, error)
            return error
        return scores

    def _ranked(self, state: State, number: int, case: _Case, row: Scores | None) -> Answer:
        """The answer of an arm's method to one query."""
        arm, query = state.arms[number], case.query
        allowed = _allowed(state, case)
        count = query.offset + query.k
        scores = np.full(len(state.catalogue), -np.inf)
        method = arm.method
        if row is not None:
            scores[state.columns[number]] = row
        else:
            ranked, method = arm.rank_one(case.known, count + SPARE, allowed[state.columns[number]])
            positions = [state.catalogue.index[item] for item in ranked.items]
            scores[positions] = ranked.scores
        explores = self.explorer is not None and not query.offset
        ranking = state.rules.apply(
            scores, allowed, count + POOL if explores else count, _times(case), time.time(), seen=count
        )
        if not ranking.best and allowed.any() and row is None:
            return self._by_popularity(state, case, NO_ITEMS)
        drawn = _draw(self.explorer, state, ranking, count) if self.explorer is not None and explores else None
        answer = _answer(state, arm, case, ranking, method, None)
        answer = answer if drawn is None else _with_probabilities(answer, drawn)
        return self._explained(arm, case, answer) if query.explain and case.known.items else answer

    def _by_popularity(self, state: State, case: _Case, fallback: str) -> Answer:
        """The most popular products that may be recommended."""
        arm = state.arms[case.query.arm]
        count = case.query.offset + case.query.k
        scores = np.log1p(state.popularity)
        ranking = state.rules.apply(scores, _allowed(state, case), count, _times(case), time.time())
        return _answer(state, arm, case, ranking, POPULARITY, fallback)

    def _explained(self, arm: Arm, case: _Case, answer: Answer) -> Answer:
        """The answer with the effect of each item of the history, for the products that the arm knows."""
        recommender = arm.recommender
        ids = [one.item_id for one in answer.items if one.item_id in arm.known]
        if not ids or not hasattr(recommender, "explain"):
            return answer
        effects = recommender.explain(case.known, ids)
        reasons = arm.trained.reason_writer.write(recommender, case.known, ids, effects)
        sources = (
            recommender.contributions(case.known, ids) if hasattr(recommender, "contributions") else [{}] * len(ids)
        )
        found = {item: number for number, item in enumerate(ids)}
        items = []
        for one in answer.items:
            number = found.get(one.item_id)
            items.append(one if number is None else _because(one, effects[number], sources[number], reasons[number]))
        return replace(answer, items=tuple(items))

    def similar(self, item_id: str, filters: ItemFilters, count: int, arm: int = 0) -> tuple[Ranking, str, State]:
        """The products that are most similar to one, the method, and the state that they are from.

        Raises
        ------
        UsageError
            For an unknown product.
        """
        state = self.state
        scores, method = state.arms[arm].similar(item_id)
        everywhere = np.full(len(state.catalogue), -np.inf)
        everywhere[state.columns[arm]] = scores
        allowed = filter_mask(state.catalogue, filters) & ~state.catalogue.mask([item_id])
        return state.rules.apply(everywhere, allowed, count, {}, time.time()), method, state

    def score(self, query: Query, options: Sequence[str]) -> tuple[RankedList, str | None]:
        """The options of a query, best first, and why popularity scored them, if it did.

        Raises
        ------
        UsageError
            For an option that the arm does not know.
        """
        state = self.state
        events, readable = live_events(self.database, [query.user] if query.user else [], self.history_kinds)
        case = self._case(state, query, events.get(query.user, LiveEvents()), readable)
        arm = state.arms[query.arm]
        if unknown := [item for item in options if item not in arm.known]:
            raise UsageError(f"no product {unknown[0][:80]!r}", hint="options are ids of products that the run knows")
        if not case.known.items and arm.method != POPULARITY:
            values = np.log1p(state.popularity[[state.catalogue.index[item] for item in options]])
            return _sorted(query.user, options, values.tolist()), NO_HISTORY
        titles = tuple(arm.dataset.catalogue[item].title for item in options)
        (scores,) = arm.recommender.score([case.known], [Candidates(tuple(options), titles)])
        return _sorted(query.user, options, scores.tolist()), None


def _note(arm: Arm, error: Exception) -> None:
    LOG.error("the model failed", exc_info=error, extra={"fields": {"arm": arm.name}})


def _sorted(user: str, options: Sequence[str], scores: Sequence[float]) -> RankedList:
    order = sorted(range(len(options)), key=lambda index: -scores[index])
    return RankedList(user, tuple(options[index] for index in order), tuple(scores[index] for index in order))


def _times(case: _Case) -> dict[str, float]:
    """When each item was last bought, as far as events say."""
    return dict(case.purchases.purchases)


def _allowed(state: State, case: _Case) -> Bools:
    """(I,) what may be recommended, before the rules."""
    query = case.query
    allowed = filter_mask(state.catalogue, query.filters)
    if query.exclude_history:
        allowed &= ~state.catalogue.mask(case.bought)
    return allowed


def filter_mask(catalogue: LiveCatalogue, filters: ItemFilters) -> Bools:
    """(I,) which products meet the conditions of a request.

    Raises
    ------
    UsageError
        For an unknown category or brand, or contradictory bounds of the price.
    """
    masks = [~catalogue.deleted if filters.include_hidden else catalogue.offered]
    if filters.categories:
        masks.append(catalogue.in_categories(filters.categories))
    if filters.brands:
        masks.append(catalogue.in_brands(filters.brands))
    low, high = filters.min_price, filters.max_price
    if low is not None and high is not None and low > high:
        raise UsageError(f"no price is at least {low:g} and at most {high:g}")
    if low is not None:
        masks.append(catalogue.prices >= low)
    if high is not None:
        masks.append(catalogue.prices <= high)
    if filters.allow is not None:
        masks.append(catalogue.mask(filters.allow))
    if filters.deny:
        masks.append(~catalogue.mask(filters.deny))
    if filters.in_stock:
        masks.append(~(catalogue.stock <= 0))
    return np.asarray(np.logical_and.reduce(masks), dtype=np.bool_)


def _because(one: Listed, effects: Sequence[Reason], sources: Mapping[str, float], reason: str | None) -> Listed:
    """A product with its explanation."""
    return replace(
        one,
        because=tuple(HistoryEffect(effect.item_id, effect.effect) for effect in effects),
        sources=tuple(SourceEffect(name, value) for name, value in sources.items()),
        reason=reason,
    )


def _draw(explorer: Explorer, state: State, ranking: Ranking, k: int) -> Drawn:
    """Draw a list of k from a longer ranking, which becomes that list."""
    ids = [state.catalogue.ids[position] for position in ranking.best]
    drawn = explorer.draw(ids, ranking.scores[ranking.best].tolist(), k)
    ranking.best = [state.catalogue.index[item] for item in drawn.items]
    return drawn


def _with_probabilities(answer: Answer, drawn: Drawn) -> Answer:
    """The answer with the probability of each product at its rank, and the list without exploration."""
    items = [replace(one, probability=p) for one, p in zip(answer.items, drawn.probabilities, strict=True)]
    return replace(
        answer,
        items=tuple(items),
        probability=drawn.probability,
        alternatives={NO_EXPLORATION: drawn.without},
    )


def _answer(state: State, arm: Arm, case: _Case, ranking: Ranking, method: str, fallback: str | None) -> Answer:
    ids = state.catalogue.ids
    acted: dict[str, list[str]] = {}
    for effect in ranking.effects:
        for item in effect.items if effect.action in {"boost", "pin"} else ():
            acted.setdefault(item, []).append(effect.rule)
    best = ranking.best[case.query.offset :]
    return Answer(
        arm=arm.name,
        run=arm.run,
        items=tuple(
            Listed(ids[position], float(ranking.scores[position]), rules=tuple(acted.get(ids[position], ())))
            for position in best
        ),
        method=method,
        fallback=fallback,
        history=case.read,
        unknown=len(case.read) - len(case.known.items),
        effects=tuple(ranking.effects),
        unit=arm.unit if fallback is None else "score",
        stored_history=case.stored,
        products=state.catalogue.items,
    )
