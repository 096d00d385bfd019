"""Searching the products: words, beginnings of words, and words with a typing error."""

import math
import re
import unicodedata
from bisect import bisect_left
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray
from rapidfuzz import fuzz, process

from shoptalk.schema import Item

_WORD = re.compile(r"\w+")
#: Weights of a match of the beginning of a word, and of a similar word, relative to the word itself.
_PREFIX, _SIMILAR = 0.7, 0.5
#: Least similarity (0 to 100) of a misspelt word, and its least length.
_SIMILARITY, _SHORTEST = 80, 4
#: Most words that a beginning stands for, most similar words, and most words of a query.
_BEGINNINGS, _NEAREST, _QUERY = 200, 3, 20


class SearchIndex:
    """Which products have which words. Products are only ever added; a reader looks at those of its own catalogue."""

    def __init__(self, items: Iterable[Item] = ()) -> None:
        self._postings: dict[str, list[int]] = {}
        self._sorted: list[str] = []
        self._count = 0
        self.add(items)

    def __len__(self) -> int:
        return self._count

    def add(self, items: Iterable[Item]) -> None:
        """Add products behind those that it has."""
        for item in items:
            for word in dict.fromkeys(words(" ".join([item.title, item.brand, *item.categories]))):
                self._postings.setdefault(word, []).append(self._count)
            self._count += 1
        self._sorted = sorted(self._postings)

    def search(self, query: str, count: int) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Scores of the first ``count`` products, and how many words of the query each has."""
        scores, matched = np.zeros(count), np.zeros(count, dtype=np.int64)
        for word in words(query)[:_QUERY]:
            best = np.zeros(count)
            for found, weight in self._matches(word):
                positions = np.array(self._postings[found], dtype=np.int64)
                positions = positions[positions < count]
                rarity = math.log1p(self._count / (1 + len(positions)))
                best[positions] = np.maximum(best[positions], weight * rarity)
            scores += best
            matched += best > 0
        return scores, matched

    def _matches(self, word: str) -> Sequence[tuple[str, float]]:
        """The words that stand for a word of the query, with their weights."""
        found = [(word, 1.0)] if word in self._postings else []
        begin = bisect_left(self._sorted, word)
        for other in self._sorted[begin : begin + _BEGINNINGS]:
            if not other.startswith(word):
                break
            if other != word:
                found.append((other, _PREFIX))
        if not found and len(word) >= _SHORTEST:
            near = process.extract(word, self._sorted, scorer=fuzz.ratio, limit=_NEAREST, score_cutoff=_SIMILARITY)
            found = [(other, _SIMILAR) for other, _, _ in near]
        return found


def words(text: str) -> list[str]:
    """The words of a text, without case and accents."""
    plain = unicodedata.normalize("NFKD", text.casefold())
    return _WORD.findall("".join(character for character in plain if not unicodedata.combining(character)))
