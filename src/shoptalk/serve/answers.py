"""The answers of the interface."""

from typing import Any, Literal

from pydantic import BaseModel, Field


class HistoryOut(BaseModel):
    """A product of the history."""

    item_id: str
    title: str


class EffectOut(BaseModel):
    """The effect of a product of the history: the score minus the score without it."""

    item_id: str
    title: str
    effect: float


class SourceOut(BaseModel):
    """What a source of a second stage adds to a score."""

    source: str
    effect: float


class RecommendedOut(BaseModel):
    """A recommended product."""

    item_id: str
    rank: int
    title: str
    brand: str
    price: float | None
    score: float | None
    probability: float = Field(description="Probability of this product at this rank; 1 without exploration.")
    rules: list[str] = Field(description="Rules that moved it here.")
    because: list[EffectOut] = []
    sources: list[SourceOut] = []
    reason: str | None = None


class RuleOut(BaseModel):
    """What a rule did to a list."""

    rule: str
    action: str
    items: list[str] = Field(description="Products that it moved, or kept out of the list.")


class RecommendOut(BaseModel):
    """Recommendations."""

    recommendation_id: str = Field(description="To be named by the events that follow.")
    user: str | None
    items: list[RecommendedOut]
    method: str = Field(description="What ranked: `model`, or the name of a simple method.")
    fallback: str | None = Field(
        description="Why popularity answers instead: `no_history`, `model_error`, `timed_out`, `nothing_ranked`."
    )
    arm: str
    experiment: str
    run: str
    history_length: int
    unknown_in_history: int = Field(description="Products of the history that the run does not know.")
    history: list[HistoryOut] | None = Field(
        None, description="The latest products that were read, if `explain` is set."
    )
    rules: list[RuleOut]
    unit: str = Field(description="What scores are.")
    warnings: list[str]
    milliseconds: float


class BatchOut(BaseModel):
    """The answers in the order of the requests; where one failed, its error."""

    answers: list["RecommendOut | ErrorOut"]


class ScoredOut(BaseModel):
    """An option with its score."""

    item_id: str
    title: str
    score: float


class ScoreOut(BaseModel):
    """The options, best first."""

    items: list[ScoredOut]
    method: str
    fallback: str | None
    arm: str
    unit: str


class ItemOut(BaseModel):
    """A product."""

    item_id: str
    title: str
    brand: str
    categories: list[str]
    description: str
    features: list[str]
    price: float | None
    stock: int | None
    hidden: bool
    new: bool = Field(description="Whether it was added while serving.")
    purchases: float = Field(description="How often it was bought.")


class ListedItemOut(BaseModel):
    """A product of a list."""

    item_id: str
    title: str
    brand: str
    price: float | None
    score: float


class ItemListOut(BaseModel):
    """Products, best first."""

    items: list[ListedItemOut]
    method: str
    total: int = Field(description="How many there are without `k` and `offset`.")


class PutOut(BaseModel):
    """What became of added products."""

    stored: int
    recommendable: int = Field(description="How many of them every arm can recommend now.")
    warnings: list[str]


class AcceptedOut(BaseModel):
    """What became of events; they are on the disk."""

    stored: int
    duplicates: int


class EventOut(BaseModel):
    """An event of a user."""

    event_id: str
    item_id: str
    kind: str
    timestamp: float


class UserOut(BaseModel):
    """What is stored about a person."""

    user: str
    in_dataset: list[str] = Field(description="Purchases in the dataset of the first run; erasing does not reach it.")
    events: list[dict[str, Any]]
    recommendations: list[dict[str, Any]]


class ErasedOut(BaseModel):
    """What was erased."""

    events: int
    recommendations: int
    in_dataset: bool = Field(description="Whether the dataset of a run still holds purchases of this user.")


class ReadyOut(BaseModel):
    """Whether requests can be answered."""

    ready: bool
    database: bool
    arms: list[str]
    items: int


class HealthOut(BaseModel):
    """That the process runs."""

    status: Literal["ok"]


class ArmOut(BaseModel):
    """A run that is served."""

    name: str
    run: str
    method: str
    weight: float
    items: int
    refused: str | None = Field(description="Why what its folder holds now was not taken up.")


class StatusOut(BaseModel):
    """What is served."""

    version: str
    experiment: str
    arms: list[ArmOut]
    items: int
    new_items: int
    rules: list[str]
    refused: dict[str, str]
    waiting: int


class ErrorBody(BaseModel):
    """What is wrong."""

    kind: str
    message: str
    where: str | None = None
    hint: str | None = None
    request_id: str


class ErrorOut(BaseModel):
    """An error; its kind is stable."""

    error: ErrorBody
