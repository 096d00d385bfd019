"""True statements about a recommended item and a purchase, from which the reason of a recommendation is chosen.

Each statement is found in the catalogue or in the training purchases; nothing is generated. Titles, brands and
categories are texts of sellers and may be hostile, so they are quoted as one line without control characters.
"""

import math
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from shoptalk.graph.dated_purchases import DatedPurchases
from shoptalk.graph.interactions import Ints, item_index_of
from shoptalk.prompts.sanitizer import PromptSanitizer
from shoptalk.schema import Catalogue, Item

Kind = Literal["customers", "brand", "category", "words"]

#: Fewest users who bought an item after a purchase for a statement about them: fewer are chance, and nearly names.
LEAST_USERS = 3
#: Most words of a statement, most characters of a quoted text, and of a description whose words are read.
MOST_WORDS, LONGEST, LONGEST_DESCRIPTION = 3, 80, 2000
#: A word may be in this share of the items, or in as many of them: more frequent words say nothing.
COMMON_SHARE, COMMON_COUNT = 0.1, 10
#: How many purchases have the numbers of users after them kept.
KEPT = 1024
#: Items from which the frequency of words is counted, at most.
SAMPLE = 50_000
#: Texts in the column of the brand that are none.
NO_BRANDS = frozenset({"", "-", "generic", "n/a", "na", "no brand", "none", "unbranded", "unknown"})
#: English words and measures without a meaning of their own, of three letters or more.
_STOP_WORDS = (
    "about all also and any are but can each for from has have her his how into its more most new non not now of off "
    "one only our out over per she than that the their them these they this those too two use very was were what when "
    "which who will with without you your inch inches pack pcs piece pieces"
)
STOP_WORDS = frozenset(_STOP_WORDS.split())
#: Letters, with the marks and vowel signs that Python's ``\w`` leaves out; from U+0900 on, scripts of South Asia.
_WORD = re.compile(r"(?:[^\W\d_]|[\u0300-\u036f\u0591-\u05c7\u0610-\u061a\u064b-\u065f\u0900-\u109f]){3,}")
_QUOTES = str.maketrans(dict.fromkeys('"“”„‟«»', "'"))
#: Zero-width joiners, which are not printable but are part of words in some scripts and of emoji.
_JOINERS = "\u200c\u200d"
_safe = PromptSanitizer()


@dataclass(frozen=True, slots=True)
class Statement:
    """A true statement about a recommended item and an item of the history.

    Attributes
    ----------
    purchase
        Id of the item of the history.
    kind
        What it is about: users who bought the item after the purchase, or a brand, category or words of both.
    fact
        The statement without a full stop.
    support
        Share of the items of the catalogue of which it would also be true; the smaller, the stronger.
    """

    purchase: str
    kind: Kind
    fact: str
    support: float


def reason_sentence(title: str, fact: str) -> str:
    """The reason as a sentence, from the title of the purchase and a fact."""
    return f"Because you have bought “{quotable(title)}”: {fact}."


def quotable(text: str, longest: int = LONGEST) -> str:
    """A text of a seller as one line that can stand between quotation marks; a long one is cut and ends in ``…``."""
    head = text[: 4 * longest]
    line = "".join(sign if sign.isprintable() or sign in _JOINERS else " " for sign in _safe(head))
    line = " ".join(line.translate(_QUOTES).split())
    if len(line) <= longest and len(head) == len(text):
        return line
    return line[: longest - 1].rstrip() + "…"


