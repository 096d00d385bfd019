"""The result of recommending."""

from dataclasses import dataclass, field

from shoptalk.typed_json import ABSENT


@dataclass(frozen=True, slots=True)
class HistoryItem:
    """An item of the history.

    Attributes
    ----------
    item_id, title
        Id and title of the item.
    """

    item_id: str
    title: str


@dataclass(frozen=True, slots=True)
class HistoryEffect:
    """The effect of an item of the history on the score of a recommendation.

    Attributes
    ----------
    item_id
        Id of the item of the history.
    effect
        The score minus the score without the item.
    """

    item_id: str
    effect: float


@dataclass(frozen=True, slots=True)
class SourceEffect:
    """What a source of candidates, or another feature, adds to the score that a second stage gives an item.

    Attributes
    ----------
    source
        Name of the source or feature.
    effect
        The sum of the contributions of its features, relative to the mean over the candidates of the training.
    """

    source: str
    effect: float


@dataclass(frozen=True, slots=True)
class RecommendedItem:
    """A recommended item.

    Attributes
    ----------
    item_id, title
        Id and title of the item.
    score
        The score of the recommender; scores of different models cannot be compared.
    because
        The effects of the items of the history, the largest first; empty without `--explain`.
    sources
        The contributions of the sources, the largest first; empty without `--explain` or without a second stage.
    advice
        The generated text; absent for models that generate none.
    reason
        A true sentence about the purchase with the largest effect; absent without `--explain`, or where none was found.
    """

    item_id: str
    title: str
    score: float
    because: tuple[HistoryEffect, ...] = ()
    sources: tuple[SourceEffect, ...] = ()
    advice: str | None = field(default=None, metadata=ABSENT)
    reason: str | None = field(default=None, metadata=ABSENT)


@dataclass(frozen=True, slots=True)
class RecommendResult:
    """The output of ``shoptalk recommend --json``.

    Attributes
    ----------
    user
        The user id; null for a history given on the command line.
    items
        The recommended items, best first.
    history
        The items of the history, in time order.
    allowed
        Number of items that may be recommended.
    warnings
        Warnings, such as the reason why there are fewer items than requested.
    seconds
        Duration, without loading the model.
    method
        What ranks: ``model``, or another method that was better on validation users (see `RankingMethod`).
    unit
        What scores and effects are: ``log-probability`` (natural), ``mean log-probability of a token``, ``log-odds``,
        ``logit``, or ``score`` for a number without a unit.
    """

    user: str | None
    items: tuple[RecommendedItem, ...]
    history: tuple[HistoryItem, ...]
    allowed: int
    warnings: tuple[str, ...]
    seconds: float
    method: str = "model"
    unit: str = "score"
