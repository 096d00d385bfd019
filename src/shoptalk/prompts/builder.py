"""How items, histories and questions become messages: what the prompts of all tasks share.

A task (see ``shoptalk.tasks``) words its instruction, question and answer in a `PromptBuilder` of its own. Training,
scoring and recommending use the same object, so that the prompt at serving cannot differ from the one at training.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import ClassVar

from shoptalk.errors import PromptError
from shoptalk.prompts.safe import Neutraliser
from shoptalk.prompts.template import Template
from shoptalk.recipe import Prompt
from shoptalk.schema import Candidates, Case, Catalogue, Example, History, Item, Message, item_token, user_token

#: How instructions begin that tell a whole history.
HISTORY = "A reviewer has bought the products below, the latest last. "
#: The instruction of the style ``plain``.
PLAIN = Template("plain", "Bought:")
#: Longest text of one field, in characters: a seller must not push the history out of the prompt. A title is
#: shortened in the same way wherever it stands.
LONGEST = {"title": 256, "brand": 60, "categories": 120, "description": 200, "review": 200}


class PromptBuilder(ABC):
    """Words histories, options and answers of one task.

    Parameters
    ----------
    prompt
        The recipe's section.
    catalogue
        The items by their ids.
    control
        Strings that the tokenizer treats as control tokens; they are neutralised in every text of users and sellers.
    users
        Users that have a token; it stands before their history.

    Attributes
    ----------
    shows_options
        Whether the question holds the options, so that a score depends on all of them.
    longest_answer
        Most tokens of an answer that the model writes freely.
    """

    shows_options: ClassVar[bool] = False
    longest_answer: ClassVar[int] = 96

    def __init__(
        self, prompt: Prompt, catalogue: Catalogue, control: Iterable[str] = (), users: Iterable[str] = ()
    ) -> None:
        self.prompt = prompt
        self.users = frozenset(users)
        self.catalogue = catalogue
        self.safe = Neutraliser(control)
        self._titles: dict[str, str] = {}
        self._lines: dict[str, str] = {}

    @abstractmethod
    def instruction(self, history: History) -> Message:
        """What is asked for, before the history."""

    @abstractmethod
    def answer(self, case: Case, *, latest: int | None = None) -> Message:
        """The right answer to a case, as the assistant gives it."""

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
            Whom it is about; the last ``latest`` of its items are shown (default and upper bound: the recipe's).
        candidates
            The options, for a task that shows them.
        """
        return [self.instruction(history), *self.history(history, latest)]

    def answers(self, candidates: Candidates, history: History, *, latest: int | None = None) -> list[Message]:  # noqa: ARG002
        """What the assistant would say for each option, were it the right one: its title, unless a task says more."""
        return [Message("assistant", self.shorten("title", title)) for title in candidates.titles]

    def examples(self, case: Case, *, latest: int | None = None) -> list[Example]:
        """What is learned from a case: the question with its right answer."""
        return [Example((*self.ask(case.history, case.candidates, latest=latest), self.answer(case, latest=latest)))]

    @property
    def in_sequence(self) -> bool:
        """Whether a whole history can be one example, because each line of it is an answer as well."""
        return False

    def sequence(self, history: History) -> Example:
        """A whole history as one example in which every line but the first is an answer (see `in_sequence`).

        The same text as `ask` followed by the answer, for every item at once, so that nothing is computed twice.
        """
        lines = [
            Message("user" if index == 0 else "assistant", self.line(history, index))
            for index in range(len(history.items))
        ]
        return Example((self.instruction(history), *self._user(history), *lines))

    def title(self, item_id: str) -> str:
        """The item's title as every prompt, option and answer shows it."""
        if item_id not in self._titles:
            self._titles[item_id] = self.shorten("title", self._item(item_id).title)
        return self._titles[item_id]

    def words(self, item_id: str) -> str:
        """What the recipe's fields say of an item, for a text encoder; its title where they say nothing."""
        return " ".join(self._fields(item_id)) or self.title(item_id)

    def history(self, history: History, latest: int | None) -> list[Message]:
        """The history, a line for each item that is shown, after the user's token where there is one."""
        shown = range(self.first_shown(history, latest), len(history.items))
        return [*self._user(history), *(Message("user", self.line(history, index)) for index in shown)]

    def first_shown(self, history: History, latest: int | None) -> int:
        """The index of the first item of a history that a prompt shows."""
        most = self.prompt.history if latest is None else min(latest, self.prompt.history)
        return max(0, len(history.items) - most)

    def line(self, history: History, index: int) -> str:
        """One line about an item of the history, with the user's review of it where the recipe names reviews."""
        line, review = self.described(history, index)
        return f"{line} | review: {review}" if review else line

    def described(self, history: History, index: int) -> tuple[str, str]:
        """The description of an item of the history, and the user's review of it (empty without any)."""
        item_id = history.items[index]
        if item_id not in self._lines:
            self._lines[item_id] = self._describe(item_id)
        reviewed = "review" in self.prompt.fields and index < len(history.reviews)
        return self._lines[item_id], self.shorten("review", history.reviews[index]) if reviewed else ""

    def shorten(self, field: str, text: str) -> str:
        """Harmless and not too long; what is far too long is shortened before it is looked at."""
        return self.safe(text[: 4 * LONGEST[field]])[: LONGEST[field]].rstrip()

    def _user(self, history: History) -> list[Message]:
        return [Message("user", user_token(history.user_id))] if history.user_id in self.users else []

    def _describe(self, item_id: str) -> str:
        """One line with the fields that the recipe names, the token and the title first."""
        if self.prompt.style == "bare":
            return item_token(self._item(item_id).item_id)
        token = [item_token(item_id)] if "token" in self.prompt.fields else []
        fields = self._fields(item_id)
        return " ".join([*token, " | ".join(fields)] if fields else token) or self.title(item_id)

    def _fields(self, item_id: str) -> list[str]:
        item = self._item(item_id)
        known = {
            "title": self.title(item_id),
            "brand": self.shorten("brand", item.brand),
            "categories": self.shorten("categories", " > ".join(item.categories)),
            "description": self.shorten("description", item.description),
        }
        title = [known["title"]] if "title" in self.prompt.fields else []
        return title + [
            f"{field}: {known[field]}" for field in self.prompt.fields if field != "title" and known.get(field)
        ]

    def _item(self, item_id: str) -> Item:
        try:
            return self.catalogue[item_id]
        except KeyError:
            raise PromptError(f"no item {item_id!r} in the catalogue") from None