class Statements:
    """Finds all true statements about an item and a purchase.

    Parameters
    ----------
    catalogue
        All items.
    purchases
        The purchases of the training, and no others: numbers in statements are counted from them.
    """

    def __init__(self, catalogue: Catalogue, purchases: DatedPurchases) -> None:
        self._catalogue, self._purchases = catalogue, purchases
        self._index = item_index_of(catalogue)
        self._users_after: dict[str, tuple[Ints, Ints]] = {}

    def about(self, purchase: str, item: str) -> list[Statement]:
        """True statements about a recommended item and a purchase, the strongest first (see `Statement.support`)."""
        if purchase == item or purchase not in self._index or item not in self._index:
            return []
        pair = self._catalogue[purchase], self._catalogue[item]
        if not quotable(pair[0].title):
            return []
        found = [*self._customers(*pair), *self._brand(*pair), *self._category(*pair), *self._words(*pair)]
        return sorted(found, key=lambda statement: statement.support)

    def _customers(self, purchase: Item, item: Item) -> Iterator[Statement]:
        """How many users bought the item after the purchase."""
        followers = self._users_after.get(purchase.item_id)
        if followers is None:
            followers = self._purchases.users_after(self._index[purchase.item_id])
            if len(self._users_after) >= KEPT:
                self._users_after.clear()
            self._users_after[purchase.item_id] = followers
        items, counts = followers
        count = int(counts[items == self._index[item.item_id]].sum())
        if count >= LEAST_USERS:
            fact = f"{count} customers bought this product after it"
            yield Statement(purchase.item_id, "customers", fact, int((counts >= count).sum()) / len(self._index))

    def _brand(self, purchase: Item, item: Item) -> Iterator[Statement]:
        """The brand of both."""
        brand = _folded(item.brand)
        if brand == _folded(purchase.brand) and brand not in NO_BRANDS and (name := quotable(item.brand)):
            support = self._brand_counts[brand] / len(self._index)
            yield Statement(purchase.item_id, "brand", f"both are of the brand “{name}”", support)

    def _category(self, purchase: Item, item: Item) -> Iterator[Statement]:
        """The category of both that has the fewest items; of equal ones the last of the path."""
        shared = [name for name in item.categories if name in purchase.categories and quotable(name)]
        if shared:
            rarest = min(reversed(shared), key=lambda name: self._category_counts[name])
            support = self._category_counts[rarest] / len(self._index)
            fact = f"both are in the category “{quotable(rarest)}”"
            yield Statement(purchase.item_id, "category", fact, support)

    def _words(self, purchase: Item, item: Item) -> Iterator[Statement]:
        """The rarest words of both, in the order of the recommended item's text.

        Each is in the title of one of them: words that only descriptions share ("founded in Kansas") say little.
        """
        counts, size = self._word_counts
        most = max(COMMON_SHARE * size, min(COMMON_COUNT, size / 2))
        others, titles = _words(purchase), _title_words(purchase) | _title_words(item)
        shared = [word for word in _words(item) if word in others and word in titles and counts[word] <= most]
        rarest = sorted(shared, key=lambda word: counts[word])[:MOST_WORDS]
        if rarest:
            fact = f"both mention {', '.join(word for word in shared if word in rarest)}"
            yield Statement(purchase.item_id, "words", fact, max(1, counts[rarest[0]]) / size)

    @cached_property
    def _brand_counts(self) -> Counter[str]:
        return Counter(_folded(item.brand) for item in self._catalogue.values())

    @cached_property
    def _category_counts(self) -> Counter[str]:
        return Counter(name for item in self._catalogue.values() for name in set(item.categories))

    @cached_property
    def _word_counts(self) -> tuple[Counter[str], int]:
        """The number of items with each word, and how many items were read: all, or every n-th of many."""
        items = list(self._catalogue.values())
        sample = items[:: math.ceil(len(items) / SAMPLE)] if items else []
        return Counter(word for item in sample for word in _words(item)), len(sample)


def _folded(text: str) -> str:
    """A text without regard to case and spaces around it."""
    return text.strip().casefold()


def _title_words(item: Item) -> set[str]:
    """The words of the title but those without a meaning."""
    return set(_WORD.findall(item.title.casefold())) - STOP_WORDS


def _words(item: Item) -> dict[str, None]:
    """The distinct words of the title and the description, in their order."""
    return dict.fromkeys(_WORD.findall(f"{item.title} {item.description[:LONGEST_DESCRIPTION]}".casefold()))
