"""Words that pull: which words of its title make a wrong option be chosen."""

from collections.abc import Sequence

import numpy as np
from scipy import sparse
from scipy.stats import t

from shoptalk.constants import CONFIDENCE, SIGNIFICANCE
from shoptalk.evaluation.bootstrap import Floats
from shoptalk.evaluation.errors.answers import Answers
from shoptalk.evaluation.id_map import PAD_ID
from shoptalk.evaluation.paired import holm
from shoptalk.results import WordBias

#: A word must be expected in so many wrong choices, and stand in so many products, before anything is said about it.
LEAST, PRODUCTS = 5.0, 10


def pulling_words(answers: Answers, titles: Sequence[str], most: int = 15) -> list[WordBias]:
    """Words of two letters or more with a pull above 1 beyond chance, those with the highest lower bounds first.

    Each wrong answer is one draw from its wrong options. Were all equally likely, product i would be chosen e_i times:
    the sum over the wrong answers that offer it of 1 / (their wrong options); it is chosen o_i times. With sums O and E
    over the k products that have the word, the pull is r = O / E. Products differ for reasons other than the word, so
    the interval is one over products: log r +- t(k - 1) * sqrt(max(O, k / (k - 1) * sum of (o_i - r e_i)^2)) / O, the
    linearised ratio (W. Cochran, "Sampling Techniques", 1977, chapter 6), never narrower than that of a Poisson count.
    Words are kept whose p by the same t is below 5 % after Holm's correction for all words that were looked at.

    Parameters
    ----------
    titles
        The catalogue's I titles as wrong options show them.
    """
    observed, expected, offered = _products(answers, len(titles))
    shown = np.flatnonzero(offered)
    from sklearn.feature_extraction.text import CountVectorizer

    counter = CountVectorizer(binary=True, dtype=np.float64)
    try:
        words = sparse.csr_array(counter.fit_transform([titles[item] for item in shown.tolist()]))  # (K, V)
    except ValueError:  # no options, or not one word in them
        return []
    o, e = observed[shown], expected[shown]
    sums = np.stack([o, e, offered[shown], np.ones(len(shown)), o * o, o * e, e * e]) @ words  # (7, V)
    looked = np.flatnonzero((sums[1] >= LEAST) & (sums[3] >= PRODUCTS) & (sums[0] > 0))
    chosen, by_chance, times, products, oo, oe, ee = sums[:, looked]
    pull = chosen / by_chance
    rest = oo - 2 * pull * oe + pull**2 * ee
    error = np.sqrt(np.maximum(chosen, products / (products - 1) * rest)) / chosen
    p = np.array(holm(np.asarray(t.sf(np.log(pull) / error, products - 1)).tolist()), dtype=np.float64)
    width = np.exp(t.ppf((1 + CONFIDENCE) / 2, products - 1) * error)
    kept = np.flatnonzero(p < SIGNIFICANCE)
    names = counter.get_feature_names_out()
    return [
        WordBias(
            word=str(names[looked[n]]),
            pull=float(pull[n]),
            low=float(pull[n] / width[n]),
            high=float(pull[n] * width[n]),
            offered=int(times[n]),
            chosen=int(chosen[n]),
            products=int(products[n]),
            n=int(times[n]),
        )
        for n in kept[np.argsort(-(pull / width)[kept], kind="stable")][:most].tolist()
    ]


def _products(answers: Answers, count: int) -> tuple[Floats, Floats, Floats]:
    """(I,) how often each product was chosen wrongly, would have been by chance, and was offered as a wrong option."""
    asked = answers.wrong & (answers.chosen != PAD_ID)
    chosen, others = answers.chosen[asked], answers.others[asked]
    # A ranking's first item is not among what was drawn for it: it joins what it is compared with.
    joins = np.where((others == chosen[:, None]).any(axis=1), PAD_ID, chosen)
    pool = np.column_stack([others, joins])
    row, column = np.nonzero(pool != PAD_ID)
    items, size = pool[row, column], (pool != PAD_ID).sum(axis=1)
    return (
        np.bincount(chosen, minlength=count).astype(np.float64),
        np.asarray(np.bincount(items, weights=1 / size[row], minlength=count), dtype=np.float64),
        np.bincount(items, minlength=count).astype(np.float64),
    )
