"""What the page shows beside recommendations: the shop, its held-out test users, and simple methods."""

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from shoptalk.data.dataset import Dataset
from shoptalk.errors import DatabaseError
from shoptalk.online.events import BASKET, CLICK, PURCHASE, history
from shoptalk.report.names import baseline_label, metric_label, ranking_label
from shoptalk.schema import EvalExample
from shoptalk.serve.catalogue import LiveCatalogue
from shoptalk.serve.histories import LATEST
from shoptalk.serve.query import Answer
from shoptalk.serve.service import Service
from shoptalk.serve.simple_methods import METHODS, Measured, SimpleMethods, measured
from shoptalk.serve.state import State
from shoptalk.serve.visitors import Visitors

#: Most categories that the page offers, and most purchases of a test user that it shows.
MOST_CATEGORIES, MOST_HISTORY = 300, 50
#: What a visitor can do with a product, the weakest first.
STRENGTH = (CLICK, BASKET, PURCHASE)
#: Most values that `Page.remember` holds.
MOST_REMEMBERED = 500
#: Titles of a history in a list of test users.
LAST_TITLES = 3


@dataclass(frozen=True, slots=True)
class Kept:
    """Something computed from an object, for as long as that object is in use."""

    source: object
    value: Any


class Page:
    """The parts of the page in one process.

    Parameters
    ----------
    service
        What it shows.
    """

    def __init__(self, service: Service) -> None:
        self.service = service
        self.visitors = Visitors(service.database)
        self.simple = SimpleMethods()
        self.started = time.time()
        self._kept: dict[str, Kept] = {}
        self._remembered: dict[tuple[Any, ...], Any] = {}

    def close(self) -> None:
        """End the background work."""
        self.simple.close()

    def shop(self, visitor: str) -> dict[str, Any]:
        """What is sold, by which runs and methods, what evaluating them has measured, and what a visitor did."""
        state = self.service.state
        first = state.arms[0]
        figures: Measured = self.keep("measured", first.base or first, measured)
        prices = state.catalogue.prices[state.catalogue.offered]
        known = prices[np.isfinite(prices)]
        return {
            "name": first.run,
            "items": int(state.catalogue.offered.sum()),
            "new_items": len(state.catalogue.new),
            "categories": self.keep("categories", state.catalogue, categories),
            "prices": None if not len(known) else {"low": float(known.min()), "high": float(known.max())},
            "arms": [{"name": arm.name, "method": arm.method, "label": method_label(arm.method)} for arm in state.arms],
            "methods": [
                {"name": name, "label": method_label(name), "value": figures.methods.get(name)}
                for name in self.simple.names()
            ],
            "best_method": figures.best,
            "metric": None if figures.metric is None else metric_label(figures.metric),
            "value": figures.model,
            "test_users": len(self.cases(state)),
            "history": self.history(state, visitor),
        }

    def history(self, state: State, visitor: str) -> list[dict[str, Any]]:
        """The products of a visitor's events in the order of the last event with each, with the strongest kind."""
        try:
            events = history(self.service.database, visitor, STRENGTH, LATEST)
        except DatabaseError:
            return []
        found: dict[str, str] = {}
        for event in events:
            before = found.pop(event.item_id, event.kind)
            found[event.item_id] = max(before, event.kind, key=STRENGTH.index)
        return [{**product(state, item), "how": kind} for item, kind in found.items()]

    def cases(self, state: State) -> Sequence[EvalExample]:
        """The test cases of the first run; none where its dataset has none."""
        found: Sequence[EvalExample] = self.keep("cases", state.arms[0].dataset, _test_cases)
        return found

    def test_users(self, start: int, k: int) -> list[dict[str, Any]]:
        """``k`` test users from a number on, beginning again at the end."""
        state = self.service.state
        cases = self.cases(state)
        numbers = [(start + step) % len(cases) for step in range(min(k, len(cases)))]
        return [
            {
                "number": number,
                "user": case.history.user_id,
                "purchases": len(case.history.items),
                "last": [_title(state, item) for item in case.history.items[-LAST_TITLES:]],
            }
            for number in numbers
            for case in (cases[number],)
        ]

    def test_user(self, number: int) -> dict[str, Any] | None:
        """The history of a test user, and what this person bought next; None for a number that is not in use."""
        state = self.service.state
        cases = self.cases(state)
        if number >= len(cases):
            return None
        case = cases[number]
        items = case.history.items[-MOST_HISTORY:]
        return {
            "number": number,
            "user": case.history.user_id,
            "purchases": len(case.history.items),
            "history": [product(state, item) for item in items],
            "next": [product(state, item) for item in case.targets],
            "tied": case.tied,
        }

    def remember(self, key: tuple[Any, ...], compute: Callable[[], Any]) -> Any:
        """A value that does not change, computed once; the oldest are forgotten."""
        if key not in self._remembered:
            while len(self._remembered) >= MOST_REMEMBERED:
                self._remembered.pop(next(iter(self._remembered)), None)
            self._remembered[key] = compute()
        return self._remembered[key]

    def keep(self, name: str, source: Any, compute: Any) -> Any:
        """A value computed from ``source``, once for each."""
        kept = self._kept.get(name)
        if kept is None or kept.source is not source:
            kept = self._kept[name] = Kept(source, compute(source))
        return kept.value


