"""The kinds of errors: each kind is one function and one line in ``KINDS``.

There are two sorts. A *pull* is a property of the chosen item compared with the right one; its chance is the share of
the alternatives (the wrong options) with the property. A *circumstance* is a property of the test case; its chance is 1
or 0. The reference is the mean chance over all test cases: the share expected among the wrong answers if errors were
independent of the property.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from rapidfuzz import fuzz, process
from scipy.special import ndtri

from shoptalk.constants import SIGNIFICANCE
from shoptalk.evaluation.bootstrap import Floats
from shoptalk.evaluation.errors.answers import Answers, ItemStats, lookup
from shoptalk.evaluation.errors.similarity import TitleSimilarity
from shoptalk.evaluation.id_map import PAD_ID, Bools, Ints, UserItemSets

#: Least similarity of the titles of near-duplicates, in percent.
NEAR_DUPLICATE = 90.0
#: Most items of a short history.
SHORT_HISTORY = 4
#: Rare categories are the least bought ones that together have at most this share of the training purchases.
RARE_SHARE = 0.1


@dataclass(frozen=True, slots=True)
class KindResult:
    """One kind of error in N answers.

    Attributes
    ----------
    flags
        (N,) whether the answer has the property (only wrong answers are counted).
    chance
        (N,) the probability of the property for a random wrong choice; NaN where it is unknown.
    strength
        (N,) how pronounced the property is; constant for kinds without degrees.
    describe
        Describes the error in the answer with this index.
    """

    flags: Bools
    chance: Floats
    strength: Floats
    describe: Callable[[int], str]


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of error.

    Attributes
    ----------
    name
        As in ``errors.parquet``.
    title, says
        The title and the explanation in the report.
    find
        The function that finds it; it returns None where the kind does not apply.
    pull
        Whether it is a pull, not a circumstance.
    """

    name: str
    title: str
    says: str
    find: Callable[[Answers, ItemStats], KindResult | None]
    pull: bool


def semantic(answers: Answers, item_stats: ItemStats) -> KindResult:
    """The chosen item is more similar to the history than the right one."""
    similarity = TitleSimilarity(item_stats.titles, answers.seen_items)
    chosen, right = similarity.of(answers.chosen), similarity.of(answers.right)
    return _pull(
        answers,
        lambda items: similarity.of(items) > right + 1e-9,  # rounding differs from row to row
        chosen - right,
        lambda n: f"similarity to the history {chosen[n]:.2f}, right product {right[n]:.2f}",
    )


def popularity(answers: Answers, item_stats: ItemStats) -> KindResult:
    """The chosen item was bought more often in training than the right one."""
    chosen, right = lookup(item_stats.purchases, answers.chosen), lookup(item_stats.purchases, answers.right)
    return _pull(
        answers,
        lambda items: lookup(item_stats.purchases, items) > right,
        np.log((1 + chosen) / (1 + right)),
        lambda n: f"bought {chosen[n]:,} times in training, right product {right[n]:,} times",
    )


def position(answers: Answers, item_stats: ItemStats) -> KindResult | None:  # noqa: ARG001
    """The chosen option is at a position that is chosen significantly more often than it is right.

    The test: the mean over cases of (chosen at the position - right at the position) exceeds its standard error times
    the normal quantile, with Bonferroni's correction for the number of positions.
    """
    positions = answers.positions
    if positions is None:
        return None
    width = int(positions.count.max(initial=1))
    index = np.arange(width)[None, :]
    is_right = positions.right[:, None] == index  # (N, P)
    excess = (positions.chosen[:, None] == index).astype(np.float64) - is_right
    mean, error = excess.mean(axis=0), excess.std(axis=0) / np.sqrt(max(1, len(excess)))
    preferred = mean > ndtri(1 - SIGNIFICANCE / 2 / width) * error
    wrong_preferred = preferred[None, :] & (index < positions.count[:, None]) & (index != positions.right[:, None])
    strength = lookup(np.where(preferred, mean, 0.0), positions.chosen)
    return KindResult(
        lookup(preferred, positions.chosen).astype(np.bool_) & (positions.chosen != positions.right),
        wrong_preferred.sum(axis=1) / np.where(positions.count > 1, positions.count - 1, np.nan),
        strength,
        lambda n: (
            f"position {positions.chosen[n] + 1} is chosen more often than it is right, "
            f"by {strength[n]:.1%} of all answers"
        ),
    )


def near_duplicate(answers: Answers, item_stats: ItemStats) -> KindResult:
    """The titles of the chosen and the right item have a similarity of at least 90 %.

    The normalised indel similarity of rapidfuzz (``token_sort_ratio``) of the titles in lower case.
    """
    titles = np.array([*(" ".join(sorted(title.casefold().split())) for title in item_stats.titles), ""], dtype=object)
    right = titles[answers.right]

    def ratio(items: Ints) -> Floats:
        ratios = process.cpdist(titles[items], right, scorer=fuzz.ratio, score_cutoff=NEAR_DUPLICATE, dtype=np.float64)
        return np.where((items == PAD_ID) | (items == answers.right), 0.0, ratios)

    chosen = ratio(answers.chosen)
    return _pull(
        answers, lambda items: ratio(items) > 0, chosen, lambda n: f"similarity of the titles {chosen[n]:.0f} %"
    )


