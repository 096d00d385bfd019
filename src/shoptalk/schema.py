"""The words of shoptalk: what an item, a history, a split and a ranked list are."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

#: Columns of ``interactions`` (one row per purchase) and ``items`` (one row per product), in every table of shoptalk.
USER, ITEM, TIME, POSITION = "user_id", "item_id", "timestamp", "position"
RATING, VERIFIED, REVIEW, SUMMARY = "rating", "verified", "review", "summary"
TITLE, BRAND, CATEGORIES, DESCRIPTION, FEATURES, PRICE = (
    "title",
    "brand",
    "categories",
    "description",
    "features",
    "price",
)

#: How the tokens of items and users begin and end.
ITEM_OPENS, USER_OPENS, TOKEN_CLOSES = "<|item_", "<|user_", "|>"
#: The id whose token fills up a list of items.
NO_ITEM = "none"

#: What a purchase may be for, see ``data.split``; tables in memory hold places in this list.
PARTS = ("train", "validation", "test", "context", "unused")
Role = Literal["system", "user", "assistant"]


def item_token(item_id: str) -> str:
    """The token that stands for an item."""
    return f"{ITEM_OPENS}{item_id}{TOKEN_CLOSES}"


def user_token(user_id: str) -> str:
    """The token that stands for a user."""
    return f"{USER_OPENS}{user_id}{TOKEN_CLOSES}"


@dataclass(frozen=True, slots=True)
class Item:
    """A product, as the model may be told about it.

    ``title`` has gone through the dataset's cleaning; ``raw_title`` is what the source said (see the level ``uneven``).
    """

    item_id: str
    title: str
    brand: str = ""
    categories: tuple[str, ...] = ()
    description: str = ""
    features: tuple[str, ...] = ()
    price: float | None = None
    raw_title: str = ""


@dataclass(frozen=True, slots=True)
class Interaction:
    """One purchase; ``timestamp`` in seconds since 1970 (UTC) with fraction, ``rating`` on the source's own scale."""

    user_id: str
    item_id: str
    timestamp: float
    rating: float | None = None
    review: str = ""
    summary: str = ""
    verified: bool | None = None


#: All items by their id.
Catalogue = Mapping[str, Item]


@dataclass(frozen=True, slots=True)
class History:
    """A user's items in time order; ``reviews`` runs beside ``items``, or is empty where no prompt asks for reviews."""

    user_id: str
    items: tuple[str, ...]
    reviews: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Candidates:
    """A frozen set of options for one case, in the order in which they are shown.

    ``titles`` are the texts shown; they are the items' titles, except under the cleaning ``uneven``.
    """

    items: tuple[str, ...]
    titles: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Case:
    """One thing to predict: what the user had, and what the user had next.

    ``truth`` is one item, or several where time is tied and the split says ``set``; ``answer`` is the place of the
    right option, from 0; ``rating`` is what the user gave the first item of ``truth``; ``tied`` says that the truth
    shares its moment with the purchase before it or after it, so that the order in the file decides what is "next".
    """

    history: History
    truth: tuple[str, ...]
    candidates: Candidates | None = None
    answer: int | None = None
    rating: float | None = None
    tied: bool = False


@dataclass(frozen=True, slots=True)
class Message:
    """What one side says; only what the assistant says is learned."""

    role: Role
    text: str


@dataclass(frozen=True, slots=True)
class Example:
    """What is trained on."""

    messages: tuple[Message, ...]


@dataclass(frozen=True, slots=True)
class RankedList:
    """Items for one history, best first, with their scores.

    ``rank`` is where a wanted item stands among the whole catalogue, from 1; None where none was wanted or ranked.
    """

    user_id: str
    items: tuple[str, ...]
    scores: tuple[float, ...] = ()
    rank: int | None = None


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure with its 95 % interval over ``n`` users."""

    value: float
    low: float
    high: float
    n: int

    def as_dict(self) -> dict[str, float | int]:
        """The estimate as ``--json`` prints it."""
        return {"value": self.value, "low": self.low, "high": self.high, "n": self.n}


class Recommender(Protocol):
    """Anything that scores options for a history: a language model or a baseline."""

    name: str

    def score(self, histories: Sequence[History], candidates: Sequence[Candidates]) -> list[NDArray[np.float64]]:
        """Score each history's options; the higher, the likelier.

        Parameters
        ----------
        histories
            B histories.
        candidates
            B sets of options, of any sizes. Which of them is right is not told.

        Returns
        -------
        list of arrays
            B arrays, each as long as its set of options.
        """
        ...


class Ranker(Protocol):
    """Anything that scores the whole catalogue for a history: a language model with item tokens or a baseline."""

    name: str

    @property
    def items(self) -> Sequence[str]:
        """The ids of the I items in the order of the scores."""
        ...

    def score_all(self, histories: Sequence[History]) -> NDArray[np.float32]:
        """Scores (B, I) of all items for B histories; the higher, the likelier. Items already bought score as any."""
        ...


@dataclass(frozen=True, slots=True)
class Split:
    """What is learned from, and what is to be predicted.

    ``train`` holds one history per training user with every interaction that may be learned from; ``train_cases`` the
    same interactions as exam questions, for what learns from questions. ``refit`` says whether validation purchases may
    be learned from as well, once they have chosen the settings.
    """

    train: Sequence[History]
    train_cases: Sequence[Case]
    validation: Sequence[Case]
    test: Sequence[Case]
    refit: bool = True
