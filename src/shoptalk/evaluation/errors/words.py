"""Word bias: words in titles of wrong options that raise the rate at which the options are chosen."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy import sparse
from scipy.special import stdtr, stdtrit

from shoptalk.constants import CONFIDENCE, SIGNIFICANCE
from shoptalk.evaluation.bootstrap import Floats
from shoptalk.evaluation.errors.answers import Answers
from shoptalk.evaluation.id_map import PAD_ID
from shoptalk.evaluation.paired import holm
from shoptalk.results import WordBias

#: Words are tested if they are expected in this many wrong choices, and are in this many products.
MIN_EXPECTED, MIN_PRODUCTS = 5.0, 10


def pulling_words(answers: Answers, titles: Sequence[str], limit: int = 15) -> list[WordBias]:
    """Words of at least two letters with a pull significantly above 1, those with the highest lower bounds first.

    Each wrong answer is one draw from its wrong options. If all were equally likely, product i would be chosen e_i
    times: the sum of 1 / (number of wrong options) over the wrong answers that offer it. It is chosen o_i times. With
    sums O and E over the k products that have the word, the pull is r = O / E.

    Products differ for reasons other than the word, so the interval is one over products:
    log r +- t(k - 1) * sqrt(max(O, k / (k - 1) * sum of (o_i - r e_i)^2)) / O, the linearised ratio (W. Cochran,
    "Sampling Techniques", 1977, chapter 6), never narrower than that of a Poisson count. Words are returned if p by the
    same t is below 5 % after Holm's correction for all tested words.

    Parameters
    ----------
    titles
        The catalogue's I titles, as shown in wrong options.
    limit
        Most words that are returned.
    """
    observed, expected, offered = _product_counts(answers, len(titles))
    products_shown = np.flatnonzero(offered)
    from sklearn.feature_extraction.text import CountVectorizer

    counter = CountVectorizer(binary=True, dtype=np.float64)
    try:
        words = sparse.csr_array(counter.fit_transform([titles[item] for item in products_shown.tolist()]))  # (K, V)
    except ValueError:  # no options, or no words in them
        return []
    sums = _sums(words, observed[products_shown], expected[products_shown], offered[products_shown])
    tested = np.flatnonzero((sums[1] >= MIN_EXPECTED) & (sums[3] >= MIN_PRODUCTS) & (sums[0] > 0))
    chosen, by_chance, times, products, oo, oe, ee = sums[:, tested]
    pull = chosen / by_chance
    variation = oo - 2 * pull * oe + pull**2 * ee
    error = np.sqrt(np.maximum(chosen, products / (products - 1) * variation)) / chosen
    p = np.array(holm(np.asarray(stdtr(products - 1, -np.log(pull) / error)).tolist()), dtype=np.float64)
    width = np.exp(stdtrit(products - 1, (1 + CONFIDENCE) / 2) * error)
    significant = np.flatnonzero(p < SIGNIFICANCE)
    names = counter.get_feature_names_out()
    return [
        WordBias(
            word=str(names[tested[n]]),
            pull=float(pull[n]),
            low=float(pull[n] / width[n]),
            high=float(pull[n] * width[n]),
            offered=int(times[n]),
            chosen=int(chosen[n]),
            products=int(products[n]),
            n=int(times[n]),
        )
        for n in significant[np.argsort(-(pull / width)[significant], kind="stable")][:limit].tolist()
    ]


def _sums(words: Any, chosen: Floats, expected: Floats, offered: Floats) -> Floats:
    """Sums (7, V) over the K products with each word: o, e, offered, 1, o o, o e and e e.

    Parameters
    ----------
    words
        (K, V) sparse: 1 where a product's title has a word.
    chosen, expected, offered
        (K,) see `_product_counts`.
    """
    products = np.ones(len(chosen))
    rows = [chosen, expected, offered, products, chosen * chosen, chosen * expected, expected * expected]
    return np.asarray(np.stack(rows) @ words)


def _product_counts(answers: Answers, count: int) -> tuple[Floats, Floats, Floats]:
    """(I,) per product: wrong choices, wrong choices expected by chance, and how often it was a wrong option."""
    cases = answers.wrong & (answers.chosen != PAD_ID)
    chosen, alternatives = answers.chosen[cases], answers.alternatives[cases]
    # The first item of a ranking is not among its alternatives: it is added to them.
    first_items = np.where((alternatives == chosen[:, None]).any(axis=1), PAD_ID, chosen)
    pool = np.column_stack([alternatives, first_items])
    row, column = np.nonzero(pool != PAD_ID)
    items, size = pool[row, column], (pool != PAD_ID).sum(axis=1)
    return (
        np.bincount(chosen, minlength=count).astype(np.float64),
        np.asarray(np.bincount(items, weights=1 / size[row], minlength=count), dtype=np.float64),
        np.bincount(items, minlength=count).astype(np.float64),
    )