def repeated_category(answers: Answers, item_stats: ItemStats) -> KindResult | None:
    """The history contains the category of the chosen item, but not that of the right item."""
    categories = _categories(item_stats)
    if categories is None:
        return None
    seen_items = UserItemSets.of(answers.seen_items.row, categories[answers.seen_items.item], answers.seen_items.rows)

    def in_history(items: Ints) -> Bools:
        return seen_items.contains(categories[items][:, None])[:, 0]

    right_is_new = (categories[answers.right] != PAD_ID) & ~in_history(answers.right)
    names = [*item_stats.categories, ""]
    return _pull(
        answers,
        lambda items: right_is_new & in_history(items),
        np.zeros(len(right_is_new)),
        lambda n: (
            f"category {names[answers.chosen[n]]!r} again; the right product's, {names[answers.right[n]]!r}, is new"
        ),
    )


def cold(answers: Answers, item_stats: ItemStats) -> KindResult:
    """The right item has no training purchases."""
    flags = (lookup(item_stats.purchases, answers.right) == 0) & (answers.right != PAD_ID)
    return _circumstance(flags, np.zeros(len(flags)), lambda _: "the right product has no training purchases")


def short_history(answers: Answers, item_stats: ItemStats) -> KindResult | None:  # noqa: ARG001
    """The history has at most four items; None where all histories have the same length."""
    lengths = answers.seen_items.counts()
    if np.all(lengths == lengths[:1]):
        return None
    return _circumstance(
        lengths <= SHORT_HISTORY, -lengths.astype(np.float64), lambda n: f"a history of {lengths[n]} products"
    )


def rare_category(answers: Answers, item_stats: ItemStats) -> KindResult | None:
    """The category of the right item is one of the least bought that together have a tenth of the training purchases.

    Categories with equal numbers of purchases are all rare or all not rare.
    """
    categories = _categories(item_stats)
    if categories is None:
        return None
    bought = np.bincount(categories[:-1][categories[:-1] >= 0], weights=item_stats.purchases[categories[:-1] >= 0])
    ordered = np.sort(bought)
    cumulative = np.cumsum(ordered)[np.searchsorted(ordered, bought, side="right") - 1]
    right_category = categories[answers.right]
    share = lookup(bought / max(1.0, bought.sum()), right_category)
    names = [*item_stats.categories, ""]
    return _circumstance(
        lookup(cumulative <= RARE_SHARE * bought.sum(), right_category).astype(np.bool_) & (right_category != PAD_ID),
        -share,
        lambda n: f"{names[answers.right[n]]!r} has {share[n]:.2%} of the training purchases",
    )


#: In the order of the report.
KINDS = (
    Kind(
        "semantic_pull",
        "semantic pull",
        "The chosen product is more similar to the history than the right product (TF-IDF of titles).",
        semantic,
        pull=True,
    ),
    Kind(
        "popularity_pull",
        "popularity pull",
        "The chosen product was bought more often in training than the right product.",
        popularity,
        pull=True,
    ),
    Kind(
        "position_pull",
        "position pull",
        "The chosen product is at a position that is chosen significantly more often than it is right.",
        position,
        pull=True,
    ),
    Kind(
        "near_duplicate",
        "near-duplicate",
        "The titles of the chosen and of the right product are nearly the same.",
        near_duplicate,
        pull=True,
    ),
    Kind(
        "repeated_category",
        "repeated category",
        "The history contains the category of the chosen product, but not that of the right product.",
        repeated_category,
        pull=True,
    ),
    Kind("cold_item", "cold item", "The right product has no training purchases.", cold, pull=False),
    Kind(
        "short_history",
        "short history",
        f"The history has at most {SHORT_HISTORY} products.",
        short_history,
        pull=False,
    ),
    Kind(
        "rare_category",
        "rare category",
        "The category of the right product is one of the least bought, which together have "
        f"{RARE_SHARE:.0%} of the training purchases.",
        rare_category,
        pull=False,
    ),
)


def _pull(
    answers: Answers, is_pull: Callable[[Ints], Bools], strength: Floats, describe: Callable[[int], str]
) -> KindResult:
    """The result of a pull: ``is_pull`` maps (N,) items, one per case, to (N,) flags."""
    exists = answers.alternatives != PAD_ID
    pull_counts = np.zeros(len(exists), dtype=np.int64)
    # One column at a time bounds the memory.
    for column, column_exists in zip(answers.alternatives.T, exists.T, strict=True):
        pull_counts += is_pull(column) & column_exists
    counts = exists.sum(axis=1)
    return KindResult(is_pull(answers.chosen), pull_counts / np.where(counts > 0, counts, np.nan), strength, describe)


def _circumstance(flags: Bools, strength: Floats, describe: Callable[[int], str]) -> KindResult:
    """The result of a circumstance, whose chance is 1 where it applies, else 0."""
    return KindResult(flags, flags.astype(np.float64), strength, describe)


def _categories(item_stats: ItemStats) -> Ints | None:
    """(I + 1,) numbers of the categories, ``PAD_ID`` where there is none and at the end; None if no item has one."""
    if not any(item_stats.categories):
        return None
    numbers: dict[str, int] = {}
    categories = [numbers.setdefault(name, len(numbers)) if name else PAD_ID for name in item_stats.categories]
    return np.array([*categories, PAD_ID], dtype=np.int64)
