"""Telling right options from wrong ones by the options alone: a logistic regression on what a text looks like.

A right answer that can be told so was given away by the exam: by what is popular, by a topic, by a text's format.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from shoptalk.evaluation.bootstrap import Floats

_MANY = 1000  # texts from which on an n-gram that only one of them has is left out, for speed
_TOLERANCE = 0.01  # two thirds of the time of the default 1e-4, accuracy within .002 on Beauty
_PENALTY = 3.0  # inverse strength of the L2 penalty; 1 to 10 differ by less than .01 on the validation cases of Beauty

#: What a format feature is about, column by column of `format_features`.
FORMAT = ("length", "length", "case", "digits", "punctuation", "other letters", "case", "punctuation", "spaces")


class Ngrams:
    """TF-IDF of T texts' character n-grams inside words (n = 1 to 4, case kept)."""

    def __init__(self, texts: Sequence[str]) -> None:
        from sklearn.feature_extraction.text import TfidfVectorizer

        self._vectorizer = TfidfVectorizer(
            analyzer="char_wb",
            ngram_range=(1, 4),
            lowercase=False,
            sublinear_tf=True,
            min_df=2 if len(texts) > _MANY else 1,
            dtype=np.float32,
        )
        try:
            self._vectorizer.fit(texts)
        except ValueError:  # blank texts only: nothing but their format is left
            self._vectorizer.fit(["nothing"])

    def of(self, texts: Sequence[str]) -> Any:
        """Sparse (T, n-grams and format): what a text is made of, and what it looks like."""
        return beside(self._vectorizer.transform(texts), format_features(texts))


def format_features(texts: Sequence[str]) -> NDArray[np.float32]:
    """How T texts look, ``(T, 9)``, each about 0 to 1.

    Length, words, shares of capitals, digits, punctuation and other characters, a capital at the start, an HTML entity,
    doubled spaces; see ``FORMAT``.
    """
    table = np.zeros((len(texts), len(FORMAT)), dtype=np.float32)
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


def beside(*blocks: Any) -> Any:
    """Blocks of features (T, ..) side by side, sparse."""
    return sparse.csr_array(sparse.hstack([sparse.csr_array(block) for block in blocks], format="csr"))


def log_odds(features: Any, right: Floats, wrong: Floats) -> Any:
    """A fitted model of the odds that a text is right.

    Parameters
    ----------
    features
        Sparse (T, F).
    right, wrong
        (T,) how often each text was right and wrong; a text that was neither teaches nothing.

    Returns
    -------
    LogisticRegression
        Its ``decision_function`` gives log-odds for rows of the same features.
    """
    # Each text is one row per label, weighted by how often it had that label: the same loss as row by row, faster.
    yes, no = np.flatnonzero(right), np.flatnonzero(wrong)
    rows = sparse.vstack([features[yes], features[no]])
    labels = np.repeat([1, 0], [len(yes), len(no)])
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(solver="liblinear", C=_PENALTY, tol=_TOLERANCE, random_state=0)
    return model.fit(rows, labels, sample_weight=np.concatenate([right[yes], wrong[no]]))
