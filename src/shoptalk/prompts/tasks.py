"""What is asked: choose an option, name the next title, item or ten items, advise, or say whether an item is liked.

One `Teller` words everything, for training, scoring and recommending alike, so that they cannot drift apart.
"""

import copy
from collections.abc import Callable, Iterable, Sequence
from functools import cached_property

from shoptalk.errors import PromptError
from shoptalk.prompts.advice import ASKS, BECAUSE, NEW, Adviser, request, tell
from shoptalk.prompts.safe import Neutraliser
from shoptalk.prompts.shorten import LONGEST, ShorteningReport, shorten
from shoptalk.prompts.template import Template
from shoptalk.recipe import Prompt
from shoptalk.schema import (
    NO_ITEM,
    Candidates,
    Case,
    Catalogue,
    Example,
    History,
    Item,
    Message,
    item_token,
    user_token,
)

_HISTORY = "A reviewer has bought the products below, the latest last. "
CHOOSE = Template(
    "choose",
    _HISTORY + "Considering their purchase history, which product will they buy next from the options?",
)
NAME = Template(
    "title",
    _HISTORY + "Considering their purchase history, name the product that they will buy next.",
)
LIKE = Template(
    "like",
    _HISTORY + "Considering their purchase history, will they like this product? Answer Yes or No.",
)
NEXT = Template("items", "Reviewer has bought the products below, the latest last. They will buy next:")
LIST = Template(
    "list",
    "A reviewer has bought the product below. Considering its details, list the ids of the ten products that they will "
    "buy next.",
)
LIST_HISTORY = Template(
    "list, history",
    _HISTORY + "Considering their purchase history, list the ids of the ten products that they will buy next.",
)
PLAIN = Template("title, plain", "Bought:")
#: Items of a list (task ``list``).
LISTED = 10
#: A rating from which on a purchase counts as liked (TALLRec, arXiv 2305.00447: above 3 of 5).
LIKED = 4.0
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


