"""Which answers of a teacher are accepted, and why others are refused."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence

from shoptalk.evaluation.parroting import prompt_share
from shoptalk.prompts.teacher import LONGEST_REASON, TaughtAnswer, parse_answer
from shoptalk.schema import EvalExample
from shoptalk.stages.teacher_cache import Answer

#: Reasons for a refusal, in the order in which they are checked.
REFUSALS = ("cut_off", "markup", "form", "too_long", "not_in_catalogue", "already_bought", "echo", "no_reference")
#: Share of a reason's sequences of words from the prompt, titles left out, from which on it is an echo.
_ECHO = 0.7
#: A word of more than this share of the titles refers to nothing.
_COMMON = 0.2
_MARKUP = re.compile(r"<[a-z!/|]|&[a-z]+;|&#\d+;|https?://|###|```", re.IGNORECASE)
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e]")
_WORD = re.compile(r"[^\W\d_]{3,}")


class AnswerCheck:
    """Checks answers against the catalogue.

    Parameters
    ----------
    titles
        Title of each item by its id, as the prompts show it.
    """

    def __init__(self, titles: Mapping[str, str]) -> None:
        self._titles = titles
        self._items: dict[str, list[str]] = {}
        for item, title in titles.items():
            self._items.setdefault(_folded(title), []).append(item)
        counts = Counter(word for title in titles.values() for word in _words(title))
        most = max(1, _COMMON * len(titles))
        self._common = {word for word, count in counts.items() if count > most}

    def check(
        self, answer: Answer, case: EvalExample, lines: Sequence[str], request: str, listed: Sequence[str]
    ) -> TaughtAnswer | str:
        """The accepted answer to a case, or the reason why it is refused (one of `REFUSALS`).

        Parameters
        ----------
        lines, request
            The history and the question of the prompt.
        listed
            Items of the prompt's list; where products share a title, one of these is meant.
        """
        parsed = _parsed(answer)
        if isinstance(parsed, str):
            return parsed
        title, reason = parsed
        found = self._items.get(_folded(title))
        if not found:
            return "not_in_catalogue"
        item = next((item for item in listed if item in found), found[0])
        if item in case.history.items:
            return "already_bought"
        if problem := self._problem_of_reason(reason, title, case, lines, request):
            return problem
        return TaughtAnswer(case.history.user_id, len(case.history.items), item, reason)

    def _problem_of_reason(
        self, reason: str, title: str, case: EvalExample, lines: Sequence[str], request: str
    ) -> str | None:
        """Whether a reason repeats the prompt or refers to nothing in the history."""
        if prompt_share(self._without_titles(reason, case), "\n".join([*lines, request])) >= _ECHO:
            return "echo"
        return None if self._refers(reason, title, case, lines) else "no_reference"

    def _without_titles(self, reason: str, case: EvalExample) -> str:
        """A reason without the titles of purchases, which it may repeat."""
        text = _folded(reason)
        for item in case.history.items:
            text = text.replace(_folded(self._titles[item]), " ")
        return text

    def _refers(self, reason: str, title: str, case: EvalExample, lines: Sequence[str]) -> bool:
        """Whether a reason names a purchase, or has a word of the history that is rare and not of the product."""
        text, prompt = _folded(reason), _folded("\n".join(lines))
        titles = {_folded(self._titles[item]) for item in case.history.items}
        if any(bought in text and bought in prompt for bought in titles):
            return True
        shown = {word for item in case.history.items for word in _words(self._titles[item])}
        reviews = {word for review in case.history.reviews for word in _words(review) if len(word) > 5}
        visible = set(_words(prompt))
        return bool(set(_words(reason)) & (shown | reviews) & visible - self._common - set(_words(title)))


def _parsed(answer: Answer) -> tuple[str, str] | str:
    """The title and the reason of an answer, or the reason why it is refused before they are looked at."""
    if not answer.complete:
        return "cut_off"
    if _MARKUP.search(answer.text) or _CONTROL.search(answer.text):
        return "markup"
    parsed = parse_answer(answer.text)
    if parsed is None:
        return "form"
    title, reason = parsed[0], _sentence(parsed[1])
    return "too_long" if len(reason) > LONGEST_REASON else (title, reason)


def _sentence(text: str) -> str:
    """A reason as it follows "because": without that word, beginning in lower case, and with a full stop."""
    text = re.sub(r"^because\s+", "", text, flags=re.IGNORECASE)
    begins = text.split(" ", 1)[0].lower()
    text = text[:1].lower() + text[1:] if begins in {"you", "your", "it", "this", "the"} else text
    return text if text.endswith(".") else text.rstrip("!?;,") + "."


def _folded(text: str) -> str:
    """A text without differences of case and white space."""
    return " ".join(text.casefold().split())


def _words(text: str) -> list[str]:
    return _WORD.findall(text.casefold())
