"""The options-only probe: a logistic regression that predicts the right option from the texts of the options.

If it is better than chance, the options reveal the answer: by popularity, by topic or by the format of the text.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from shoptalk.evaluation.bootstrap import Floats

_MIN_DF_TEXTS = 1000  # with more texts, n-grams that occur in one text are left out, for speed
_TOLERANCE = 0.01  # two thirds of the time of the default 1e-4, accuracy within .002 on Beauty
_PENALTY = 3.0  # inverse strength of the L2 penalty; 1 to 10 differ by less than .01 on the validation cases of Beauty

#: The property of each column of `format_features`.
FORMAT = ("length", "length", "case", "digits", "punctuation", "other letters", "case", "punctuation", "spaces")


class Ngrams:
    """TF-IDF of character n-grams inside words (n = 1 to 4, case-sensitive), fitted to T texts."""

    def __init__(self, texts: Sequence[str]) -> None:
        from sklearn.feature_extraction.text import TfidfVectorizer

        self._vectorizer = TfidfVectorizer(
            analyzer="char_wb",
            ngram_range=(1, 4),
            lowercase=False,
            sublinear_tf=True,
            min_df=2 if len(texts) > _MIN_DF_TEXTS else 1,
            dtype=np.float32,
        )
        try:
            self._vectorizer.fit(texts)
        except ValueError:  # all texts are blank: only their format remains
            self._vectorizer.fit(["nothing"])

    def of(self, texts: Sequence[str]) -> Any:
        """Sparse (T, F) features of texts: n-grams and format."""
        return stack_features(self._vectorizer.transform(texts), format_features(texts))


def format_features(texts: Sequence[str]) -> NDArray[np.float32]:
    """Format features of T texts, ``(T, 9)``, each about 0 to 1.

    Length, number of words, shares of capitals, digits, punctuation and non-ASCII characters, a capital at the start,
    an HTML entity, doubled spaces; see ``FORMAT``.
    """
    table = np.zeros((len(texts), len(FORMAT)), dtype=np.float32)
    for row, text in enumerate(texts):
        length = max(1, len(text))
        capitals, digits = sum(map(str.isupper, text)), sum(map(str.isdigit, text))
        letters_and_spaces = sum(map(str.isalnum, text)) + sum(map(str.isspace, text))
        table[row] = (
            len(text) / 200,
            len(text.split()) / 40,
            capitals / length,
            digits / length,
            (len(text) - letters_and_spaces) / length,
            sum(ord(letter) > 127 for letter in text) / length,
            text[:1].isupper(),
            "&" in text and ";" in text,
            "  " in text or text != text.strip(),
        )
    return table


def stack_features(*blocks: Any) -> Any:
    """Blocks of features (T, ..) as one sparse matrix, column by column."""
    return sparse.csr_array(sparse.hstack([sparse.csr_array(block) for block in blocks], format="csr"))


def log_odds(features: Any, right: Floats, wrong: Floats) -> Any:
    """A logistic regression fitted to how often each text was right and wrong.

    Parameters
    ----------
    features
        Sparse (T, F).
    right, wrong
        (T,) how often each text was right and wrong; a text with 0 in both has no influence.

    Returns
    -------
    LogisticRegression
        Its ``decision_function`` gives log-odds for rows of the same features.
    """
    # Each text is one row per label, weighted by how often it had that label: the same loss as row by row, faster.
    positive, negative = np.flatnonzero(right), np.flatnonzero(wrong)
    rows = sparse.vstack([features[positive], features[negative]])
    labels = np.repeat([1, 0], [len(positive), len(negative)])
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(solver="liblinear", C=_PENALTY, tol=_TOLERANCE, random_state=0)
    return model.fit(rows, labels, sample_weight=np.concatenate([right[positive], wrong[negative]]))