class Teller:
    """Words histories, options and answers.

    Parameters
    ----------
    prompt
        The recipe's section.
    catalogue
        The items by their ids.
    control
        Strings that the tokenizer treats as control tokens; they are neutralised in every text of users and sellers.
    users
        Users that have a token, and are told by it before their history.
    encode
        Token ids of a text, to cut every field at ``prompt.field_tokens``; without it only characters are counted.

    Attributes
    ----------
    field_tokens
        Most tokens of a title or another field, in histories, options and answers alike.
    shortened
        What has been cut so far.
    """

    def __init__(
        self,
        prompt: Prompt,
        catalogue: Catalogue,
        control: Iterable[str] = (),
        users: Iterable[str] = (),
        encode: Callable[[str], Sequence[int]] | None = None,
    ) -> None:
        self.prompt = prompt
        self.field_tokens, self.shortened = prompt.field_tokens, ShorteningReport()
        self._encode = encode
        self._shorter: Teller | None = None
        self.users = frozenset(users)
        self.catalogue = catalogue
        self.safe = Neutraliser(control)
        self._titles: dict[str, str] = {}
        self._lines: dict[str, str] = {}
        self._instruction = _instruction(prompt)

    def title(self, item_id: str) -> str:
        """The item's title as every prompt, option and answer shows it."""
        if item_id not in self._titles:
            self._titles[item_id] = self._short("title", self._item(item_id).title, item_id)
        return self._titles[item_id]

    def shorter(self) -> "Teller | None":
        """The same words with every field cut at half as many tokens; None where no less is left to cut."""
        if self._encode is None or self.field_tokens <= 1:
            return None
        if self._shorter is None:
            if self.prompt.task == "advise":
                _ = self._adviser  # made once, as reasons are found in the whole texts
            self._shorter = copy.copy(self)
            self._shorter.field_tokens = self.field_tokens // 2
            self._shorter._titles, self._shorter._lines = {}, {}
        return self._shorter

    def ask(
        self, history: History, candidates: Candidates | None = None, *, latest: int | None = None
    ) -> list[Message]:
        """The question, without an answer, for every task but ``like``.

        Parameters
        ----------
        history
            Whom it is about; of its items the last ``latest`` are told (default and upper bound: the recipe's).
        candidates
            The options; needed by, and shown in, the task ``choose`` only.
        """
        advised = self.prompt.task == "advise"
        instruction = Message("system", request(history)) if advised else self._instruction
        messages = [instruction, *self._told(history, latest)]
        if self.prompt.task == "choose":
            if candidates is None:
                raise PromptError("the task `choose` needs options")
            titles = [f"{letter}) {title}" for letter, title in zip(LETTERS, self._options(candidates), strict=False)]
            messages += [Message("user", line) for line in ["Options:", *titles]]
        return messages

    def ask_liked(self, history: History, item_id: str, *, latest: int | None = None) -> list[Message]:
        """The question whether the user will like an item."""
        told = self._told(history, latest)
        return [self._instruction, *told, Message("user", f"Product: {self.title(item_id)}")]

    def answers(self, candidates: Candidates, history: History, *, latest: int | None = None) -> list[Message]:
        """What the assistant would say for each option, were it the right one."""
        if self.prompt.task == "advise":
            return [Message("assistant", self.advice(history, item, latest=latest)) for item in candidates.items]
        texts = LETTERS[: len(candidates.titles)] if self.prompt.answer == "letter" else self._options(candidates)
        return [Message("assistant", text) for text in texts]

    def examples(self, case: Case, *, latest: int | None = None) -> list[Example]:
        """What is learned from a case: the question with its right answer.

        The task ``like`` makes two examples where options are given (the answer is liked, the option after it is not),
        else one, by the rating.
        """
        if self.prompt.task == "like":
            return [
                Example(
                    (*self.ask_liked(case.history, item, latest=latest), Message("assistant", "Yes" if yes else "No"))
                )
                for item, yes in liked(case)
            ]
        question = self.ask(case.history, case.candidates, latest=latest)
        if case.candidates is not None and case.answer is not None and self.prompt.task == "choose":
            answer = self.answers(case.candidates, case.history)[case.answer]
        elif self.prompt.task == "items":
            answer = Message("assistant", item_token(case.truth[0]))
        elif self.prompt.task == "list":
            answer = Message("assistant", self.listed(case.truth))
        elif self.prompt.task == "advise":
            answer = Message("assistant", self.advice(case.history, case.truth[0], latest=latest))
        else:
            answer = Message("assistant", self.title(case.truth[0]))
        return [Example((*question, answer))]

    def listed(self, items: Sequence[str]) -> str:
        """The first ten items as their tokens; fewer are filled up as ``prompt.padding`` says (task ``list``)."""
        said = list(items[:LISTED])
        missing = LISTED - len(said)
        if self.prompt.padding == "repeat":
            said = [said[place % len(said)] for place in range(LISTED)]
        elif self.prompt.padding == "token":
            said += [NO_ITEM] * missing
        return " ".join(map(item_token, said))

    def advice(self, history: History, item_id: str, *, latest: int | None = None, as_listed: bool = False) -> str:
        """The item recommended with a reason from what is told of the history (task ``advise``).

        ``as_listed`` writes the titles as the catalogue has them, for people to read; no prompt may hold those.
        """
        title_of = (lambda item: self._item(item).title) if as_listed else self.title
        title = title_of(item_id)
        held = history.items[self._first_told(history, latest) :]
        if found := self._adviser.reason(held, item_id):
            own, words = found
            listed = ", ".join(words)
            if self._encode is not None:
                listed = shorten(listed, self.field_tokens, self._encode)
            return BECAUSE.render(title=title, item=title_of(own), words=listed)
        return NEW.render(title=title)

    @cached_property
    def _adviser(self) -> Adviser:
        return Adviser(self.catalogue, self.words)

    @property
    def in_sequence(self) -> bool:
        """Whether a whole history can be one example: in plain lines each line is an answer as well."""
        if self.prompt.task == "items":
            return self.prompt.style in {"plain", "bare"} and "review" not in self.prompt.fields
        return self.prompt.task == "title" and self.prompt.style == "plain" and self.prompt.fields == ("title",)

    def sequence(self, history: History) -> Example:
        """A whole history as one example in which every line but the first is an answer (see `in_sequence`).

        The same text as `ask` followed by the answer, for every item at once, so that nothing is computed twice.
        """
        said = [
            Message("user" if place == 0 else "assistant", self._line(history, place))
            for place in range(len(history.items))
        ]
        return Example((self._instruction, *self._who(history), *said))

    def fact(self, kind: str, item_id: str) -> tuple[Message, ...]:
        """What an item is called (``title_of``), or which item is called so (``item_of``), as a question and answer."""
        token, title = item_token(item_id), self.title(item_id)
        asked, said = (token, title) if kind == "title_of" else (title, token)
        return Message("user", asked), Message("assistant", said)

    def _options(self, candidates: Candidates) -> list[str]:
        """The options' titles: those of the catalogue, but under the cleaning ``uneven``."""
        return [
            self.title(item) if item in self.catalogue and self.catalogue[item].title == title
            else self._short("title", title, item)
            for item, title in zip(candidates.items, candidates.titles, strict=True)
        ]  # fmt: skip

    def _told(self, history: History, latest: int | None) -> list[Message]:
        places = range(self._first_told(history, latest), len(history.items))
        return [*self._who(history), *(Message("user", self._line(history, place)) for place in places)]

    def _first_told(self, history: History, latest: int | None) -> int:
        """The place of the first item of a history that a prompt tells."""
        most = self.prompt.history if latest is None else min(latest, self.prompt.history)
        return max(0, len(history.items) - most)

    def _who(self, history: History) -> list[Message]:
        return [Message("user", user_token(history.user_id))] if history.user_id in self.users else []

    def _line(self, history: History, place: int) -> str:
        item_id = history.items[place]
        if item_id not in self._lines:
            self._lines[item_id] = self._describe(item_id)
        line, review = self._lines[item_id], ""
        if "review" in self.prompt.fields and place < len(history.reviews):
            review = self._short("review", history.reviews[place], item_id)
        if self.prompt.task == "advise":
            return tell(line, review)
        return f"{line} | review: {review}" if review else line

    def _describe(self, item_id: str) -> str:
        """One line with the fields that the recipe names, the token and the title first."""
        if self.prompt.style == "bare":
            return item_token(self._item(item_id).item_id)
        token = [item_token(item_id)] if "token" in self.prompt.fields else []
        told = self._fields(item_id, self._short)
        return " ".join([*token, " | ".join(told)] if told else token) or self.title(item_id)

    def words(self, item_id: str) -> str:
        """What the fields that the recipe names say of an item, for a text encoder; its title where nothing is said."""
        whole = self._fields(item_id, lambda field, text, _: self._clean(field, text))
        return " ".join(whole) or self.title(item_id)

    def _fields(self, item_id: str, cut: Callable[[str, str, str], str]) -> list[str]:
        item = self._item(item_id)
        texts = {
            "title": item.title,
            "brand": item.brand,
            "categories": " > ".join(item.categories),
            "description": item.description,
        }
        known = {name: cut(name, text, item_id) for name, text in texts.items() if name in self.prompt.fields}
        told = [known["title"]] if "title" in self.prompt.fields else []
        return told + [
            f"{field}: {known[field]}" for field in self.prompt.fields if field != "title" and known.get(field)
        ]

    def _short(self, field: str, text: str, item_id: str) -> str:
        """Harmless and not too long for a prompt, in characters and in tokens; what is cut is counted."""
        clean = self._clean(field, text)
        short = clean if self._encode is None else shorten(clean, self.field_tokens, self._encode)
        if len(text) > LONGEST[field] or len(short) < len(clean):
            self.shortened.add(field, item_id, len(text))
        return short

    def _clean(self, field: str, text: str) -> str:
        """Harmless, and not longer than any field may be; what is far too long is shortened before it is looked at."""
        return self.safe(text[: 4 * LONGEST[field]])[: LONGEST[field]].rstrip()

    def _item(self, item_id: str) -> Item:
        try:
            return self.catalogue[item_id]
        except KeyError:
            raise PromptError(f"no item {item_id!r} in the catalogue") from None


