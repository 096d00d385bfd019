"""The options of each case: drawn once with a seed, and frozen.

Distractors are never an item that the user ever has, in any part of the split, and no two options of a case show the
same title (letters' case aside). Everything works on integer codes of items, for many cases at a time: draw, look for
collisions, draw again only what collided.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from shoptalk.errors import DatasetError
from shoptalk.recipe import CandidatesSection

IntArray = NDArray[np.int64]

#: Draws of one slot before its pool is looked through item by item.
_ROUNDS = 20
#: Nearest titles from which a `similar-title` distractor is drawn, at least: with fewer, the answer would stand out as
#: the one title that all the others resemble.
_NEIGHBOURS = 20
#: Cells of one block of title similarities (float32 and int64 beside it: about 60 MB).
_BLOCK_CELLS = 5_000_000


class Proposal(Protocol):
    """Where distractors come from."""

    def draw(self, answers: IntArray, rng: np.random.Generator) -> IntArray:
        """One item for each right answer; -1 where there is none to draw."""
        ...

    def pool(self, answer: int) -> tuple[IntArray, NDArray[np.float64]]:
        """All items that can be drawn for a right answer, and how likely each is (any scale)."""
        ...


@dataclass(frozen=True)
class Uniform:
    """Every item of the catalogue is as likely as any other."""

    items: int

    def draw(self, answers: IntArray, rng: np.random.Generator) -> IntArray:
        """One item for each answer."""
        return rng.integers(self.items, size=len(answers))

    def pool(self, answer: int) -> tuple[IntArray, NDArray[np.float64]]:  # noqa: ARG002
        """The whole catalogue."""
        return np.arange(self.items), np.ones(self.items)


class Popularity:
    """An item is as likely as it was bought in training; what was never bought there is never drawn."""

    def __init__(self, bought: NDArray[np.int64]) -> None:
        self.bought = bought
        self.edges = np.cumsum(bought)

    def draw(self, answers: IntArray, rng: np.random.Generator) -> IntArray:
        """One item for each answer."""
        if not self.edges[-1]:
            return np.full(len(answers), -1)
        return np.searchsorted(self.edges, rng.integers(self.edges[-1], size=len(answers)), side="right")

    def pool(self, answer: int) -> tuple[IntArray, NDArray[np.float64]]:  # noqa: ARG002
        """Everything that was bought in training."""
        members = np.flatnonzero(self.bought)
        return members, self.bought[members].astype(np.float64)


@dataclass(frozen=True)
class Pools:
    """Each item has a pool of its own, or shares one: ``members[starts[g]:starts[g + 1]]`` with ``g = group[item]``."""

    group: IntArray
    starts: IntArray
    members: IntArray

    def draw(self, answers: IntArray, rng: np.random.Generator) -> IntArray:
        """One item for each answer; -1 where its pool is empty."""
        group = self.group[answers]
        first, size = self.starts[group], self.starts[group + 1] - self.starts[group]
        at = first + np.minimum((rng.random(len(answers)) * size).astype(np.int64), size - 1)
        return np.where(size > 0, self.members[np.clip(at, 0, None)] if len(self.members) else -1, -1)

    def pool(self, answer: int) -> tuple[IntArray, NDArray[np.float64]]:
        """The pool of one answer."""
        group = self.group[answer]
        members = self.members[self.starts[group] : self.starts[group + 1]]
        return members, np.ones(len(members))


def by_category(categories: Sequence[Sequence[str]]) -> Pools:
    """Pools of the items that share their most specific category, the last one that the source lists."""
    names: dict[str, int] = {}
    codes = [names.setdefault(own[-1], len(names)) if len(own) else -1 for own in categories]
    group = np.asarray(codes, dtype=np.int64)
    group[group < 0] = len(names)  # items without a category share the empty pool at the end
    known = np.flatnonzero(group < len(names))
    members = known[np.argsort(group[known], kind="stable")]
    sizes = np.bincount(group[known], minlength=len(names) + 1)
    return Pools(group, np.concatenate([[0], np.cumsum(sizes)]), members)


def by_title(titles: Sequence[str], options: int) -> Pools:
    """Pools of each item's nearest titles by TF-IDF of words, block by block, so that memory stays bounded.

    Items with the same title are not neighbours, and neither are titles without a word in common.
    """
    from scipy.sparse import csr_array
    from sklearn.feature_extraction.text import TfidfVectorizer

    count = len(titles)
    # Words that many titles have ("for", "oz") say little and would make the products dense.
    vectorizer = TfidfVectorizer(sublinear_tf=True, dtype=np.float32, max_df=0.05 if count > 1000 else 1.0)
    try:
        vectors = csr_array(vectorizer.fit_transform(titles))
    except ValueError:  # not one word in all the titles
        return Pools(np.arange(count), np.zeros(count + 1, dtype=np.int64), np.zeros(0, dtype=np.int64))
    words = vectors.T.tocsr()
    same = title_codes(titles)
    wanted = min(max(_NEIGHBOURS, 4 * (options - 1)), count)
    sizes, members = [], []
    step = max(1, _BLOCK_CELLS // count)
    for start in range(0, count, step):
        block = slice(start, min(start + step, count))
        near = (vectors[block] @ words).toarray()
        near[same[block, None] == same[None, :]] = 0
        # One whole number per cell, no two alike in a row: the choice is the same whatever the sorting does with ties.
        rank = np.rint(near * 1e4).astype(np.int64) * count - np.arange(count)
        chosen = np.argpartition(rank, count - wanted, axis=1)[:, count - wanted :]
        chosen.sort(axis=1)
        kept = np.take_along_axis(rank, chosen, axis=1) > 0
        sizes.append(kept.sum(axis=1))
        members.append(chosen[kept])
    starts = np.concatenate([[0], np.cumsum(np.concatenate(sizes))])
    return Pools(np.arange(count), starts, np.concatenate(members))


def title_codes(titles: Sequence[str], known: dict[str, int] | None = None) -> IntArray:
    """A number for each title, the same for titles that differ at most in the letters' case.

    ``known`` carries the numbers from one list of titles to another.
    """
    known = {} if known is None else known
    return np.asarray([known.setdefault(title.casefold(), len(known)) for title in titles], dtype=np.int64)


class Drawer:
    """Draws the distractors of many cases.

    Parameters
    ----------
    proposal
        Where distractors come from; when it has too few, they are drawn uniformly (``fallbacks`` counts them).
    as_answer, as_distractor
        (I,) numbers of the title that an item shows in either role (:func:`title_codes`).
    section
        How many options.
    rng
        Source of randomness; cases must come in the same order to get the same options.
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

    def draw(self, user: IntArray, item: IntArray, asked: IntArray) -> IntArray:
        """Distractors for a chunk of cases.

        Parameters
        ----------
        user, item
            (R,) codes: everything that the users of this chunk ever have.
        asked
            (C,) row of the right answer of each case.

        Returns
        -------
        array
            (C, options - 1) codes of items.

        Raises
        ------
        DatasetError
            When the catalogue has too few items for some case.
        """
        chunk = _Chunk(self, user, item, asked)
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
    """The cases of some users while their distractors are drawn; an open slot holds -1."""

    def __init__(self, drawer: Drawer, user: IntArray, item: IntArray, asked: IntArray) -> None:
        self.drawer = drawer
        self.items = len(drawer.as_answer)
        self.user, self.answer = user[asked], item[asked]
        self.owned = np.sort(user * self.items + item)  # five times as fast as to look for repeats too
        self.chosen = np.full((len(asked), drawer.distractors), -1, dtype=np.int64)

    @property
    def open(self) -> NDArray[np.bool_]:
        return self.chosen < 0

    def fill(self, proposal: Proposal) -> None:
        """Fill the open slots: by drawing, and what still collides by looking at all that is allowed."""
        for _ in range(_ROUNDS):
            case, slot = np.nonzero(self.open)
            if not len(case):
                return
            self.chosen[case, slot] = proposal.draw(self.answer[case], self.drawer.rng)
            self._reopen(case[np.append(True, case[1:] != case[:-1])])
        case, slot = np.nonzero(self.open)
        has_pool = proposal.draw(self.answer[case], self.drawer.rng) >= 0
        for one, at in zip(case[has_pool].tolist(), slot[has_pool].tolist(), strict=True):
            self.chosen[one, at] = self._exactly(one, proposal)

    def _reopen(self, cases: IntArray) -> None:
        """Open every slot again that collides with the user's items, the answer or a slot before it."""
        chosen, shown = self.chosen[cases], self.drawer.as_distractor
        titles = np.where(chosen < 0, -1, shown[chosen])
        bad = self._forbidden(self.user[cases, None], self.answer[cases, None], chosen, titles)
        for slot in range(1, titles.shape[1]):
            bad[:, slot] |= ((titles[:, :slot] == titles[:, slot, None]) & ~bad[:, :slot]).any(axis=1)
        self.chosen[cases] = np.where(bad, -1, chosen)

    def _forbidden(self, user: IntArray, answer: IntArray, items: IntArray, titles: IntArray) -> NDArray[np.bool_]:
        pairs = user * self.items + items
        at = np.minimum(np.searchsorted(self.owned, pairs), len(self.owned) - 1)
        # The answer is also forbidden under the title that it would have as a distractor: it is the same product.
        return (
            (self.owned[at] == pairs)
            | (titles == self.drawer.as_answer[answer])
            | (titles == self.drawer.as_distractor[answer])
        )

    def _exactly(self, case: int, proposal: Proposal) -> int:
        """One item drawn among all that the case still allows; -1 when there is none."""
        members, weights = proposal.pool(int(self.answer[case]))
        titles = self.drawer.as_distractor[members]
        user, answer = np.full(len(members), self.user[case]), np.full(len(members), self.answer[case])
        taken = self.drawer.as_distractor[self.chosen[case][self.chosen[case] >= 0]]
        allowed = ~self._forbidden(user, answer, members, titles) & ~np.isin(titles, taken)
        if not allowed.any():
            return -1
        share = np.where(allowed, weights, 0)
        return int(self.drawer.rng.choice(members, p=share / share.sum()))


def answer_positions(cases: int, options: int, rng: np.random.Generator) -> NDArray[np.int8]:
    """Places of the right answer for all cases of a part: shuffled, each place equally often (to within one)."""
    return rng.permutation(np.arange(cases) % options).astype(np.int8)


def arrange(answer: IntArray, distractors: IntArray, index: NDArray[np.int8]) -> IntArray:
    """(C, n) options with ``answer`` (C,) at ``index`` (C,) and ``distractors`` (C, n - 1) around it, in order."""
    cases, options = len(answer), distractors.shape[1] + 1
    arranged = np.empty((cases, options), dtype=np.int64)
    is_answer = np.arange(options)[None, :] == index[:, None]
    arranged[is_answer] = answer
    arranged[~is_answer] = distractors.ravel()
    return arranged
