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

#: Beginnings and end of item and user tokens.
ITEM_OPENS, USER_OPENS, TOKEN_CLOSES = "<|item_", "<|user_", "|>"
#: The id whose token pads a list of items, and the length of a list (task `generate_ids`).
NO_ITEM, LIST_LENGTH = "none", 10

#: The parts of a split, see ``data.split``; tables in memory contain indices into this list.
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

    ``title`` is cleaned as configured; ``raw_title`` is the title of the source (see the cleaning ``asymmetric``).
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
    """One purchase; ``timestamp`` in seconds since 1970 (UTC) with fraction, ``rating`` on the scale of the source."""

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
    """A user's items in time order; ``reviews`` has one text per item, or is empty if no prompt uses reviews."""

    user_id: str
    items: tuple[str, ...]
    reviews: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Candidates:
    """The fixed set of options of one test case, in the order shown.

    ``titles`` are the texts shown; they are the items' titles, except under the cleaning ``asymmetric``.
    """

    items: tuple[str, ...]
    titles: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class EvalExample:
    """A history with the items bought next.

    Attributes
    ----------
    history
        The purchases before the targets.
    targets
        One item, or several with the same timestamp (``split.ties = "set"``).
    candidates, answer
        The options, and the position of the right one, from 0; None without options.
    rating
        The user's rating of the first target.
    tied
        Whether the target has the same timestamp as the purchase before or after it, so that the order of the file
        decides which one is the target.
    target_reviews
        One review per target, or empty. They are used in prompts only after the target has become part of a history.
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
    """One turn of a conversation; only turns of the assistant are trained on."""

    role: Role
    text: str


@dataclass(frozen=True, slots=True)
class Example:
    """A training example: a conversation."""

    messages: tuple[Message, ...]


@dataclass(frozen=True, slots=True)
class RankedList:
    """Items for one history, best first, with their scores.

    ``rank`` is the rank of a given target in the whole catalogue, from 1; None without a target, or if it has no rank.
    """

    user_id: str
    items: tuple[str, ...]
    scores: tuple[float, ...] = ()
    rank: int | None = None


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value with its 95 % interval over users.

    Attributes
    ----------
    value
        The value; NaN (null in JSON) if unknown.
    low, high
        The ends of the interval; NaN if unknown, as with a single user.
    n
        The number of users.
    """

    value: float
    low: float
    high: float
    n: int

    @property
    def known(self) -> bool:
        """Whether the value is known."""
        return not math.isnan(self.value)

    @property
    def has_interval(self) -> bool:
        """Whether both ends of the interval are known."""
        return not (math.isnan(self.low) or math.isnan(self.high))


@dataclass(frozen=True, slots=True)
class Reason:
    """The effect of an item of the history on the score of a recommendation: the score minus the score without it."""

    item_id: str
    effect: float


class Recommender(Protocol):
    """Anything that ranks items for a history: a language model, a baseline or a class of another package.

    It can also have ``explain(history, items, candidates=None)``, which returns for each recommended item a list of
    `Reason`, the largest effect first.
    """

    name: str

    @property
    def items(self) -> Sequence[str]:
        """Ids of the I items that it can recommend, in the order of ``allowed``."""
        ...

    def score(self, histories: Sequence[History], candidates: Sequence[Candidates]) -> list[NDArray[np.float64]]:
        """Score each history's options; higher is better.

        Parameters
        ----------
        histories
            B histories.
        candidates
            B sets of options, of any sizes. They do not contain which option is right.

        Returns
        -------
        list of arrays
            B arrays with one score per option.
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
            (I,) whether an item may be recommended; by default all may.
        exclude_history
            Whether items of the history are left out.
        targets
            For each history an item whose rank in the whole catalogue is returned in ``RankedList.rank``, if the
            recommender scores the whole catalogue.
        notify
            Called with the number of finished histories and the number of all histories.
        """
        ...


@dataclass(frozen=True, slots=True)
class Split:
    """The training, validation and test parts of a dataset.

    ``train`` contains one history per training user with all training interactions; ``train_cases`` the same
    interactions as test cases, for models that are trained on questions. ``refit`` is whether the final fit also uses
    validation purchases, after the settings are chosen: see `for_final_fit`.
    """

    train: Sequence[History]
    train_cases: Sequence[EvalExample]
    validation: Sequence[EvalExample]
    test: Sequence[EvalExample]
    refit: bool = False

    def for_final_fit(self) -> "Split":
        """The split for the final fit of the model and of every baseline.

        Settings are chosen before that on the training part, by validation cases. Without ``refit`` it is the
        training part. With it, ``train`` also has all purchases of the validation cases (histories and targets),
        ``train_cases`` also has the validation cases, and no validation case is left. All of these
        purchases are from before the test; they are in the history of the user's test case, if there is one.
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
    """The concatenation of two sequences of cases, without a copy; cases may be built at each access."""

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
