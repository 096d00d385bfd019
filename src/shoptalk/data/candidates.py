"""The options of each case: drawn once with a seed, and stored with the dataset.

A distractor is never an item of the user's, in any part of the split, and no two options of a case have the same title
(ignoring case). All items are integer codes, and many cases are processed at a time: distractors are drawn, collisions
are searched for, and only the slots that collide are drawn again.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from shoptalk.errors import DatasetError
from shoptalk.recipe import CandidatesSection

IntArray = NDArray[np.int64]

#: Random draws for a slot before all items of its pool are checked.
_ROUNDS = 20
#: The smallest number of nearest titles from which `similar-title` distractors are drawn: with fewer, the answer would
#: be recognisable as the title that all other options resemble.
_NEIGHBOURS = 20
#: Entries of one block of title similarities (as float32 and as int64: about 60 MB).
_BLOCK_CELLS = 5_000_000


class Proposal(Protocol):
    """A distribution from which distractors are drawn."""

    def draw(self, answers: IntArray, rng: np.random.Generator) -> IntArray:
        """One item for each right answer (C,), or -1 where there is none."""
        ...

    def pool(self, answer: int) -> tuple[IntArray, NDArray[np.float64]]:
        """All items that can be drawn for a right answer, with their weights (of any scale)."""
        ...


@dataclass(frozen=True)
class Uniform:
    """All items of the catalogue are equally likely."""

    items: int

    def draw(self, answers: IntArray, rng: np.random.Generator) -> IntArray:
        """One item for each right answer."""
        return rng.integers(self.items, size=len(answers))

    def pool(self, answer: int) -> tuple[IntArray, NDArray[np.float64]]:  # noqa: ARG002
        """The whole catalogue, with equal weights."""
        return np.arange(self.items), np.ones(self.items)


class Popularity:
    """Items are drawn in proportion to their number of training purchases ``bought`` (I,)."""

    def __init__(self, bought: NDArray[np.int64]) -> None:
        self.bought = bought
        self.cumulative = np.cumsum(bought)

    def draw(self, answers: IntArray, rng: np.random.Generator) -> IntArray:
        """One item for each right answer."""
        if not self.cumulative[-1]:
            return np.full(len(answers), -1)
        return np.searchsorted(self.cumulative, rng.integers(self.cumulative[-1], size=len(answers)), side="right")

    def pool(self, answer: int) -> tuple[IntArray, NDArray[np.float64]]:  # noqa: ARG002
        """All items with training purchases."""
        members = np.flatnonzero(self.bought)
        return members, self.bought[members].astype(np.float64)


@dataclass(frozen=True)
class Pools:
    """The pool of an item is ``members[starts[g]:starts[g + 1]]`` with ``g = group[item]``; items may share a pool."""

    group: IntArray
    starts: IntArray
    members: IntArray

    def draw(self, answers: IntArray, rng: np.random.Generator) -> IntArray:
        """One item for each right answer, or -1 where its pool is empty."""
        group = self.group[answers]
        first, size = self.starts[group], self.starts[group + 1] - self.starts[group]
        index = first + np.minimum((rng.random(len(answers)) * size).astype(np.int64), size - 1)
        return np.where(size > 0, self.members[np.clip(index, 0, None)] if len(self.members) else -1, -1)

    def pool(self, answer: int) -> tuple[IntArray, NDArray[np.float64]]:
        """The pool of one right answer, with equal weights."""
        group = self.group[answer]
        members = self.members[self.starts[group] : self.starts[group + 1]]
        return members, np.ones(len(members))


def by_category(categories: Sequence[Sequence[str]]) -> Pools:
    """Pools of the items with the same most specific category, which is the last one that the source lists."""
    numbers: dict[str, int] = {}
    codes = [numbers.setdefault(path[-1], len(numbers)) if len(path) else -1 for path in categories]
    group = np.asarray(codes, dtype=np.int64)
    group[group < 0] = len(numbers)  # items without a category share the empty pool at the end
    with_category = np.flatnonzero(group < len(numbers))
    members = with_category[np.argsort(group[with_category], kind="stable")]
    sizes = np.bincount(group[with_category], minlength=len(numbers) + 1)
    return Pools(group, np.concatenate([[0], np.cumsum(sizes)]), members)


def by_title(titles: Sequence[str], options: int) -> Pools:
    """Pools of the items with the nearest titles, by the cosine of TF-IDF vectors of words.

    Items with the same title, and titles without a common word, are not neighbours. Similarities are computed in blocks
    of rows, so that memory is bounded.
    """
    from scipy.sparse import csr_array
    from sklearn.feature_extraction.text import TfidfVectorizer

    count = len(titles)
    # Frequent words ("for", "oz") carry little information and would make the similarities dense.
    vectorizer = TfidfVectorizer(sublinear_tf=True, dtype=np.float32, max_df=0.05 if count > 1000 else 1.0)
    try:
        vectors = csr_array(vectorizer.fit_transform(titles))
    except ValueError:  # no title has a word
        return Pools(np.arange(count), np.zeros(count + 1, dtype=np.int64), np.zeros(0, dtype=np.int64))
    transposed = vectors.T.tocsr()
    codes = title_codes(titles)
    pool_size = min(max(_NEIGHBOURS, 4 * (options - 1)), count)
    sizes, members = [], []
    step = max(1, _BLOCK_CELLS // count)
    for start in range(0, count, step):
        block = slice(start, min(start + step, count))
        similarity = (vectors[block] @ transposed).toarray()
        similarity[codes[block, None] == codes[None, :]] = 0
        # Integers without ties within a row, so that the choice does not depend on how the sorting treats ties.
        key = np.rint(similarity * 1e4).astype(np.int64) * count - np.arange(count)
        nearest = np.argpartition(key, count - pool_size, axis=1)[:, count - pool_size :]
        nearest.sort(axis=1)
        is_similar = np.take_along_axis(key, nearest, axis=1) > 0
        sizes.append(is_similar.sum(axis=1))
        members.append(nearest[is_similar])
    starts = np.concatenate([[0], np.cumsum(np.concatenate(sizes))])
    return Pools(np.arange(count), starts, np.concatenate(members))


def title_codes(titles: Sequence[str], known: dict[str, int] | None = None) -> IntArray:
    """A number for each title; titles that differ only in case have the same number.

    ``known``, which is extended, holds the numbers of titles from earlier calls.
    """
    known = {} if known is None else known
    return np.asarray([known.setdefault(title.casefold(), len(known)) for title in titles], dtype=np.int64)


class Drawer:
    """Draws the distractors of many cases.

    Parameters
    ----------
    proposal
        The distribution of distractors; where it has too few items, they are drawn uniformly (``fallbacks`` counts
        these).
    as_answer, as_distractor
        (I,) codes of the title that an item has as right answer and as distractor (:func:`title_codes`).
    section
        The recipe's ``[candidates]``, with the number of options.
    rng
        The generator; for the same options, cases must come in the same order.
    """

    def __init__(
        self,
        proposal: Proposal,
        as_answer: IntArray,
        as_distractor: IntArray,
        section: CandidatesSection,
        rng: np.random.Generator,
    ) -> None:
        self.proposal = proposal
        self.as_answer = as_answer
        self.as_distractor = as_distractor
        self.distractors = section.options - 1
        self.rng = rng
        self.fallbacks = 0

    def draw(self, user: IntArray, item: IntArray, case_rows: IntArray) -> IntArray:
        """Distractors for a chunk of cases.

        Parameters
        ----------
        user, item
            (R,) codes of all interactions of the users of this chunk.
        case_rows
            (C,) the row of each case's right answer.

        Returns
        -------
        array
            (C, options - 1) codes of items.

        Raises
        ------
        DatasetError
            When the catalogue has too few items for a case.
        """
        chunk = _Chunk(self, user, item, case_rows)
        chunk.fill(self.proposal)
        if chunk.open.any() and not isinstance(self.proposal, Uniform):
            self.fallbacks += int(chunk.open.sum())
            chunk.fill(Uniform(len(self.as_answer)))
        if chunk.open.any():
            raise DatasetError(
                f"the catalogue of {len(self.as_answer)} items has too few different titles that a user does not have "
                f"for {self.distractors + 1} options",
                hint="lower candidates.options, or filter less",
            )
        return chunk.chosen


class _Chunk:
    """The cases of some users while their distractors are drawn; -1 marks an open slot."""

    def __init__(self, drawer: Drawer, user: IntArray, item: IntArray, case_rows: IntArray) -> None:
        self.drawer = drawer
        self.items = len(drawer.as_answer)
        self.user, self.answer = user[case_rows], item[case_rows]
        self.owned = np.sort(user * self.items + item)  # five times as fast as np.unique
        self.chosen = np.full((len(case_rows), drawer.distractors), -1, dtype=np.int64)

    @property
    def open(self) -> NDArray[np.bool_]:
        """(C, options - 1) which slots have no distractor yet."""
        return self.chosen < 0

    def fill(self, proposal: Proposal) -> None:
        """Fill the open slots: by random draws, and after `_ROUNDS` of them from all items that are allowed."""
        for _ in range(_ROUNDS):
            case, slot = np.nonzero(self.open)
            if not len(case):
                return
            self.chosen[case, slot] = proposal.draw(self.answer[case], self.drawer.rng)
            self._reopen(case[np.append(True, case[1:] != case[:-1])])
        case, slot = np.nonzero(self.open)
        has_pool = proposal.draw(self.answer[case], self.drawer.rng) >= 0
        for case_index, slot_index in zip(case[has_pool].tolist(), slot[has_pool].tolist(), strict=True):
            self.chosen[case_index, slot_index] = self._draw_allowed(case_index, proposal)

    def _reopen(self, cases: IntArray) -> None:
        """Reopen every slot that collides with the user's items, the answer or an earlier slot."""
        chosen, title_of = self.chosen[cases], self.drawer.as_distractor
        titles = np.where(chosen < 0, -1, title_of[chosen])
        collides = self._forbidden(self.user[cases, None], self.answer[cases, None], chosen, titles)
        for slot in range(1, titles.shape[1]):
            same_title = (titles[:, :slot] == titles[:, slot, None]) & ~collides[:, :slot]
            collides[:, slot] |= same_title.any(axis=1)
        self.chosen[cases] = np.where(collides, -1, chosen)

    def _forbidden(self, user: IntArray, answer: IntArray, items: IntArray, titles: IntArray) -> NDArray[np.bool_]:
        """Which items with these titles may not be distractors: the user has them, or they show the answer's title."""
        pairs = user * self.items + items
        index = np.minimum(np.searchsorted(self.owned, pairs), len(self.owned) - 1)
        # The title that the answer would have as a distractor is forbidden too: it names the same product.
        return (
            (self.owned[index] == pairs)
            | (titles == self.drawer.as_answer[answer])
            | (titles == self.drawer.as_distractor[answer])
        )

    def _draw_allowed(self, case: int, proposal: Proposal) -> int:
        """An item drawn from all that are still allowed for the case; -1 if there is none."""
        members, weights = proposal.pool(int(self.answer[case]))
        titles = self.drawer.as_distractor[members]
        user, answer = np.full(len(members), self.user[case]), np.full(len(members), self.answer[case])
        taken = self.drawer.as_distractor[self.chosen[case][self.chosen[case] >= 0]]
        allowed = ~self._forbidden(user, answer, members, titles) & ~np.isin(titles, taken)
        if not allowed.any():
            return -1
        allowed_weights = np.where(allowed, weights, 0)
        return int(self.drawer.rng.choice(members, p=allowed_weights / allowed_weights.sum()))


def answer_positions(cases: int, options: int, rng: np.random.Generator) -> NDArray[np.int8]:
    """Shuffled positions of the right answers of a part's cases; each position occurs equally often, to within one."""
    return rng.permutation(np.arange(cases) % options).astype(np.int8)


def arrange(answer: IntArray, distractors: IntArray, index: NDArray[np.int8]) -> IntArray:
    """(C, n) options: ``answer`` (C,) at position ``index`` (C,), and ``distractors`` (C, n - 1) in their order."""
    cases, options = len(answer), distractors.shape[1] + 1
    arranged = np.empty((cases, options), dtype=np.int64)
    is_answer = np.arange(options)[None, :] == index[:, None]
    arranged[is_answer] = answer
    arranged[~is_answer] = distractors.ravel()
    return arranged
