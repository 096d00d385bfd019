"""The JSON of requests, with limits and examples; the OpenAPI description is made from it and `answers`."""

from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, model_validator

from shoptalk.constants import DEFAULT_K
from shoptalk.serve.settings import Limits

LIMITS = Limits()
#: No control characters, which PostgreSQL or terminals cannot take.
_PRINTABLE = r"^[^\x00-\x1f\x7f]+$"
Id = Annotated[str, StringConstraints(min_length=1, max_length=500, pattern=_PRINTABLE)]
Name = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=_PRINTABLE)]
Kind = Annotated[str, StringConstraints(min_length=1, max_length=50, pattern=r"^[a-z][a-z0-9_]*$")]
Text = Annotated[str, StringConstraints(max_length=10_000, pattern=r"^[^\x00]*$")]
Title = Annotated[str, StringConstraints(min_length=1, max_length=500, pattern=r"^[^\x00]*\S[^\x00]*$")]
Price = Annotated[float, Field(ge=0, le=1e9, allow_inf_nan=False)]
Time = Annotated[float, Field(ge=0, le=253_402_300_799, allow_inf_nan=False)]
K = Annotated[int, Field(ge=1, le=LIMITS.k)]
Offset = Annotated[int, Field(ge=0, le=LIMITS.offset)]
Ids = Annotated[tuple[Id, ...], Field(max_length=LIMITS.list_entries)]
Names = Annotated[tuple[Name, ...], Field(max_length=50)]
_CONTEXT_ENTRIES = 20
ContextValue = Annotated[str, StringConstraints(max_length=200, pattern=r"^[^\x00]*$")] | bool | int | float | None


def _small(value: dict[str, Any]) -> dict[str, Any]:
    if len(value) > _CONTEXT_ENTRIES:
        raise ValueError(f"at most {_CONTEXT_ENTRIES} entries")
    for number in value.values():
        if isinstance(number, (int, float)) and not abs(number) < 1e15:
            raise ValueError("numbers of the context must be below 1e15")
    return value


Context = Annotated[dict[Name, ContextValue], AfterValidator(_small)]


class Request(BaseModel):
    """A body: unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class FiltersBody(Request):
    """Conditions that every recommended product meets."""

    categories: Names = Field((), description="At least one of these categories; the case does not matter.")
    brands: Names = Field((), description="One of these brands.")
    min_price: Price | None = Field(None, description="Lowest price; products without a price are left out.")
    max_price: Price | None = Field(None, description="Highest price.")
    allow: Ids | None = Field(None, description="Only these products.")
    deny: Ids = Field((), description="None of these products.")
    include_hidden: bool = Field(False, description="Hidden products too.")
    in_stock: bool = Field(False, description="No product of which none is in stock.")


class RecommendBody(Request):
    """For whom, how many, and under which conditions."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"user": "A1YJEY40YUW4SE", "k": 5},
                {
                    "history": ["B000142FVW", "B00027D8IC"],
                    "k": 10,
                    "filters": {"max_price": 25, "deny": ["B000X"]},
                    "explain": True,
                    "context": {"page": "basket"},
                },
            ]
        }
    )
    user: Id | None = Field(None, description="The user, whose history is known or begins with this request.")
    history: Annotated[tuple[Id, ...], Field(max_length=LIMITS.history)] | None = Field(
        None, description="Ids of products, oldest first, instead of the stored history."
    )
    k: K = DEFAULT_K
    offset: Offset = Field(0, description="How many of the best are skipped.")
    filters: FiltersBody = FiltersBody()
    exclude_history: bool = Field(True, description="Leave out what was bought, or what `history` names.")
    explain: bool = Field(False, description="Add the effect of each product of the history.")
    context: Context = Field({}, description="Stored with the answer, such as the page that asked.")
    arm: Name | None = Field(None, description="The arm of the experiment that must answer, for tests.")

    @model_validator(mode="after")
    def _has_somebody(self) -> "RecommendBody":
        if self.user is None and self.history is None:
            raise ValueError("give user or history")
        return self


class BatchBody(Request):
    """Several requests, answered in the same order."""

    requests: Annotated[tuple[RecommendBody, ...], Field(min_length=1, max_length=LIMITS.requests)]


class ScoreBody(Request):
    """Options to be scored."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"history": ["B000142FVW"], "options": ["B00027D8IC", "B0000530HU"]}]}
    )
    user: Id | None = None
    history: Annotated[tuple[Id, ...], Field(max_length=LIMITS.history)] | None = None
    options: Annotated[tuple[Id, ...], Field(min_length=1, max_length=LIMITS.k)]
    arm: Name | None = None

    @model_validator(mode="after")
    def _has_somebody(self) -> "ScoreBody":
        if self.user is None and self.history is None:
            raise ValueError("give user or history")
        if len(set(self.options)) < len(self.options):
            raise ValueError("an option is named twice")
        return self


class ItemBody(Request):
    """A product."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "item_id": "new-1",
                    "title": "Rose hand cream, 75 ml",
                    "brand": "Acme",
                    "categories": ["Beauty", "Hand creams"],
                    "price": 7.5,
                    "stock": 12,
                }
            ]
        }
    )
    item_id: Id
    title: Title
    brand: Annotated[str, StringConstraints(max_length=200, pattern=r"^[^\x00]*$")] = ""
    categories: Names = ()
    description: Text = ""
    features: Annotated[tuple[Text, ...], Field(max_length=50)] = ()
    price: Price | None = None
    stock: Annotated[int, Field(ge=0, le=2**31 - 1)] | None = Field(None, description="Null where it is not counted.")
    hidden: bool = False


class ItemsBody(Request):
    """Products to add, or to replace."""

    items: Annotated[tuple[ItemBody, ...], Field(min_length=1, max_length=LIMITS.items)]


class ItemPatch(Request):
    """Changes of a product; what is not named stays."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"stock": 0}, {"hidden": True}, {"price": 6.9}]})
    title: Title = ""
    brand: Annotated[str, StringConstraints(max_length=200, pattern=r"^[^\x00]*$")] = ""
    categories: Names = ()
    description: Text = ""
    features: Annotated[tuple[Text, ...], Field(max_length=50)] = ()
    price: Price | None = None
    stock: Annotated[int, Field(ge=0, le=2**31 - 1)] | None = None
    hidden: bool = False

    @model_validator(mode="after")
    def _changes_something(self) -> "ItemPatch":
        if not self.model_fields_set:
            raise ValueError("name at least one value to change")
        return self


class EventBody(Request):
    """Something that a customer did."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"event_id": "5f1c", "user": "A1YJEY40YUW4SE", "item_id": "B000142FVW", "kind": "click"},
                {
                    "event_id": "5f1d",
                    "user": "A1YJEY40YUW4SE",
                    "item_id": "B000142FVW",
                    "kind": "purchase",
                    "timestamp": 1765000000.0,
                    "recommendation_id": "0b2f6c0de4a24b0c",
                    "value": 12.5,
                },
            ]
        }
    )
    event_id: Id = Field(description="Made by the sender; an event with an id that is stored already is ignored.")
    user: Id
    item_id: Id
    kind: Kind = Field(description="`view`, `click`, `basket`, `purchase` or another word.")
    timestamp: Time | None = Field(None, description="Seconds since 1970; without it, now.")
    recommendation_id: Id | None = Field(None, description="The answer that led to it.")
    value: Annotated[float, Field(ge=-1e12, le=1e12, allow_inf_nan=False)] | None = None


class EventsBody(Request):
    """Several events, of which all or none are stored."""

    events: Annotated[tuple[EventBody, ...], Field(min_length=1, max_length=LIMITS.events)]
