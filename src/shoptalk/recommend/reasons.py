"""The written reason of a recommendation: one true sentence about the purchase that moved it most."""

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from shoptalk.errors import PromptError
from shoptalk.graph.dated_purchases import DatedPurchases
from shoptalk.recommend.reason_check import ReasonCheck
from shoptalk.recommend.statements import Statement, Statements, reason_sentence
from shoptalk.schema import Candidates, Catalogue, History, Reason

#: Least effect of a purchase, relative to the largest score in sight, that is not rounding.
LEAST_EFFECT = 1e-4


class ReasonWriter:
    """Writes the reasons of recommendations; made once for a catalogue.

    Parameters
    ----------
    catalogue
        All items.
    purchases
        The purchases of the training, and no others.

    Attributes
    ----------
    check
        The check of written reasons.
    """

    def __init__(self, catalogue: Catalogue, purchases: DatedPurchases) -> None:
        self._catalogue = catalogue
        self._statements = Statements(catalogue, purchases)
        self.check = ReasonCheck(catalogue, purchases)

    def write(
        self,
        recommender: Any,
        history: History,
        items: Sequence[str],
        effects: Sequence[Sequence[Reason]],
        candidates: Candidates | None = None,
    ) -> list[str | None]:
        """The reason of each recommended item; None where no true one is found.

        Parameters
        ----------
        recommender
            What recommends. If it has ``choose_answers``, as language models have that write text, it chooses among
            the true statements; else the statement with the strongest support is taken.
        items, effects
            The k recommended items, and for each the effects of the purchases, the largest first (see ``explain``).
        candidates
            The options that the recommender was shown, if any.
        """
        drafts = self.drafts(recommender, history, items, effects, candidates)
        return [
            draft if draft is not None and self.check.problem(draft, item, history, reasons) is None else None
            for draft, item, reasons in zip(drafts, items, effects, strict=True)
        ]

    def drafts(
        self,
        recommender: Any,
        history: History,
        items: Sequence[str],
        effects: Sequence[Sequence[Reason]],
        candidates: Candidates | None = None,
    ) -> list[str | None]:
        """The reasons before they are checked; see `write`."""
        groups = [self._true_statements(item, reasons) for item, reasons in zip(items, effects, strict=True)]
        found = [number for number, group in enumerate(groups) if group]
        chosen = dict.fromkeys(found, 0)
        if found and hasattr(recommender, "choose_answers"):
            answers = [[self._answer(recommender, items[n], statement) for statement in groups[n]] for n in found]
            with suppress(PromptError):  # answers that do not fit a prompt: the strongest statements stay
                chosen = dict(zip(found, recommender.choose_answers(history, answers, candidates), strict=True))
        drafts: list[str | None] = [None] * len(items)
        for number, choice in chosen.items():
            statement = groups[number][choice]
            drafts[number] = reason_sentence(self._catalogue[statement.purchase].title, statement.fact)
        return drafts

    def _true_statements(self, item: str, effects: Sequence[Reason]) -> list[Statement]:
        """Statements about the purchase with the largest effect, if the effect is positive and no rounding error."""
        if not effects:
            return []
        first = max(effects, key=lambda reason: reason.effect)
        scale = max(1.0, *(abs(reason.effect) for reason in effects))
        return self._statements.about(first.item_id, item) if first.effect > LEAST_EFFECT * scale else []

    def _answer(self, recommender: Any, item: str, statement: Statement) -> str:
        """The answer that a language model scores, with titles as its prompts show them."""
        title = recommender.title
        return f"{title(item)}, because you have bought {title(statement.purchase)}: {statement.fact}."
