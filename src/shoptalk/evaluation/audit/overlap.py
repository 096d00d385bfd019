"""Is the answer in what was learned from or told? Repeated purchases, rows, questions, users and near-duplicates."""

from collections.abc import Iterator

import numpy as np
from rapidfuzz import fuzz, process

from shoptalk.evaluation.audit.evidence import (
    TEST,
    TRAIN,
    VALIDATION,
    Evidence,
    Log,
    MultipleChoiceSet,
    Written,
    letters,
)
from shoptalk.evaluation.audit.finding import Finding, judged, share, shorten
from shoptalk.evaluation.bootstrap import estimate
from shoptalk.evaluation.id_map import Bools, Ints

#: Shares from which on a figure needs a word beside it, and from which on what must never be is there.
SOME, FEW = 0.01, 0.001
#: Similarity of two titles' letters from which on they are the same product (rapidfuzz, in percent).
SIMILAR = 90.0


def check(evidence: Evidence) -> Iterator[Finding]:
    """Everything that can stand in two places at once."""
    if evidence.log is not None and len(evidence.log.target):
        yield from _purchases(evidence.log, evidence.seed)
    if evidence.choice_set is not None and (~evidence.choice_set.learned).any() and evidence.choice_set.learned.any():
        yield from _questions(evidence.choice_set)
    if evidence.written is not None:
        yield from _lists(evidence.written, evidence.seed)


def _purchases(log: Log, seed: int) -> Iterator[Finding]:
    rows = log.sample(seed)
    index, seen_items = log.before(rows)
    same = log.item[seen_items] == log.item[rows][index]
    repeated = _any(index[same], len(rows))
    found = share(repeated)
    yield judged(
        "target_in_history",
        found,
        SOME,
        f"the right item is in its own history for {found.value:.3f} of the test cases",
        example=_example(log, rows, repeated),
        do="say whether bought items are ranked, and compare with repeat-last",
    )
    yield from _rows(log)
    yield from _users(log)
    near = _near_duplicates(log, rows, index, seen_items, same)
    found = share(near)
    yield judged(
        "near_duplicates",
        found,
        SOME,
        f"for {found.value:.3f} of the test cases the history holds another item of nearly the right one's title "
        "(another size or colour)",
        example=_example(log, rows, near, seen_items[~same], index[~same]),
        do="count such cases apart: text similarity alone finds them",
    )


def _rows(log: Log) -> Iterator[Finding]:
    """Purchases that stand in two parts: the same user, item and moment."""
    asked = np.flatnonzero(log.part == TEST)
    wanted = np.zeros(len(log.users), dtype=np.bool_)
    wanted[log.user[asked]] = True
    rows = np.flatnonzero(wanted[log.user] & ((log.part == TEST) | (log.part == TRAIN) | (log.part == VALIDATION)))
    order = rows[np.lexsort((log.part[rows], log.time[rows], log.item[rows], log.user[rows]))]
    one, other = order[:-1], order[1:]
    same = (log.user[one] == log.user[other]) & (log.item[one] == log.item[other]) & (log.time[one] == log.time[other])
    doubled = np.isin(asked, other[same & (log.part[other] == TEST) & (log.part[one] != TEST)])
    found = share(doubled)
    yield judged(
        "rows_in_two_parts",
        found,
        FEW,
        f"{found.value:.4f} of the test purchases are, row for row, among those learned from or validated on",
        worst="fail",
        do="remove repeated rows before splitting",
    )


def _users(log: Log) -> Iterator[Finding]:
    """With whole users apart, a test user teaches nothing."""
    if log.method != "by-user":
        return
    taught, asked = (np.zeros(len(log.users), dtype=np.bool_) for _ in range(2))
    taught[log.user[(log.part == TRAIN) | (log.part == VALIDATION)]] = True
    asked[log.user[log.part == TEST]] = True
    found = share(taught[asked])
    yield judged(
        "users_in_two_parts",
        found,
        FEW,
        f"{found.value:.3f} of the test users are in training or validation too, where the split is by user",
        worst="fail",
        do="split users before anything is built from their purchases",
    )


def _near_duplicates(log: Log, rows: Ints, index: Ints, seen_items: Ints, same: Bools) -> Bools:
    """(C,) whether a history holds an item, not the right one, whose letters are nearly the right one's."""
    wanted = np.unique(np.concatenate([log.item[rows], log.item[seen_items]]))
    plain = {item: letters(log.titles[item]) for item in wanted.tolist()}
    one = [plain[item] for item in log.item[seen_items][~same].tolist()]
    other = [plain[item] for item in log.item[rows][index][~same].tolist()]
    if not one:
        return np.zeros(len(rows), dtype=np.bool_)
    similar = process.cpdist(one, other, scorer=fuzz.ratio, score_cutoff=SIMILAR, dtype=np.float32) >= SIMILAR
    return _any(index[~same][similar], len(rows))


