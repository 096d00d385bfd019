"""Words that pull: which words of its title make a wrong option be chosen."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import sparse
from scipy.stats import chi2, poisson
from sklearn.feature_extraction.text import CountVectorizer

from shoptalk.evaluation.bootstrap import LEVEL
from shoptalk.evaluation.coded import NOTHING
from shoptalk.evaluation.errors.answers import Answers
from shoptalk.evaluation.paired import holm

#: A word must be expected in so many choices before anything is said about it.
LEAST = 5.0


@dataclass(frozen=True, slots=True)
class Word:
    """A word, and how many times as often as by chance options with it are chosen wrongly, with a 95 % interval.

    ``offered`` counts the wrong options whose title holds it, ``chosen`` those of them that were chosen.
    """

    word: str
    pull: float
    low: float
    high: float
    offered: int
    chosen: int


def pulling_words(answers: Answers, titles: Sequence[str], most: int = 15) -> list[Word]:
    """Words of two letters or more with a pull above 1 beyond chance, those with the highest lower bounds first.

    Each wrong answer is one draw from its wrong options. If all were equally likely, the choices that hold a word
    would be E = sum over wrong answers of (wrong options with the word / wrong options); O do. The pull is O / E, its
    interval that of a Poisson count (F. Garwood, "Fiducial limits for the Poisson distribution", 1936), wide as the
    count of unequal draws varies less. Words are kept whose chance of O or more, by that distribution, is below 5 %
    after Holm's correction for all words that were looked at.

    Parameters
    ----------
    titles
        The catalogue's I titles as wrong options show them.
    """
    asked = answers.wrong & (answers.chosen != NOTHING)
    chosen, others = answers.chosen[asked], answers.others[asked]
    # A ranking's first item is not among what was drawn for it: it joins the pool that it is compared with.
    joins = np.where((others == chosen[:, None]).any(axis=1), NOTHING, chosen)
    pool = np.column_stack([others, joins])
    size = (pool != NOTHING).sum(axis=1)
    row, column = np.nonzero(pool != NOTHING)
    items = pool[row, column]
    try:
        counter = CountVectorizer(binary=True, dtype=np.float64)
        words = sparse.csr_array(counter.fit_transform(titles))  # (I, V)
    except ValueError:  # not one word in all the titles
        return []
    observed = np.bincount(chosen, minlength=len(titles)) @ words
    offered = np.bincount(items, minlength=len(titles)) @ words
    expected = np.bincount(items, weights=1 / size[row], minlength=len(titles)) @ words
    looked = np.flatnonzero(expected >= LEAST)
    o, e = observed[looked], expected[looked]
    p = np.array(holm(np.asarray(poisson.sf(o - 1, e)).tolist()), dtype=np.float64)
    pulls = np.flatnonzero((p < 1 - LEVEL) & (o > e))
    tail = (1 - LEVEL) / 2
    low, high = chi2.ppf(tail, 2 * o) / (2 * e), chi2.ppf(1 - tail, 2 * o + 2) / (2 * e)
    names = counter.get_feature_names_out()
    best = pulls[np.argsort(-low[pulls], kind="stable")][:most]
    return [
        Word(
            str(names[looked[n]]), float(o[n] / e[n]), float(low[n]), float(high[n]), int(offered[looked[n]]), int(o[n])
        )
        for n in best.tolist()
    ]
