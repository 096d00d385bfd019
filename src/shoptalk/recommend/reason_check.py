"""Checks the written reason of a recommendation against catalogue, history, effects and training purchases.

The check shares no code with what finds and writes statements (`shoptalk.recommend.statements`): it reads the sentence,
looks the product up among the purchases by its title, and works out again what is match about it. A sentence that it
cannot read is not true.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Literal
from unicodedata import category

import numpy as np

from shoptalk.graph.dated_purchases import DatedPurchases
from shoptalk.schema import Catalogue, History, Item, Reason

#: What is wrong with a reason: it cannot be read; its product is not in the history, or did not move the recommendation
#: most; the number of customers, the brand, the category or a word is wrong.
Problem = Literal["form", "purchase", "effect", "customers", "brand", "category", "words"]

_SENTENCE = re.compile(
    r"Because you have bought “(?P<title>[^“”]+)”: "
    r"(?:(?P<customers>[1-9][0-9]*) customers bought this product after it"
    r"|both are of the brand “(?P<brand>[^“”]+)”"
    r"|both are in the category “(?P<category>[^“”]+)”"
    r"|both mention (?P<words>[^\s“”,.]+(?:, [^\s“”,.]+)*))\."
)
_UNPRINTABLE = re.compile(r"[^\S ]|[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


class ReasonCheck:
    """Says what is wrong with a written reason.

    Parameters
    ----------
    catalogue
        All items.
    purchases
        The purchases of the training.
    """

    def __init__(self, catalogue: Catalogue, purchases: DatedPurchases) -> None:
        self._catalogue, self._purchases = catalogue, purchases
        self._number = {item: number for number, item in enumerate(catalogue)}

    def problem(self, sentence: str, item_id: str, history: History, effects: Sequence[Reason]) -> Problem | None:
        """What is wrong with a reason; None if it is true.

        Parameters
        ----------
        sentence
            The written reason.
        item_id
            The recommended item.
        history, effects
            The purchases, and the effect of each on the score of the recommended item, in any order.
        """
        match = _SENTENCE.fullmatch(sentence)
        if match is None or _UNPRINTABLE.search(sentence):
            return "form"
        named = [item for item in dict.fromkeys(history.items) if self._has_title(item, match["title"])]
        if not named:
            return "purchase"
        most = max((reason.effect for reason in effects), default=0.0)
        strongest = {reason.item_id for reason in effects if reason.effect == most > 0}
        moving = [item for item in named if item in strongest]
        if not moving:
            return "effect"
        item = self._catalogue[item_id]
        problems = [self._false_fact(match, self._catalogue[purchase], item) for purchase in moving]
        return None if None in problems else problems[0]

    def _has_title(self, item_id: str, quoted: str) -> bool:
        """Whether a quotation, which may be cut, is the title of an item."""
        return item_id in self._catalogue and _quotes(quoted, self._catalogue[item_id].title)

    def _false_fact(self, match: re.Match[str], purchase: Item, item: Item) -> Problem | None:
        """Which part of a sentence about two items is false."""
        if match["customers"]:
            return None if int(match["customers"]) == self._count(purchase.item_id, item.item_id) else "customers"
        if match["brand"]:
            same = all(_quotes(match["brand"], brand) for brand in (purchase.brand, item.brand))
            return None if same and purchase.brand.strip().lower() == item.brand.strip().lower() else "brand"
        if match["category"]:
            both = set(purchase.categories) & set(item.categories)
            return None if any(_quotes(match["category"], name) for name in both) else "category"
        texts = [f"{one.title}\n{one.description}".casefold() for one in (purchase, item)]
        words = match["words"].split(", ")
        return None if all(_contains(text, word) for word in words for text in texts) else "words"

    def _count(self, first: str, second: str) -> int:
        """How many users bought the second item at a later time than the first, counted one by one."""
        first_time: dict[int, float] = {}
        last_time: dict[int, float] = {}
        for user, time in self._times(first):
            first_time[user] = min(time, first_time.get(user, time))
        for user, time in self._times(second):
            last_time[user] = max(time, last_time.get(user, time))
        return sum(time < last_time[user] for user, time in first_time.items() if user in last_time)

    def _times(self, item_id: str) -> Iterator[tuple[int, float]]:
        """User and time of each purchase of an item."""
        rows = np.flatnonzero(self._purchases.item == self._number[item_id])
        return zip(self._purchases.user[rows].tolist(), self._purchases.time[rows].tolist(), strict=True)


def _letters(text: str) -> str:
    """Letters and digits of a text, with one space for everything between them."""
    return " ".join(re.findall(r"[^\W_]+", text.casefold()))


def _quotes(quoted: str, text: str) -> bool:
    """Whether letters and digits of a quotation are those of a text, or of its beginning if it ends in ``…``."""
    start, whole = _letters(quoted), _letters(text)
    return bool(start) and (whole.startswith(start) if quoted.endswith("…") else whole == start)


def _contains(text: str, word: str) -> bool:
    """Whether a text has a word, with neither letters nor marks of letters before or behind it."""
    padded = f" {text} "
    ends = ((found.start(), found.end()) for found in re.finditer(re.escape(word), padded))
    return any(not {category(padded[start - 1])[0], category(padded[end])[0]} & {"L", "M"} for start, end in ends)
