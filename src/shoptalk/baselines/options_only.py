"""Options only: a probe that never sees a history.

What it can tell from the options alone needs no personalisation: popularity that shows in titles, and every shortcut of
the exam itself, such as options that are cleaned differently. It exists to expose those: a published accuracy of .9887
fell to .39 when all options were cleaned alike.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from shoptalk.errors import RecipeError
from shoptalk.evaluation.probe import Ngrams, log_odds
from shoptalk.progress import Notify, quiet
from shoptalk.ranking import OptionRecommender
from shoptalk.schema import Candidates, Catalogue, EvalExample, History, Split

#: Option texts learned from; more cases are drawn from by the seed.
MOST_TEXTS = 60_000


class OptionsOnly(OptionRecommender):
    """Logistic regression on a shown title: the log-odds of a right option (1) against a distractor (0).

    Features: see `evaluation.probe`.

    Parameters
    ----------
    cases
        Exam questions with options and answers.
    seed
        Draws from the cases where they have more than ``MOST_TEXTS`` options.
    catalogue
        The items that it can rank.

    Raises
    ------
    RecipeError
        When no case has options.
    """

    name = "options_only"

    def __init__(self, cases: Sequence[EvalExample], seed: int = 1, catalogue: Catalogue | None = None) -> None:
        self.catalogue = catalogue or {}
        right, wrong = _count(_draw(cases, seed))
        texts = list(right)
        if not texts:
            raise RecipeError(
                "options_only learns from training cases with options, and there are none",
                where="evaluation.baselines",
                hint="leave options_only out, or add [candidates] and training data",
            )
        self._ngrams = Ngrams(texts)
        yes, no = (np.array([counts[text] for text in texts], dtype=np.float64) for counts in (right, wrong))
        self._model = log_odds(self._ngrams.of(texts), yes, no)

    def score(
        self,
        histories: Sequence[History],  # noqa: ARG002
        candidates: Sequence[Candidates],
        notify: Notify = quiet,  # noqa: ARG002
    ) -> list[NDArray[np.float64]]:
        """B arrays of log-odds of being the right option; their softmax is its probability."""
        rows: dict[str, int] = {}
        slots = [[rows.setdefault(title, len(rows)) for title in options.titles] for options in candidates]
        if not rows:
            return [np.zeros(0) for _ in candidates]
        odds = np.asarray(self._model.decision_function(self._ngrams.of(list(rows))), dtype=np.float64)
        return [odds[item_index] for item_index in slots]


def _draw(cases: Sequence[EvalExample], seed: int) -> list[EvalExample]:
    """Cases with options, in random order, until they have ``MOST_TEXTS``."""
    asked = [case for case in cases if case.candidates is not None and case.answer is not None]
    sizes = np.array([len(case.candidates.titles) for case in asked if case.candidates is not None], dtype=np.int64)
    order = np.random.default_rng(seed).permutation(len(asked))
    return [asked[index] for index in order[np.cumsum(sizes[order]) <= MOST_TEXTS]]


def _count(cases: Sequence[EvalExample]) -> tuple[dict[str, int], dict[str, int]]:
    """How often each shown title was right, and how often wrong."""
    right: dict[str, int] = {}
    wrong: dict[str, int] = {}
    for case in cases:
        titles = case.candidates.titles if case.candidates is not None else ()
        for index, title in enumerate(titles):
            for counts, counted in ((right, index == case.answer), (wrong, index != case.answer)):
                counts[title] = counts.get(title, 0) + counted
    return right, wrong


def learn(split: Split, catalogue: Catalogue, seed: int) -> OptionsOnly:
    """Fit on the questions that the final fit sees."""
    return OptionsOnly(split.for_final_fit().train_cases, seed, catalogue)
