"""The data types of shoptalk: items, histories, splits, ranked lists, and the `Recommender` interface."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, Protocol, overload

import numpy as np
from numpy.typing import NDArray

from shoptalk.progress import Notify

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
#: The id whose token fills up a list of items, and how many items a list has (system D).
NO_ITEM, LIST_LENGTH = "none", 10

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
    """A product.

    ``title`` has gone through the dataset's cleaning; ``raw_title`` is what the source said (see the level
    ``asymmetric``).
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

    ``titles`` are the texts shown; they are the items' titles, except under the cleaning ``asymmetric``.
    """

    items: tuple[str, ...]
    titles: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class EvalExample:
    """One thing to predict: what the user had, and what the user had next.

    ``targets`` is one item, or several where time is tied and the split says ``set``; ``answer`` is the place of the
    right option, from 0; ``rating`` is what the user gave the first item of ``targets``; ``tied`` says that the truth
    shares its moment with the purchase before it or after it, so that the order in the file decides what is "next";
    ``target_reviews`` runs beside ``targets``, or is empty, and is never shown before its purchase is history.
    """

    history: History
    targets: tuple[str, ...]
    candidates: Candidates | None = None
    answer: int | None = None
    rating: float | None = None
    tied: bool = False
    target_reviews: tuple[str, ...] = ()

    def with_targets(self) -> History:
        """The history with the targets at its end, and their reviews; a missing review is empty."""
        reviews = self.history.reviews
        if reviews or self.target_reviews:
            reviews += ("",) * (len(self.history.items) - len(reviews))
            reviews += self.target_reviews or ("",) * len(self.targets)
        return History(self.history.user_id, self.history.items + self.targets, reviews)


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
    """A figure with its 95 % interval over users.

    Attributes
    ----------
    value
        The figure; NaN (null in JSON) where there is none.
    low, high
        The ends of the interval; NaN where there is none, as with a single user.
    n
        How many users it is over.
    """

    value: float
    low: float
    high: float
    n: int

    @property
    def known(self) -> bool:
        """Whether there is a figure."""
        return not math.isnan(self.value)

    @property
    def has_interval(self) -> bool:
        """Whether both ends of the interval are known."""
        return not (math.isnan(self.low) or math.isnan(self.high))


@dataclass(frozen=True, slots=True)
class Reason:
    """How much an item of the history adds to a recommendation's score: the score with it minus the score without."""

    item_id: str
    effect: float


class Recommender(Protocol):
    """Anything that ranks items for a history: a language model, a baseline, or what others bring.

    Where it can, it also has ``explain(history, items, candidates=None)``, which gives for each recommended item a list
    of `Reason`, the largest effect first.
    """

    name: str

    @property
    def items(self) -> Sequence[str]:
        """Ids of the I items that it can recommend, in the order of ``allowed``."""
        ...

    def score(self, histories: Sequence[History], candidates: Sequence[Candidates]) -> list[NDArray[np.float64]]:
        """Score each history's options; the higher, the likelier.

        Parameters
        ----------
        histories
            B histories.
        candidates
            B sets of options, of any sizes. Which of them is right is not among them.

        Returns
        -------
        list of arrays
            B arrays, each as long as its set of options.
        """
        ...

    def rank(
        self,
        histories: Sequence[History],
        k: int,
        *,
        allowed: NDArray[np.bool_] | None = None,
        exclude_history: bool = True,
        targets: Sequence[str] | None = None,
        notify: Notify = ...,
    ) -> Sequence[RankedList]:
        """The k best items of each history with their scores, best first; equal scores in catalogue order.

        Parameters
        ----------
        histories
            B histories.
        k
            Length of a list; a list is shorter where fewer items may be recommended.
        allowed
            (I,) which of the items may be recommended at all; by default all.
        exclude_history
            Whether items of the history are left out.
        targets
            For each history an item whose rank in the whole catalogue goes into ``RankedList.rank``, where the
            recommender scores the whole catalogue.
        notify
            Called with how many histories are done, and how many there are.
        """
        ...


@dataclass(frozen=True, slots=True)
class Split:
    """What is learned from, and what is to be predicted.

    ``train`` holds one history per training user with every interaction that may be learned from; ``train_cases`` the
    same interactions as exam questions, for what learns from questions. ``refit`` says whether validation purchases
    are learned from as well, once they have chosen the settings: see `for_final_fit`.
    """

    train: Sequence[History]
    train_cases: Sequence[EvalExample]
    validation: Sequence[EvalExample]
    test: Sequence[EvalExample]
    refit: bool = False

    def for_final_fit(self) -> "Split":
        """What the final fit sees: of the model and of every baseline, whatever the task and the way of splitting.

        Settings are chosen before that, on training purchases with validation cases. Without ``refit`` it is the
        training part. With it, ``train`` also has all purchases of the validation cases (histories and targets),
        ``train_cases`` also has the validation cases, and no validation case is left. All of them are purchases from
        before the test: where the same user has a test case, its history shows them.
        """
        if not self.refit:
            return self
        longest: dict[str, History] = {}
        for case in self.validation:
            previous = longest.get(case.history.user_id)
            if previous is None or len(previous.items) <= len(case.history.items):
                longest[case.history.user_id] = case.with_targets()
        train = [longest.pop(history.user_id, history) for history in self.train]
        cases = _Joined(self.train_cases, self.validation)
        return replace(self, train=[*train, *longest.values()], train_cases=cases, validation=())


class _Joined(Sequence[EvalExample]):
    """Two sequences of cases as one, without a copy: a case may be made anew whenever it is looked at."""

    def __init__(self, first: Sequence[EvalExample], second: Sequence[EvalExample]) -> None:
        self._first, self._second = first, second

    def __len__(self) -> int:
        return len(self._first) + len(self._second)

    @overload
    def __getitem__(self, index: int) -> EvalExample: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[EvalExample]: ...
    def __getitem__(self, index: int | slice) -> EvalExample | Sequence[EvalExample]:
        if isinstance(index, slice):
            return [self[position] for position in range(*index.indices(len(self)))]
        position = index + len(self) if index < 0 else index
        if not 0 <= position < len(self):
            raise IndexError(index)
        first = len(self._first)
        return self._first[position] if position < first else self._second[position - first]

    def __iter__(self) -> Iterator[EvalExample]:
        yield from self._first
        yield from self._second
