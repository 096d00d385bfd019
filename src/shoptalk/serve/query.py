"""What is asked of the engine, and what it answers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from shoptalk.online.shown import Alternative
from shoptalk.results import HistoryEffect, SourceEffect
from shoptalk.schema import Item
from shoptalk.serve.rules import RuleEffect

#: Reasons why popularity answers instead of the method of an arm.
NO_HISTORY, MODEL_ERROR, TIMED_OUT, NO_ITEMS = "no_history", "model_error", "timed_out", "nothing_ranked"


@dataclass(frozen=True, slots=True)
class ItemFilters:
    """Conditions that every recommended product meets; None or empty for no condition."""

    categories: Sequence[str] = ()
    brands: Sequence[str] = ()
    min_price: float | None = None
    max_price: float | None = None
    allow: Sequence[str] | None = None
    deny: Sequence[str] = ()
    include_hidden: bool = False
    in_stock: bool = False


@dataclass(frozen=True, slots=True)
class Query:
    """One request for recommendations.

    Attributes
    ----------
    recommendation_id
        The id of the answer.
    arm
        Index of the arm that answers.
    user
        Whose history is used and who is assigned to an arm; empty if unknown.
    history
        Ids of items instead of the user's history; None for the stored history.
    k, offset
        Number of recommendations, and how many of the best are skipped.
    exclude_history
        Whether items that were bought (or are in ``history``) are left out.
    explain
        Whether the effect of each item of the history is measured.
    """

    recommendation_id: str
    arm: int
    user: str = ""
    history: tuple[str, ...] | None = None
    k: int = 10
    offset: int = 0
    filters: ItemFilters = ItemFilters()
    exclude_history: bool = True
    explain: bool = False


@dataclass(frozen=True, slots=True)
class Listed:
    """A product of an answer."""

    item_id: str
    score: float | None
    because: tuple[HistoryEffect, ...] = ()
    sources: tuple[SourceEffect, ...] = ()
    reason: str | None = None
    rules: tuple[str, ...] = ()
    probability: float = 1.0


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to a query.

    Attributes
    ----------
    items
        The products, best first.
    method
        What ranked: ``model``, or the name of a simple method.
    fallback
        Why popularity answers instead of the arm's method; None if the arm answers.
    history
        The items that were read, oldest first.
    unknown
        How many items of the history the arm does not know.
    effects
        What the rules did.
    unit
        What the scores are.
    probability
        Of the whole list; 1 without exploration, None if unknown.
    alternatives
        With exploration: the list without it.
    stored_history
        Whether the events of the user could be read.
    products
        The catalogue that the answer is about.
    """

    arm: str
    run: str
    items: tuple[Listed, ...]
    method: str
    fallback: str | None = None
    history: tuple[str, ...] = ()
    unknown: int = 0
    effects: tuple[RuleEffect, ...] = ()
    unit: str = "score"
    probability: float | None = 1.0
    stored_history: bool = True
    alternatives: Mapping[str, Alternative] = field(default_factory=dict)
    products: Mapping[str, Item] = field(default_factory=dict, repr=False)
