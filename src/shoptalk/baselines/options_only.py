"""Options only: a probe that never sees a history.

What it can tell from the options alone needs no personalisation: popularity that shows in titles, and every shortcut of
the exam itself, such as options that are cleaned differently. It exists to expose those: a published accuracy of .9887
fell to .39 when all options were cleaned alike.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression

from shoptalk.errors import RecipeError
from shoptalk.schema import Candidates, Case, Catalogue, History, Split

#: Option texts learned from; more cases are drawn from by the seed.
MOST_TEXTS = 60_000
_MANY = 1000  # texts from which on an n-gram that only one of them has is left out, for speed
_TOLERANCE = 0.01  # two thirds of the time of the default 1e-4, accuracy within .002 on Beauty
_PENALTY = 3.0  # inverse strength of the L2 penalty; 1 to 10 differ by less than .01 on the validation cases of Beauty


class OptionsOnly:
    """Logistic regression on a shown title: the log-odds of a right option (1) against a distractor (0).

    Features: TF-IDF of its character n-grams inside words (n = 1 to 4, case kept) and its format: length, words, shares
    of capitals, digits, punctuation and other characters, a capital at the start, an HTML entity, doubled spaces.

    Parameters
    ----------
    cases
        Exam questions with options and answers.
    seed
        Draws from the cases where they have more than ``MOST_TEXTS`` options.

    Raises
    ------
    RecipeError
        When no case has options.
    """

    name = "options_only"

    def __init__(self, cases: Sequence[Case], seed: int = 1) -> None:
        right, wrong = _count(_draw(cases, seed))
        texts = list(right)
        if not texts:
            raise RecipeError(
                "options_only learns from training cases with options, and there are none",
                where="evaluation.baselines",
                hint="leave options_only out, or add [candidates] and training data",
            )
        self._vectorizer = TfidfVectorizer(
            analyzer="char_wb",
            ngram_range=(1, 4),
            lowercase=False,
            sublinear_tf=True,
            min_df=2 if len(texts) > _MANY else 1,
            dtype=np.float32,
        )
        try:
            ngrams = self._vectorizer.fit_transform(texts)
        except ValueError:  # blank titles only: nothing but their format is left
            ngrams = self._vectorizer.fit(["nothing"]).transform(texts)
        # Each different text is one row per label, weighted by how often it had that label: the same loss, fewer rows.
        vectors = _beside_format(ngrams, texts)
        yes, no = np.array([right[text] for text in texts]), np.array([wrong[text] for text in texts])
        rows = sparse.vstack([vectors[np.flatnonzero(yes)], vectors[np.flatnonzero(no)]])
        labels = np.repeat([1, 0], [np.count_nonzero(yes), np.count_nonzero(no)])
        weights = np.concatenate([yes[yes > 0], no[no > 0]])
        self._model = LogisticRegression(solver="liblinear", C=_PENALTY, tol=_TOLERANCE, random_state=0)
        self._model.fit(rows, labels, sample_weight=weights)

    def score(self, histories: Sequence[History], candidates: Sequence[Candidates]) -> list[NDArray[np.float64]]:  # noqa: ARG002
        """B arrays of log-odds of being the right option; their softmax is its probability."""
        rows: dict[str, int] = {}
        slots = [[rows.setdefault(title, len(rows)) for title in options.titles] for options in candidates]
        if not rows:
            return [np.zeros(0) for _ in candidates]
        odds = np.asarray(self._model.decision_function(self._features(list(rows))), dtype=np.float64)
        return [odds[places] for places in slots]

    def _features(self, texts: Sequence[str]) -> Any:
        """Sparse ``(T, features)``."""
        return _beside_format(self._vectorizer.transform(texts), texts)


def format_features(texts: Sequence[str]) -> NDArray[np.float32]:
    """How T texts look, ``(T, 9)``, each about 0 to 1."""
    table = np.zeros((len(texts), 9), dtype=np.float32)
    for row, text in enumerate(texts):
        length = max(1, len(text))
        capitals, digits = sum(map(str.isupper, text)), sum(map(str.isdigit, text))
        plain = sum(map(str.isalnum, text)) + sum(map(str.isspace, text))
        table[row] = (
            len(text) / 200,
            len(text.split()) / 40,
            capitals / length,
            digits / length,
            (len(text) - plain) / length,
            sum(ord(letter) > 127 for letter in text) / length,
            text[:1].isupper(),
            "&" in text and ";" in text,
            "  " in text or text != text.strip(),
        )
    return table


def _beside_format(ngrams: Any, texts: Sequence[str]) -> Any:
    return sparse.csr_array(sparse.hstack([ngrams, sparse.csr_array(format_features(texts))], format="csr"))


def _draw(cases: Sequence[Case], seed: int) -> list[Case]:
    """Cases with options, in random order, until they have ``MOST_TEXTS``."""
    asked = [case for case in cases if case.candidates is not None and case.answer is not None]
    sizes = np.array([len(case.candidates.titles) for case in asked if case.candidates is not None], dtype=np.int64)
    order = np.random.default_rng(seed).permutation(len(asked))
    return [asked[place] for place in order[np.cumsum(sizes[order]) <= MOST_TEXTS]]


def _count(cases: Sequence[Case]) -> tuple[dict[str, int], dict[str, int]]:
    """How often each shown title was right, and how often wrong."""
    right: dict[str, int] = {}
    wrong: dict[str, int] = {}
    for case in cases:
        titles = case.candidates.titles if case.candidates is not None else ()
        for place, title in enumerate(titles):
            for counts, counted in ((right, place == case.answer), (wrong, place != case.answer)):
                counts[title] = counts.get(title, 0) + counted
    return right, wrong


def learn(split: Split, catalogue: Catalogue, seed: int) -> OptionsOnly:  # noqa: ARG001
    """Fit on the training cases."""
    return OptionsOnly(split.train_cases, seed)
