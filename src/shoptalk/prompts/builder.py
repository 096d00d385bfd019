"""Items, histories and questions as messages: the base class of the prompts of all tasks.

Each task (see ``shoptalk.tasks``) has a subclass of `PromptBuilder` with its instruction, question and answer.
Training, scoring and recommending use the same object, so that prompts cannot differ between training and serving.
"""

import copy
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from typing import ClassVar, Self

from shoptalk.errors import PromptError
from shoptalk.prompts.sanitizer import PromptSanitizer
from shoptalk.prompts.shorten import LONGEST, ShorteningReport, shorten
from shoptalk.prompts.template import Template
from shoptalk.recipe import Prompt
from shoptalk.schema import Candidates, Catalogue, EvalExample, Example, History, Item, Message, item_token, user_token

#: Beginning of instructions that show a whole history.
HISTORY = "A reviewer has bought the products below, the latest last. "
#: The instruction of the style ``plain``.
PLAIN = Template("plain", "Bought:")
#: Token ids of a text.
Encode = Callable[[str], Sequence[int]]


class PromptBuilder(ABC):
    """Builds the messages of one task from histories, options and answers.

    Parameters
    ----------
    prompt
        The section ``[prompt]`` of the recipe.
    catalogue
        The items by their ids.
    control
        Texts of the tokenizer's control tokens; they are neutralised in every text of users and sellers.
    users
        Users that have a token, which precedes their history.
    encode
        Token ids of a text, to cut every field at ``prompt.field_tokens``; without it only `LONGEST` applies.

    Attributes
    ----------
    field_tokens
        Most tokens of a title or another field, in histories, options and answers.
    shortened
        Report of the texts that were cut so far.
    shows_options
        Whether the question contains the options, so that a score depends on all of them.
    longest_answer
        Most tokens of an answer that the model generates without constraints.
    """

    shows_options: ClassVar[bool] = False
    longest_answer: ClassVar[int] = 96

    def __init__(
        self,
        prompt: Prompt,
        catalogue: Catalogue,
        control: Iterable[str] = (),
        users: Iterable[str] = (),
        encode: Encode | None = None,
    ) -> None:
        self.prompt = prompt
        self.field_tokens, self.shortened = prompt.field_tokens, ShorteningReport()
        self.encode = encode
        self._shorter: Self | None = None
        self.users = frozenset(users)
        self.catalogue = catalogue
        self.safe = PromptSanitizer(control)
        self._titles: dict[str, str] = {}
        self._lines: dict[str, str] = {}

    @abstractmethod
    def instruction(self, history: History) -> Message:
        """The instruction, which precedes the history."""

    @abstractmethod
    def answer(self, case: EvalExample, *, latest: int | None = None) -> Message:
        """The right answer to a case, a message of the assistant."""

    def ask(
        self,
        history: History,
        candidates: Candidates | None = None,  # noqa: ARG002
        *,
        latest: int | None = None,
    ) -> list[Message]:
        """The question, without an answer.

        Parameters
        ----------
        history
            The history, of which the last ``latest`` items are shown (default and upper bound: ``prompt.history``).
        candidates
            The options, for a task that shows them.
        """
        return [self.instruction(history), *self.history(history, latest)]

    def answers(self, candidates: Candidates, history: History, *, latest: int | None = None) -> list[Message]:  # noqa: ARG002
        """The answer for each option as if it were the label: its title, unless a task overrides this."""
        return [Message("assistant", title) for title in self.option_titles(candidates)]

    def examples(self, case: EvalExample, *, latest: int | None = None) -> list[Example]:
        """The training examples of a case: the question with its right answer."""
        return [Example((*self.ask(case.history, case.candidates, latest=latest), self.answer(case, latest=latest)))]

    @property
    def in_sequence(self) -> bool:
        """Whether a whole history can be one example, because each of its lines is an answer as well."""
        return False

    def sequence(self, history: History) -> Example:
        """A whole history as one example in which every line but the first is an answer (see `in_sequence`).

        The text is that of `ask` followed by the answer, for every item at once, so that no token is computed twice.
        """
        lines = [
            Message("user" if index == 0 else "assistant", self.line(history, index))
            for index in range(len(history.items))
        ]
        return Example((self.instruction(history), *self._user(history), *lines))

    def title(self, item_id: str) -> str:
        """The item's title as every prompt, option and answer shows it."""
        if item_id not in self._titles:
            self._titles[item_id] = self.shorten("title", self._item(item_id).title, item_id)
        return self._titles[item_id]

    def option_titles(self, candidates: Candidates) -> list[str]:
        """The options' titles: those of the catalogue, but under the cleaning ``asymmetric``."""
        return [
            self.title(item)
            if item in self.catalogue and self.catalogue[item].title == title
            else self.shorten("title", title, item)
            for item, title in zip(candidates.items, candidates.titles, strict=True)
        ]

    def shorter(self) -> Self | None:
        """The same prompts with every field cut at half as many tokens; None where fields cannot be cut further."""
        if self.encode is None or self.field_tokens <= 1:
            return None
        if self._shorter is None:
            self._shorter = copy.copy(self)
            self._shorter.field_tokens = self.field_tokens // 2
            self._shorter._titles, self._shorter._lines = {}, {}
        return self._shorter

    def encoder_text(self, item_id: str) -> str:
        """The text of an item from the recipe's fields, for a text encoder; its title if the fields are empty."""
        texts = self._fields(item_id, lambda field, text, _: self._clean(field, text))
        return " ".join(texts) or self.title(item_id)

    def history(self, history: History, latest: int | None) -> list[Message]:
        """The history: the user's token, if there is one, and a line for each item that is shown."""
        shown = range(self.first_shown(history, latest), len(history.items))
        return [*self._user(history), *(Message("user", self.line(history, index)) for index in shown)]

    def first_shown(self, history: History, latest: int | None) -> int:
        """The index of the first item of a history that a prompt shows."""
        most = self.prompt.history if latest is None else min(latest, self.prompt.history)
        return max(0, len(history.items) - most)

    def line(self, history: History, index: int) -> str:
        """One line about an item of the history, with the user's review of it if ``prompt.fields`` has reviews."""
        line, review = self.described(history, index)
        return f"{line} | review: {review}" if review else line

    def described(self, history: History, index: int) -> tuple[str, str]:
        """The description of an item of the history, and the user's review of it (empty if there is none)."""
        item_id = history.items[index]
        if item_id not in self._lines:
            self._lines[item_id] = self._describe(item_id)
        has_review = "review" in self.prompt.fields and index < len(history.reviews)
        return self._lines[item_id], self.shorten("review", history.reviews[index], item_id) if has_review else ""

    def shorten(self, field: str, text: str, item_id: str) -> str:
        """The sanitized text of a field, cut at the limits of characters and tokens; cuts are reported in `shortened`.

        Raises
        ------
        PromptError
            For an unknown field.
        """
        if field not in LONGEST:
            raise PromptError(f"unknown field {field!r} to shorten: choose one of {', '.join(LONGEST)}")
        clean = self._clean(field, text)
        short = clean if self.encode is None else shorten(clean, self.field_tokens, self.encode)
        if len(text) > LONGEST[field] or len(short) < len(clean):
            self.shortened.add(field, item_id, len(text))
        return short

    def _clean(self, field: str, text: str) -> str:
        """The sanitized text of a field, cut at the limit of characters.

        A very long text is also cut before it is sanitized, to save time.
        """
        return self.safe(text[: 4 * LONGEST[field]])[: LONGEST[field]].rstrip()

    def _user(self, history: History) -> list[Message]:
        """A message with the user's token, or no message."""
        return [Message("user", user_token(history.user_id))] if history.user_id in self.users else []

    def _describe(self, item_id: str) -> str:
        """One line with the fields that the recipe names, the token and the title first."""
        if self.prompt.style == "bare":
            return item_token(self._item(item_id).item_id)
        token = [item_token(item_id)] if "token" in self.prompt.fields else []
        fields = self._fields(item_id, self.shorten)
        return " ".join([*token, " | ".join(fields)] if fields else token) or self.title(item_id)

    def _fields(self, item_id: str, cut: Callable[[str, str, str], str]) -> list[str]:
        """The texts of the recipe's fields of an item, each made by ``cut(field, text, item_id)``."""
        item = self._item(item_id)
        texts = {
            "title": item.title,
            "brand": item.brand,
            "categories": " > ".join(item.categories),
            "description": item.description,
            "features": "; ".join(item.features),
        }
        values = {name: cut(name, text, item_id) for name, text in texts.items() if name in self.prompt.fields}
        title = [values["title"]] if "title" in self.prompt.fields else []
        return title + [
            f"{field}: {values[field]}" for field in self.prompt.fields if field != "title" and values.get(field)
        ]

    def _item(self, item_id: str) -> Item:
        """The item of an id; a `PromptError` if there is none."""
        try:
            return self.catalogue[item_id]
        except KeyError:
            raise PromptError(f"no item {item_id!r} in the catalogue") from None
