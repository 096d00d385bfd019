"""What can have gone wrong: each kind of error is one function and one line in ``KINDS``.

There are two sorts. A *pull* is about the chosen item beside the right one; its chance is the share of the other wrong
options that would have been a pull as well. A *circumstance* is about the question; its chance is how often questions
are so. Either way the mean chance over all questions is the share among wrong answers that is to be expected if the
errors had nothing to do with it: the reference.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from rapidfuzz import fuzz, process
from scipy.stats import norm

from shoptalk.constants import SIGNIFICANCE
from shoptalk.evaluation.bootstrap import Floats
from shoptalk.evaluation.errors.answers import Answers, ItemStats, at
from shoptalk.evaluation.errors.similarity import TitleSimilarity
from shoptalk.evaluation.id_map import PAD_ID, Bools, Ints, UserItemSets

#: Titles are nearly equal from this similarity on, in percent.
NEARLY = 90.0
#: A history of at most so many items is short.
SHORT = 4
#: The least bought categories that together have at most this share of the training purchases are rare.
RARE = 0.1


@dataclass(frozen=True, slots=True)
class Found:
    """One kind in N answers.

    Attributes
    ----------
    flags
        (N,) whether an answer, where it is wrong, is of this kind.
    chance
        (N,) the probability that it is so without a cause; NaN where nothing can be said.
    strength
        (N,) how strongly; constant where there is no more or less.
    why
        What it looks like in the answer with this number.
    """

    flags: Bools
    chance: Floats
    strength: Floats
    why: Callable[[int], str]


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of error: its name, what people read, and the function that finds it (None where it cannot apply)."""

    name: str
    title: str
    says: str
    find: Callable[[Answers, ItemStats], Found | None]
    pull: bool


def semantic(answers: Answers, item_stats: ItemStats) -> Found:
    """The chosen item is more like the history than the right one."""
    similarity = TitleSimilarity(item_stats.titles, answers.seen_items)
    chosen, right = similarity.of(answers.chosen), similarity.of(answers.right)
    return _pull(
        answers,
        lambda items: similarity.of(items) > right + 1e-9,  # rounding differs from row to row
        chosen - right,
        lambda n: f"as similar to the history as {chosen[n]:.2f}, the right one as {right[n]:.2f}",
    )


def popularity(answers: Answers, item_stats: ItemStats) -> Found:
    """The chosen item was bought more often in training than the right one."""
    chosen, right = at(item_stats.purchases, answers.chosen), at(item_stats.purchases, answers.right)
    return _pull(
        answers,
        lambda items: at(item_stats.purchases, items) > right,
        np.log((1 + chosen) / (1 + right)),
        lambda n: f"bought {chosen[n]:,} times in training, the right one {right[n]:,} times",
    )


def position(answers: Answers, item_stats: ItemStats) -> Found | None:  # noqa: ARG001
    """The chosen option stands at a place that is chosen more often than it is right, beyond chance.

    Beyond chance: the mean over questions of (chosen here - right here) is above 0 by more than its standard error
    times the normal quantile, corrected for the number of places (Bonferroni).
    """
    indices = answers.positions
    if indices is None:
        return None
    width = int(indices.count.max(initial=1))
    here = np.arange(width)[None, :]
    surplus = (indices.chosen[:, None] == here).astype(np.float64) - (indices.right[:, None] == here)  # (N, P)
    mean, error = surplus.mean(axis=0), surplus.std(axis=0) / np.sqrt(max(1, len(surplus)))
    favourite = mean > norm.ppf(1 - SIGNIFICANCE / 2 / width) * error
    offered = favourite[None, :] & (here < indices.count[:, None]) & (here != indices.right[:, None])
    strength = at(np.where(favourite, mean, 0.0), indices.chosen)
    return Found(
        at(favourite, indices.chosen).astype(np.bool_) & (indices.chosen != indices.right),
        offered.sum(axis=1) / np.where(indices.count > 1, indices.count - 1, np.nan),
        strength,
        lambda n: (
            f"place {indices.chosen[n] + 1} is chosen by {strength[n]:.1%} of all answers more often than it is right"
        ),
    )


def near_duplicate(answers: Answers, item_stats: ItemStats) -> Found:
    """The title of the chosen item is nearly that of the right one: its words, sorted, are 90 % the same letters.

    The normalised indel similarity of rapidfuzz (``token_sort_ratio``), letters' case aside.
    """
    titles = np.array([*(" ".join(sorted(title.casefold().split())) for title in item_stats.titles), ""], dtype=object)
    right = titles[answers.right]

    def ratio(items: Ints) -> Floats:
        found = process.cpdist(titles[items], right, scorer=fuzz.ratio, score_cutoff=NEARLY, dtype=np.float64)
        return np.where((items == PAD_ID) | (items == answers.right), 0.0, found)

    chosen = ratio(answers.chosen)
    return _pull(answers, lambda items: ratio(items) > 0, chosen, lambda n: f"titles are the same by {chosen[n]:.0f} %")


