"""What the service answers from: one immutable object, replaced as a whole when anything changes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from shoptalk.online.items import Changes
from shoptalk.schema import Item
from shoptalk.serve.arms import Arm, purchase_counts
from shoptalk.serve.catalogue import LiveCatalogue, apply_changes, changed_texts, make_catalogue
from shoptalk.serve.logs import log
from shoptalk.serve.rules import Rule, RuleSet
from shoptalk.serve.search import SearchIndex


@dataclass(frozen=True)
class State:
    """Arms, products, popularity and rules that belong together.

    Attributes
    ----------
    arms
        The runs and baselines.
    catalogue
        I products.
    columns
        For each arm the index in the catalogue of each of its items.
    trained_counts
        Purchases in the datasets by item id.
    live_counts
        Purchases that were reported to the service by item id.
    popularity
        (I,) the sum of both.
    rules
        The business rules, bound to the catalogue.
    search
        The words of the products.
    """

    arms: tuple[Arm, ...]
    catalogue: LiveCatalogue
    columns: tuple[NDArray[np.int64], ...]
    trained_counts: Mapping[str, float]
    live_counts: Mapping[str, float]
    popularity: NDArray[np.float64]
    rules: RuleSet
    search: SearchIndex


def make_state(arms: Sequence[Arm], rules: Sequence[Rule], changes: Changes, live: Mapping[str, float]) -> State:
    """The state of arms as they were loaded, with all changes of the catalogue."""
    arms = tuple(arm.base or arm for arm in arms)
    items: dict[str, Item] = {}
    counts: dict[str, float] = {}
    first_seen: dict[str, float] = {}
    datasets = set()
    for arm in arms:
        for item_id, item in arm.dataset.catalogue.items():
            items.setdefault(item_id, item)
        if arm.dataset.fingerprint in datasets:
            continue
        datasets.add(arm.dataset.fingerprint)
        bought, first = purchase_counts(arm.dataset)
        for item_id, count in bought.items():
            counts[item_id] = counts.get(item_id, 0.0) + count
        for item_id, time in first.items():
            first_seen[item_id] = min(time, first_seen.get(item_id, time))
    catalogue = make_catalogue(items, first_seen)
    search = SearchIndex(items.values())
    empty = State(
        arms,
        catalogue,
        _columns(arms, catalogue),
        counts,
        live,
        _popularity(catalogue, counts, live),
        RuleSet(rules, catalogue),
        search,
    )
    return with_changes(empty, changes)


def with_changes(state: State, changes: Changes) -> State:
    """The state after changes of the catalogue; arms get the products that they do not know."""
    if not changes.items:
        return state
    catalogue = apply_changes(state.catalogue, changes.items, changes.revision)
    texts = changed_texts(state.catalogue, catalogue)
    arms, search = state.arms, state.search
    if texts:
        new = [catalogue.items[item] for item in catalogue.new if not catalogue.deleted[catalogue.index[item]]]
        added = set(catalogue.new)
        changed = {item: catalogue.items[item] for item in catalogue.ids if item in texts and item not in added}
        arms = tuple(_with_items(arm, new, changed) for arm in arms)
        appended = [catalogue.items[item] for item in catalogue.ids[len(state.catalogue) :]]
        if len(appended) == len(texts):
            search.add(appended)
        else:
            search = SearchIndex(catalogue.items[item] for item in catalogue.ids)
    return replace(
        state,
        arms=arms,
        catalogue=catalogue,
        columns=_columns(arms, catalogue),
        popularity=_popularity(catalogue, state.trained_counts, state.live_counts),
        rules=RuleSet(state.rules.rules, catalogue),
        search=search,
    )


def _with_items(arm: Arm, new: Sequence[Item], changed: Mapping[str, Item]) -> Arm:
    """The arm with these products; where that fails, it goes on without them."""
    try:
        return arm.with_items(new, changed)
    except Exception as error:  # a product that a model cannot take must not stop the others, or later changes
        log("an arm cannot take new products", 40, arm=arm.name, products=len(new), error=type(error).__name__)
        return arm


def with_rules(state: State, rules: Sequence[Rule]) -> State:
    """The state with other rules."""
    return replace(state, rules=RuleSet(rules, state.catalogue))


def with_live_counts(state: State, live: Mapping[str, float]) -> State:
    """The state with newer numbers of purchases."""
    popularity = _popularity(state.catalogue, state.trained_counts, live)
    return replace(state, live_counts=live, popularity=popularity)


def _columns(arms: Sequence[Arm], catalogue: LiveCatalogue) -> tuple[NDArray[np.int64], ...]:
    return tuple(np.array([catalogue.index[item] for item in arm.items], dtype=np.int64) for arm in arms)


def _popularity(
    catalogue: LiveCatalogue, trained: Mapping[str, float], live: Mapping[str, float]
) -> NDArray[np.float64]:
    return np.array([trained.get(item, 0.0) + live.get(item, 0.0) for item in catalogue.ids], dtype=np.float64)
