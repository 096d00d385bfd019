"""The best products for one history, and why: what each bought product adds to a score."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from shoptalk.errors import UsageError
from shoptalk.prompts.tasks import Teller
from shoptalk.recommend.options import LanguageModelRecommender, Notify, quiet
from shoptalk.schema import Candidates, History, RankedList, Recommender

#: Options of one pass, when a whole catalogue is scored.
CHUNK = 64


class Explained(Recommender, Protocol):
    """Anything that scores options for a history, and knows the words for them."""

    @property
    def teller(self) -> Teller:
        """What words histories and options."""
        ...


@dataclass(frozen=True, slots=True)
class Reason:
    """How much an item of the history adds to a recommendation's score: the score with it minus the score without."""

    item_id: str
    effect: float


def rank(
    recommender: LanguageModelRecommender, history: History, options: Sequence[str], k: int, notify: Notify = quiet
) -> RankedList:
    """The k best of the options for a history, best first.

    Raises
    ------
    UsageError
        When a model that chooses among the options it is shown gets more than it can be shown.
    """
    if recommender.teller.prompt.task == "choose":
        if not 2 <= len(options) <= 26:
            raise UsageError(
                "this run learned to choose among a few options that it is shown",
                hint='name 2 to 26 products with --option, or train with prompt.task "title" to rank all products',
            )
        chunks = [tuple(options)]
    else:
        chunks = [tuple(options[start : start + CHUNK]) for start in range(0, len(options), CHUNK)]
    candidates = [Candidates(chunk, tuple(map(recommender.teller.title, chunk))) for chunk in chunks]
    scores = recommender.score([history] * len(chunks), candidates, notify)
    scored = [pair for chunk, values in zip(chunks, scores, strict=True) for pair in zip(chunk, values, strict=True)]
    best = sorted(scored, key=lambda pair: (-pair[1], pair[0]))[:k]
    return RankedList(history.user_id, tuple(item for item, _ in best), tuple(float(score) for _, score in best))


def explain(
    recommender: Explained, history: History, ranked: RankedList, shown: Sequence[str] = ()
) -> list[list[Reason]]:
    """For each recommended item, the items of the history by what they add to its score, most first.

    Measured, not told: the score is computed again without each item of the history in turn. ``shown`` are all the
    options that the model was shown, for a model that chooses among them.
    """
    options = tuple(shown) or ranked.items
    candidates = Candidates(options, tuple(map(recommender.teller.title, options)))
    told = range(max(0, len(history.items) - recommender.teller.prompt.history), len(history.items))
    without = [
        History(
            history.user_id,
            history.items[:at] + history.items[at + 1 :],
            history.reviews[:at] + history.reviews[at + 1 :],
        )
        for at in told
    ]
    scores = recommender.score([history, *without], [candidates] * (len(without) + 1))
    place = {item: number for number, item in enumerate(options)}
    return [
        sorted(
            (
                Reason(history.items[at], float(scores[0][place[item]] - less[place[item]]))
                for at, less in zip(told, scores[1:], strict=True)
            ),
            key=lambda reason: -reason.effect,
        )
        for item in ranked.items
    ]
