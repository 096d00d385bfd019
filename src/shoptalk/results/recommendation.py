"""What recommending returns."""

from dataclasses import dataclass, field

from shoptalk.typed_json import ABSENT


@dataclass(frozen=True, slots=True)
class HistoryItem:
    """An item of the history that was recommended for.

    Attributes
    ----------
    item_id, title
        Of the item.
    """

    item_id: str
    title: str


@dataclass(frozen=True, slots=True)
class HistoryEffect:
    """What an item of the history adds to a recommendation's score.

    Attributes
    ----------
    item_id
        Of the item of the history.
    effect
        The score with it minus the score without.
    """

    item_id: str
    effect: float


@dataclass(frozen=True, slots=True)
class RecommendedItem:
    """A recommended item.

    Attributes
    ----------
    item_id, title
        Of the item.
    score
        The recommender's; only the order within a list has a meaning across models.
    because
        The effects of the history's items, the largest first; empty unless asked for.
    advice
        The recommendation in words; absent where the model writes none.
    """

    item_id: str
    title: str
    score: float
    because: tuple[HistoryEffect, ...] = ()
    advice: str | None = field(default=None, metadata=ABSENT)


@dataclass(frozen=True, slots=True)
class RecommendResult:
    """What ``shoptalk recommend --json`` prints.

    Attributes
    ----------
    user
        The id; null where a history was typed in.
    items
        The best first.
    history
        The history, in time order.
    allowed
        How many items might have been recommended.
    warnings
        What the reader must know, such as why there are fewer items than asked for.
    seconds
        Of choosing among the items, without loading the model.
    """

    user: str | None
    items: tuple[RecommendedItem, ...]
    history: tuple[HistoryItem, ...]
    allowed: int
    warnings: tuple[str, ...]
    seconds: float
