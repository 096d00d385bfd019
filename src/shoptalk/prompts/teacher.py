"""Requests to a teacher model for a recommendation with its reason, and the form and file of its answers."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from shoptalk.errors import PromptError
from shoptalk.jsonrows import read_objects
from shoptalk.prompts.template import Template

SYSTEM = Template(
    "teacher, instruction",
    "You advise customers of a shop. Recommend one product of the list to the customer and say why. Answer with two "
    "lines and nothing else:\n"
    "Product: the title of one product of the list, word for word\n"
    "Reason: one sentence of at most 40 words, addressed to the customer as 'you', that begins with 'you' and names "
    "something that the customer has bought or written",
)
USER = Template("teacher, question", "$history\n$request\n\nProducts:\n$products")
#: Most characters of a reason.
LONGEST_REASON = 400
EXAMPLE = '{"user": "..", "history": 4, "item": "..", "reason": ".."}'
_ANSWER = re.compile(r"\s*product:[ \t]*(?P<title>[^\n]+?)\s*\n\s*reason:[ \t]*(?P<reason>[^\n]+?)\s*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class TaughtAnswer:
    """An answer of a teacher to one training case.

    Attributes
    ----------
    user, history
        The case: its user, and the number of purchases in its history.
    item
        The recommended product.
    reason
        The reason, one sentence.
    """

    user: str
    history: int
    item: str
    reason: str


def teacher_messages(history: Sequence[str], request: str, products: Sequence[str]) -> list[dict[str, str]]:
    """The messages of a request, as an endpoint of chat completions takes them.

    Parameters
    ----------
    history
        The lines about the purchases.
    request
        The question of the customer.
    products
        Titles that the teacher chooses from.
    """
    listed = "\n".join(f"- {title}" for title in products)
    question = USER.render(history="\n".join(history), request=request, products=listed)
    return [{"role": "system", "content": SYSTEM.render()}, {"role": "user", "content": question}]


def parse_answer(text: str) -> tuple[str, str] | None:
    r"""The title and the reason of an answer, without quotes or a bullet around the title; None for another form.

    Examples
    --------
    >>> parse_answer('Product: "Rose soap"\nReason: you like roses.')
    ('Rose soap', 'you like roses.')
    >>> parse_answer("Buy the soap!")
    """
    found = _ANSWER.fullmatch(text)
    if found is None:
        return None
    return found["title"].removeprefix("- ").strip(" \"'*"), found["reason"]


def read_answers(path: Path) -> dict[tuple[str, int], TaughtAnswer]:
    """The answers of a file of ``shoptalk teach``, by user and number of purchases.

    Raises
    ------
    PromptError
        With file and line: for a line of another form, or no line at all.
    """
    answers = {}
    hint = f"write lines like {EXAMPLE}"
    for _, where, row in read_objects(path, PromptError, EXAMPLE):
        user, history, item, reason = (row.get(name) for name in ("user", "history", "item", "reason"))
        if not (isinstance(user, str) and isinstance(item, str) and isinstance(reason, str)):
            raise PromptError("user, item and reason must be text", where=where, hint=hint)
        if not isinstance(history, int) or isinstance(history, bool) or history < 0:
            raise PromptError("history must be a number of purchases", where=where, hint=hint)
        if not reason.strip() or len(reason) > LONGEST_REASON:
            raise PromptError(f"the reason must have 1 to {LONGEST_REASON} characters", where=where, hint=hint)
        answers[user, history] = TaughtAnswer(user, history, item, reason)
    if not answers:
        raise PromptError("holds no answers", where=str(path), hint="run shoptalk teach")
    return answers


def as_rows(answers: Iterable[TaughtAnswer]) -> list[dict[str, str | int]]:
    """Answers as the objects of the file's lines."""
    return [
        {"user": answer.user, "history": answer.history, "item": answer.item, "reason": answer.reason}
        for answer in answers
    ]