def repeated_category(answers: Answers, item_stats: ItemStats) -> Found | None:
    """The history holds the chosen item's category already, and not the right one's."""
    category = _categories(item_stats)
    if category is None:
        return None
    seen_items = UserItemSets.of(answers.seen_items.row, category[answers.seen_items.item], answers.seen_items.rows)

    def known(items: Ints) -> Bools:
        return seen_items.holds(category[items][:, None])[:, 0]

    other = (category[answers.right] != PAD_ID) & ~known(answers.right)
    names = [*item_stats.categories, ""]
    return _pull(
        answers,
        lambda items: other & known(items),
        np.zeros(len(other)),
        lambda n: f"{names[answers.chosen[n]]!r} again, and not {names[answers.right[n]]!r}, which would have been new",
    )


def cold(answers: Answers, item_stats: ItemStats) -> Found:
    """Nobody bought the right item in training."""
    flags = (at(item_stats.purchases, answers.right) == 0) & (answers.right != PAD_ID)
    return _circumstance(flags, np.zeros(len(flags)), lambda _: "nobody bought the right one in training")


def short_history(answers: Answers, item_stats: ItemStats) -> Found | None:  # noqa: ARG001
    """The history holds at most four items; says nothing where all histories are equally long."""
    length = answers.seen_items.counts()
    if np.all(length == length[:1]):
        return None
    return _circumstance(length <= SHORT, -length.astype(np.float64), lambda n: f"a history of {length[n]}")


def rare_category(answers: Answers, item_stats: ItemStats) -> Found | None:
    """The right item's category is among the least bought that together have a tenth of the training purchases.

    Categories bought equally often are rare together or not at all.
    """
    category = _categories(item_stats)
    if category is None:
        return None
    bought = np.bincount(category[:-1][category[:-1] >= 0], weights=item_stats.purchases[category[:-1] >= 0])
    ordered = np.sort(bought)
    upto = np.cumsum(ordered)[np.searchsorted(ordered, bought, side="right") - 1]
    own = category[answers.right]
    share = at(bought / max(1.0, bought.sum()), own)
    names = [*item_stats.categories, ""]
    return _circumstance(
        at(upto <= RARE * bought.sum(), own).astype(np.bool_) & (own != PAD_ID),
        -share,
        lambda n: f"{names[answers.right[n]]!r} has {share[n]:.2%} of the training purchases",
    )


#: In the order in which they are told.
KINDS = (
    Kind("semantic_pull", "semantic pull", "What was chosen is more similar to the history than the right product "
         "(TF-IDF of titles).", semantic, True),
    Kind("popularity_pull", "popularity pull", "What was chosen was bought more often in training than the right "
         "product.", popularity, True),
    Kind("position_pull", "position pull", "What was chosen stands at a place that is chosen more often than it is "
         "right, beyond chance.", position, True),
    Kind("near_duplicate", "near-duplicate", "The titles of what was chosen and of the right product are nearly the "
         "same.", near_duplicate, True),
    Kind("repeated_category", "repeated category", "The history holds the category of what was chosen already, and not "
         "that of the right product.", repeated_category, True),
    Kind("cold_item", "cold item", "Nobody bought the right product in training.", cold, False),
    Kind("short_history", "short history", f"The history holds at most {SHORT} products.", short_history, False),
    Kind("rare_category", "rare category", "The category of the right product is one of the least bought, which "
         f"together have {RARE:.0%} of the training purchases.", rare_category, False),
)  # fmt: skip


def _pull(answers: Answers, pulls: Callable[[Ints], Bools], strength: Floats, why: Callable[[int], str]) -> Found:
    """``pulls`` says of one item a question, (N,), whether it would be a pull."""
    real = answers.others != PAD_ID
    would = np.zeros(len(real), dtype=np.int64)
    for column, there in zip(answers.others.T, real.T, strict=True):  # one column at a time bounds the memory
        would += pulls(column) & there
    count = real.sum(axis=1)
    return Found(pulls(answers.chosen), would / np.where(count > 0, count, np.nan), strength, why)


def _circumstance(flags: Bools, strength: Floats, why: Callable[[int], str]) -> Found:
    return Found(flags, flags.astype(np.float64), strength, why)


def _categories(item_stats: ItemStats) -> Ints | None:
    """(I + 1,) numbers of the categories, ``PAD_ID`` where there is none and in the last place; None without any."""
    if not any(item_stats.categories):
        return None
    numbers: dict[str, int] = {}
    found = [numbers.setdefault(name, len(numbers)) if name else PAD_ID for name in item_stats.categories]
    return np.array([*found, PAD_ID], dtype=np.int64)
