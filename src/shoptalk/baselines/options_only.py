"""Options only: a probe that never sees a history.

Its accuracy shows what the options alone give away: popularity, as far as titles show it, and shortcuts of the
multiple-choice set, such as right options that are cleaned differently. A published accuracy of .9887 fell to .39 when
all options were cleaned in the same way.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from shoptalk.errors import RecipeError
from shoptalk.evaluation.probe import Ngrams, log_odds
from shoptalk.progress import Notify, quiet
from shoptalk.ranking import OptionRecommender
from shoptalk.schema import Candidates, Catalogue, EvalExample, History, Split

#: Most option texts that are learned from; where there are more, cases are sampled.
MOST_TEXTS = 60_000


class OptionsOnly(OptionRecommender):
    """Logistic regression on a shown title: the log-odds of a right option (1) against a distractor (0).

    The features are those of `evaluation.probe`.

    Parameters
    ----------
    cases
        Cases with options and answers.
    seed
        Seed of the sample, where the cases have more than ``MOST_TEXTS`` options.
    catalogue
        The items that can be ranked.

    Raises
    ------
    RecipeError
        When no case has options.
    """

    name = "options_only"

    def __init__(self, cases: Sequence[EvalExample], seed: int = 1, catalogue: Catalogue | None = None) -> None:
        self.catalogue = catalogue or {}
        right_counts, wrong_counts = _count(_sample(cases, seed))
        texts = list(right_counts)
        if not texts:
            raise RecipeError(
                "options_only learns from training cases with options, and there are none",
                where="evaluation.baselines",
                hint="remove options_only, or add [candidates] and training data",
            )
        self._ngrams = Ngrams(texts)
        right, wrong = (
            np.array([counts[text] for text in texts], dtype=np.float64) for counts in (right_counts, wrong_counts)
        )
        self._model = log_odds(self._ngrams.of(texts), right, wrong)

    def score(
        self,
        histories: Sequence[History],  # noqa: ARG002
        candidates: Sequence[Candidates],
        notify: Notify = quiet,  # noqa: ARG002
    ) -> list[NDArray[np.float64]]:
        """B arrays of log-odds of being the right option; their softmax is the probability of each option."""
        rows: dict[str, int] = {}  # each different title is scored once
        option_rows = [[rows.setdefault(title, len(rows)) for title in options.titles] for options in candidates]
        if not rows:
            return [np.zeros(0) for _ in candidates]
        odds = np.asarray(self._model.decision_function(self._ngrams.of(list(rows))), dtype=np.float64)
        return [odds[indices] for indices in option_rows]


def _sample(cases: Sequence[EvalExample], seed: int) -> list[EvalExample]:
    """Cases with options in random order, with at most ``MOST_TEXTS`` options in all."""
    option_cases = [case for case in cases if case.candidates is not None and case.answer is not None]
    sizes = np.array(
        [len(case.candidates.titles) for case in option_cases if case.candidates is not None], dtype=np.int64
    )
    order = np.random.default_rng(seed).permutation(len(option_cases))
    return [option_cases[index] for index in order[np.cumsum(sizes[order]) <= MOST_TEXTS]]


def _count(cases: Sequence[EvalExample]) -> tuple[dict[str, int], dict[str, int]]:
    """How often each shown title was right, and how often wrong; both have all titles as keys."""
    right: dict[str, int] = {}
    wrong: dict[str, int] = {}
    for case in cases:
        titles = case.candidates.titles if case.candidates is not None else ()
        for index, title in enumerate(titles):
            right[title] = right.get(title, 0) + (index == case.answer)
            wrong[title] = wrong.get(title, 0) + (index != case.answer)
    return right, wrong


def learn(split: Split, catalogue: Catalogue, seed: int) -> OptionsOnly:
    """Fit on the training cases of the final fit."""
    return OptionsOnly(split.for_final_fit().train_cases, seed, catalogue)