def method_label(method: str) -> str:
    """The name of a method for readers."""
    first, _, rest = method.partition(" ")
    label = baseline_label(first, "") if first in METHODS else ranking_label(first)
    return f"{label} {rest}".strip()


def categories(catalogue: LiveCatalogue) -> list[dict[str, Any]]:
    """The categories with most products."""
    counts: Counter[str] = Counter()
    names: dict[str, str] = {}
    offered = catalogue.offered
    for position, item_id in enumerate(catalogue.ids):
        if offered[position]:
            for name in dict.fromkeys(catalogue.items[item_id].categories):
                counts[name.casefold()] += 1
                names.setdefault(name.casefold(), name)
    everywhere = int(offered.sum())  # a category of all products chooses nothing
    common = [(key, count) for key, count in counts.most_common(MOST_CATEGORIES) if count < everywhere]
    return [{"name": names[key], "items": count} for key, count in common]


def product(state: State, item_id: str) -> dict[str, Any]:
    """A product as the page shows it; one that was deleted has its id alone."""
    item = state.catalogue.items.get(item_id)
    position = state.catalogue.index.get(item_id)
    if item is None or position is None:
        return {"item_id": item_id, "title": item_id, "brand": "", "categories": [], "price": None, "purchases": 0}
    return {
        "item_id": item_id,
        "title": item.title or item_id,
        "brand": item.brand,
        "categories": list(item.categories),
        "description": item.description,
        "features": list(item.features),
        "price": item.price,
        "purchases": float(state.popularity[position]),
        "new": item_id in state.catalogue.new,
    }


def explanations(answer: Answer) -> dict[str, Any]:
    """The effects and reasons of an answer by item."""
    return {
        one.item_id: {
            "because": [
                {"item_id": effect.item_id, "title": _title_of(answer, effect.item_id), "effect": effect.effect}
                for effect in one.because
            ],
            "sources": [{"source": part.source, "effect": part.effect} for part in one.sources],
            "reason": one.reason,
        }
        for one in answer.items
    }


def ranks(answer: Answer, items: Sequence[str]) -> list[int | None]:
    """The rank of each item in an answer, from 1; None where it is not listed."""
    places = {one.item_id: rank for rank, one in enumerate(answer.items, 1)}
    return [places.get(item) for item in items]


def _test_cases(dataset: Dataset) -> Sequence[EvalExample]:
    return () if dataset.sealed else dataset.split("last").test


def _title(state: State, item_id: str) -> str:
    item = state.catalogue.items.get(item_id)
    return item_id if item is None or not item.title else item.title


def _title_of(answer: Answer, item_id: str) -> str:
    item = answer.products.get(item_id)
    return item_id if item is None or not item.title else item.title