def list_tokens(prompt: Prompt, catalogue: Catalogue) -> list[str]:
    """Ids that need a token of the vocabulary: none but for the task ``list``."""
    if prompt.task != "list":
        return []
    return [*catalogue, NO_ITEM] if prompt.padding == "token" else [*catalogue]


def liked(case: Case) -> Sequence[tuple[str, bool]]:
    """Items of a case, each with whether the user likes it: by the options where there are some, else by the rating.

    Raises
    ------
    PromptError
        When the case has neither options nor a rating.
    """
    if case.candidates is not None and case.answer is not None:
        wrong = case.candidates.items[(case.answer + 1) % len(case.candidates.items)]
        return [(case.truth[0], True), (wrong, False)]
    if case.rating is None:
        raise PromptError("the task `like` needs ratings or a [candidates] section")
    return [(case.truth[0], case.rating >= LIKED)]


def _instruction(prompt: Prompt) -> Message:
    if prompt.task == "title":
        template = PLAIN if prompt.style == "plain" else NAME
    elif prompt.task == "list":
        template = LIST if prompt.history == 1 else LIST_HISTORY
    else:
        item = PLAIN if prompt.style == "plain" else NEXT
        template = {"choose": CHOOSE, "like": LIKE, "items": item, "advise": ASKS[0]}[prompt.task]
    return Message("system", template.render())
