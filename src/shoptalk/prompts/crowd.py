"""Crowd contextual prompts and personalised predictive prompts, for the stage ``[pretraining]``.

A prompt is a question, which is not learned, and an answer, which is. Every question is a `Template`.

Source: the kinds of L. Wang et al., "Rethinking large language model architectures for sequential recommendations",
arXiv 2402.09617, 2024, in words of this package.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from shoptalk.errors import PromptError
from shoptalk.prompts.builder import PromptBuilder
from shoptalk.prompts.template import Template
from shoptalk.recipe import CrowdTemplate
from shoptalk.schema import Example, Message, item_token, user_token

#: The questions, by name. A recipe can replace them (``pretraining.templates``).
TEMPLATES: Mapping[CrowdTemplate, str] = {
    "contents": "The product $item is:",
    "title": "A product of the catalogue:",
    "review": "$user has bought $item and writes:",
    "same_brand": "These products share the brand of $item:",
    "same_category": "These products share the category of $item:",
    "bought_together": "These products are bought together with $item:",
    "interaction": "$user has interacted with:",
    "predictive": "$user has bought $items. Which product will $user buy next?",
}
#: What a user without a token is called.
ANYBODY = "A user"


@dataclass(frozen=True, slots=True)
class CrowdFact:
    """What one prompt says, by ids.

    Attributes
    ----------
    template
        The name of its question.
    items
        The items that the question names.
    answers
        The items that the answer names; none where the answer is a text.
    user
        The user that the question names.
    review
        The answer, where it is the user's review of the item.
    """

    template: CrowdTemplate
    items: tuple[str, ...] = ()
    answers: tuple[str, ...] = ()
    user: str = ""
    review: str = ""

    @property
    def size(self) -> int:
        """The number of items in the list of the prompt, which can be shortened."""
        return len(self.items) if self.template == "predictive" else len(self.answers)


class CrowdPrompts:
    """Writes facts as messages.

    Parameters
    ----------
    builder
        Gives the titles and fields as all other prompts show them: sanitized, and cut at their limits.
    templates
        Questions that replace those of `TEMPLATES`.
    tokens
        Ids of the items that are named by their tokens. Others are named by their titles.

    Raises
    ------
    PromptError
        For a template with a slot that its question cannot fill, or without one that it needs.
    """

    def __init__(
        self, builder: PromptBuilder, templates: Mapping[CrowdTemplate, str], tokens: frozenset[str], *, users: bool
    ) -> None:
        self.builder, self.tokens, self.users = builder, tokens, users
        self.templates = {name: Template(name, templates.get(name, text)) for name, text in TEMPLATES.items()}
        for name, template in self.templates.items():
            template.render(**dict.fromkeys(Template(name, TEMPLATES[name]).slots, "x"))

    def write(self, fact: CrowdFact, builder: PromptBuilder, latest: int) -> Example:
        """The question and the answer of a fact.

        Parameters
        ----------
        builder
            The builder, or one with shorter texts.
        latest
            Number of the items of a list that are named, the latest; at least one is.
        """
        items, answers = fact.items, fact.answers
        if fact.template == "predictive":
            items = items[-max(latest, 1) :]
        elif answers:
            answers = answers[-max(latest, 1) :]
        named = ", ".join(self._name(item, builder) for item in items)
        values = {"item": named, "items": named, "user": self._user(fact.user)}
        template = self.templates[fact.template]
        question = template.render(**{slot: values[slot] for slot in template.slots})
        return Example((Message("user", question), Message("assistant", self._answer(fact, answers, builder))))

    def contents(self, item_id: str, builder: PromptBuilder) -> str:
        """What the catalogue says of an item: its title (if the question shows its token), brand, and so on."""
        item = self.builder.catalogue[item_id]
        texts = {
            "brand": item.brand,
            "categories": " > ".join(item.categories),
            "description": item.description,
        }
        cut = {field: builder.shorten(field, text, item_id) for field, text in texts.items() if text}
        facts = [f"{field}: {text}" for field, text in cut.items() if text]
        return " | ".join([builder.title(item_id), *facts] if item_id in self.tokens else facts)

    def _answer(self, fact: CrowdFact, answers: tuple[str, ...], builder: PromptBuilder) -> str:
        if answers:
            return ", ".join(self._name(item, builder) for item in answers)
        if fact.template == "review":
            return builder.shorten("review", fact.review, fact.items[0])
        if fact.template == "contents":
            return self.contents(fact.items[0], builder)
        raise PromptError(f"the fact {fact.template!r} has no answer")

    def _name(self, item_id: str, builder: PromptBuilder) -> str:
        return item_token(item_id) if item_id in self.tokens else builder.title(item_id)

    def _user(self, user_id: str) -> str:
        return user_token(user_id) if self.users and user_id in self.builder.users else ANYBODY
