"""Texts of the task ``generate_reason``: requests in the first person, recommendations and their reasons.

A reason is true by construction: it names the item of the history that shares the rarest words with the recommended
item, and these words.
"""

import math
import re
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence

from shoptalk.prompts.template import Template
from shoptalk.schema import History

#: The wordings of a request, of which one is chosen for each history.
REQUESTS = tuple(
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
#: Pseudonyms, of which each user has one, chosen by a hash: a prompt never has the id or the name of a user.
NAMES = ("Alex", "Ariel", "Charlie", "Dana", "Eden", "Jamie", "Jo", "Kim", "Lee", "Lou", "Max", "Nico", "Pat", "Quinn",
         "Robin", "Sam", "Sasha", "Toni", "Val", "Wren")  # fmt: skip
NAMED = Template("advise, name", "My name is $name.")
BOUGHT = Template("advise, bought", "I have bought $item.")
WROTE = Template("advise, bought and reviewed", "I have bought $item. I wrote about it: $review")
_BECAUSE, _NEW = ", because ", ", which is something new for you."
BECAUSE = Template("advise, because", "$title" + _BECAUSE + "you have bought $item: both say $words.")
TAUGHT = Template("advise, as a teacher wrote", "$title" + _BECAUSE + "$reason")
NEW = Template("advise, new", "$title" + _NEW)

#: Most words that a reason names.
_MOST_WORDS = 3
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
        """The item of the history with the largest weight of shared words, and the shared words with most weight.

        Of equal items it is the latest. The weight of a word is its inverse document frequency log(I / n), where n of
        the I items have it. None where no item shares a word of positive weight.
        """
        best_weight, best_item = 0.0, ""
        best_words: tuple[str, ...] = ()
        for seen_item in seen_items:
            shared = tuple(word for word in self._words[item] if word in self._words[seen_item])
            weight = sum(self._idf[word] for word in shared)
            if weight and weight >= best_weight:
                best_weight, best_item, best_words = weight, seen_item, shared
        if not best_item:
            return None
        rarest = sorted(best_words, key=lambda word: -self._idf[word])[:_MOST_WORDS]
        return best_item, tuple(word for word in best_words if word in rarest)


def request(history: History) -> str:
    """The request of a user; the same for the same user and history."""
    checksum = zlib.crc32("\n".join((history.user_id, *history.items)).encode())
    return REQUESTS[checksum % len(REQUESTS)].render()


def introduction(user_id: str) -> str:
    """The sentence with the pseudonym of a user."""
    return NAMED.render(name=NAMES[zlib.crc32(user_id.encode()) % len(NAMES)])


def describe_purchase(item: str, review: str) -> str:
    """A purchase in the first person."""
    return WROTE.render(item=item, review=review) if review else BOUGHT.render(item=item)


def recommended(text: str) -> str:
    """The title in an answer: the text before the reason."""
    return text.split(_BECAUSE, maxsplit=1)[0].removesuffix(_NEW)


def has_reason(text: str) -> bool:
    """Whether a text has the form of an answer: a title, a reason, and the full stop that ends it."""
    title = recommended(text)
    return bool(title.strip()) and title != text and text.endswith(".")


def _distinct_words(text: str) -> tuple[str, ...]:
    """The distinct words of a text, in order of their first occurrence."""
    return tuple(dict.fromkeys(_WORD.findall(text.casefold())))