def _questions(choice_set: MultipleChoiceSet) -> Iterator[Finding]:
    """Test questions that were learned from, whole or in part."""
    asked = np.flatnonzero(~choice_set.learned)
    known = {
        _identity(choice_set, seen_items, row)
        for row, seen_items in _each(choice_set, np.flatnonzero(choice_set.learned))
    }
    twice = np.array([_identity(choice_set, seen_items, row) in known for row, seen_items in _each(choice_set, asked)])
    found = share(twice)
    yield judged(
        "questions_in_two_parts",
        found,
        FEW,
        f"{found.value:.3f} of the test questions stand among those learned from, word for word",
        worst="fail",
        do="remove repeated questions before splitting",
    )
    width = len(choice_set.texts)
    taught = np.unique(choice_set.asker[choice_set.learned] * width + choice_set.right[choice_set.learned])
    windows = np.isin(choice_set.asker[asked] * width + choice_set.right[asked], taught)
    found = share(windows)
    yield judged(
        "overlapping_windows",
        found,
        SOME,
        f"{found.value:.3f} of the test questions ask for what the same user's training questions give as an answer",
        worst="fail",
        example=shorten(choice_set.texts[int(choice_set.right[asked[windows.argmax()]])]) if windows.any() else "",
        do="split each user's purchases by time before windows are cut from them",
    )


def _lists(rows: Written, seed: int) -> Iterator[Finding]:
    """Answers that the same user's training rows give as well; test rows that have no answer."""
    width = max(1, len(rows.texts))
    row, text = rows.given.T
    given = rows.asker[row] * width + text
    asked = ~rows.learned[row]
    known = np.isin(given[asked], given[~asked])
    wanted = np.bincount(row[asked], minlength=len(rows.asker))
    found = np.bincount(row[asked][known], minlength=len(rows.asker))
    there = np.flatnonzero(wanted)
    taught = estimate(found[there] / wanted[there], users=[*map(str, rows.asker[there].tolist())], seed=seed)
    yield judged(
        "overlapping_windows",
        taught,
        SOME,
        f"{taught.value:.3f} of what a test row asks for stands in the answers of the same user's training rows",
        worst="fail",
        example=shorten(rows.texts[int(text[asked][known.argmax()])]) if known.any() else "",
        do="split each user's purchases by time before windows are cut from them",
    )
    empty = share(wanted[~rows.learned] == 0)
    yield judged(
        "rows_without_truth",
        empty,
        SOME,
        f"{empty.value:.3f} of the test rows ask for nothing",
        do="leave them out, say how many they are, and average over users",
    )


def _each(choice_set: MultipleChoiceSet, rows: Ints) -> Iterator[tuple[int, Ints]]:
    """Questions with the texts of their histories; ``seen_items`` runs by question."""
    begin = np.searchsorted(choice_set.seen_items[:, 0], rows, side="left")
    end = np.searchsorted(choice_set.seen_items[:, 0], rows, side="right")
    for row, first, last in zip(rows.tolist(), begin.tolist(), end.tolist(), strict=True):
        yield row, choice_set.seen_items[first:last, 1]


def _identity(choice_set: MultipleChoiceSet, seen_items: Ints, row: int) -> tuple[bytes, bytes]:
    return seen_items.tobytes(), np.sort(choice_set.options[row]).tobytes()


def _any(indices: Ints, count: int) -> Bools:
    found = np.zeros(count, dtype=np.bool_)
    found[indices] = True
    return found


def _example(log: Log, rows: Ints, chosen: Bools, seen_items: Ints | None = None, index: Ints | None = None) -> str:
    """The first chosen case: who, and what; with a pair of titles where ``seen_items`` says with what."""
    if not chosen.any():
        return ""
    at = int(chosen.argmax())
    title = log.titles[int(log.item[rows[at]])]
    if seen_items is None or index is None:
        return f"user {log.users[int(log.user[rows[at]])]}: “{shorten(title)}”"
    others = [log.titles[item] for item in log.item[seen_items[index == at]].tolist()]
    nearest = max(others, key=lambda other: fuzz.ratio(letters(other), letters(title)))
    return f"user {log.users[int(log.user[rows[at]])]} had “{shorten(nearest)}” before “{shorten(title)}”"
