"""A recommendation with its reason, asked for in the first person (system C).

System C had a teacher model write the reasons. Here each is true by construction: it names the product of the history
that shares the most telling words with the recommended one, and those words.
"""

import math
import re
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence

from shoptalk.prompts.template import Template
from shoptalk.schema import History

#: One of them is drawn for each customer.
ASKS = tuple(
    Template(f"advise {number}", text)
    for number, text in enumerate(
        (
            "What should I buy next, and why?",
            "Recommend a product to me and say why.",
            "Look at what I have bought. What would you suggest next? Give a reason.",
            "I would like to buy something else. What fits, and why?",
            "Which product would suit me? Please explain your choice.",
            "Help me to find my next purchase, and tell me what speaks for it.",
            "You know what I have. Name one more product for me, with a reason.",
            "Give me one recommendation and the reason for it.",
            "What else might I like? Say what makes you think so.",
            "Suggest the next product that I should get, and justify it.",
            "Considering my purchases, what do you advise me to buy, and why?",
            "What goes with what I own? Recommend one product and explain why.",
        )
    )
)
BOUGHT = Template("advise, bought", "I have bought $item.")
WROTE = Template("advise, bought and reviewed", "I have bought $item. I wrote about it: $review")
_BECAUSE, _NEW = ", because you have bought ", ", which is something new for you."
BECAUSE = Template("advise, because", "$title" + _BECAUSE + "$item: both say $words.")
NEW = Template("advise, new", "$title" + _NEW)

#: Words of a reason.
_MOST = 3
_WORD = re.compile(r"[^\W\d_]{3,}")


class Adviser:
    """Finds the reason for a recommendation.

    Parameters
    ----------
    items
        Ids of the catalogue's items.
    text_of
        Text of an item by its id.
    """

    def __init__(self, items: Iterable[str], text_of: Callable[[str], str]) -> None:
        self._words: Mapping[str, tuple[str, ...]] = {item: _distinct_words(text_of(item)) for item in items}
        document_frequency = Counter(word for words in self._words.values() for word in words)
        self._idf = {word: math.log(len(self._words) / count) for word, count in document_frequency.items()}

    def reason(self, seen_items: Sequence[str], item: str) -> tuple[str, tuple[str, ...]] | None:
        """The seen item with the largest weight of shared words (the latest of equals), and these words, or None.

        The weight of a word is its inverse document frequency log(I / n), where n of the I items have it.
        """
        best: tuple[float, str, tuple[str, ...]] = (0.0, "", ())
        for seen in seen_items:
            shared = tuple(word for word in self._words[item] if word in self._words[seen])
            weight = sum(self._idf[word] for word in shared)
            if weight and weight >= best[0]:
                best = (weight, seen, shared)
        if not best[1]:
            return None
        chosen = sorted(best[2], key=lambda word: -self._idf[word])[:_MOST]
        return best[1], tuple(word for word in best[2] if word in chosen)


def request(history: History) -> str:
    """How a customer asks: the same customer with the same purchases always in the same way."""
    drawn = zlib.crc32("\n".join((history.user_id, *history.items)).encode())
    return ASKS[drawn % len(ASKS)].render()


def describe_purchase(item: str, review: str) -> str:
    """A purchase in the first person."""
    return WROTE.render(item=item, review=review) if review else BOUGHT.render(item=item)


def recommended(text: str) -> str:
    """The title that an answer recommends: what stands before its reason."""
    return text.split(_BECAUSE, maxsplit=1)[0].removesuffix(_NEW)


def _distinct_words(text: str) -> tuple[str, ...]:
    """The different words of a text, in their order."""
    return tuple(dict.fromkeys(_WORD.findall(text.casefold())))
