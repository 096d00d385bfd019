"""Overlap of training and test, and of histories and targets: purchases, rows, questions, users, near-duplicates."""

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
    WrittenAnswers,
    letters,
)
from shoptalk.evaluation.audit.finding import Finding, finding_above, share, shorten
from shoptalk.evaluation.bootstrap import estimate
from shoptalk.evaluation.id_map import Bools, Ints

#: Shares above which a finding is a warning, and above which an overlap that must not occur is a failure.
WARN_SHARE, FAIL_SHARE = 0.01, 0.001
#: Similarity of two titles' letters from which on they are near-duplicates (rapidfuzz, in percent).
SIMILAR = 90.0


def check(evidence: Evidence) -> Iterator[Finding]:
    """Overlaps of purchases, of multiple-choice questions and of written answers."""
    if evidence.log is not None and len(evidence.log.target_rows):
        yield from _purchases(evidence.log, evidence.seed)
    if (
        evidence.choice_set is not None
        and (~evidence.choice_set.in_training).any()
        and evidence.choice_set.in_training.any()
    ):
        yield from _questions(evidence.choice_set)
    if evidence.written is not None:
        yield from _written_answers(evidence.written, evidence.seed)


def _purchases(log: Log, seed: int) -> Iterator[Finding]:
    """Targets, their near-duplicates, rows and users that occur twice."""
    rows = log.sample(seed)
    index, seen_items = log.histories(rows)
    is_target = log.item[seen_items] == log.item[rows][index]
    repeated = _flags(index[is_target], len(rows))
    size = share(repeated)
    yield finding_above(
        "target_in_history",
        size,
        WARN_SHARE,
        f"in {size.value:.3f} of the test cases the history contains the right item",
        example=_example(log, rows, repeated),
        do="state whether items of the history are ranked, and compare with the baseline repeat_last",
    )
    yield from _rows(log)
    yield from _users(log)
    near_duplicate = _near_duplicates(log, rows, index, seen_items, is_target)
    size = share(near_duplicate)
    yield finding_above(
        "near_duplicates",
        size,
        WARN_SHARE,
        f"in {size.value:.3f} of the test cases the history contains another item with nearly the right item's title "
        "(another size or colour)",
        example=_example(log, rows, near_duplicate, seen_items[~is_target], index[~is_target]),
        do="report these cases separately: text similarity alone finds them",
    )


def _rows(log: Log) -> Iterator[Finding]:
    """Purchases with the same user, item and time in two parts."""
    test_rows = np.flatnonzero(log.part == TEST)
    has_test = np.zeros(len(log.users), dtype=np.bool_)
    has_test[log.user[test_rows]] = True
    rows = np.flatnonzero(has_test[log.user] & ((log.part == TEST) | (log.part == TRAIN) | (log.part == VALIDATION)))
    order = rows[np.lexsort((log.part[rows], log.time[rows], log.item[rows], log.user[rows]))]
    previous, following = order[:-1], order[1:]
    repeated = (
        (log.user[previous] == log.user[following])
        & (log.item[previous] == log.item[following])
        & (log.time[previous] == log.time[following])
    )
    copied = np.isin(test_rows, following[repeated & (log.part[following] == TEST) & (log.part[previous] != TEST)])
    size = share(copied)
    yield finding_above(
        "rows_in_two_parts",
        size,
        FAIL_SHARE,
        f"{size.value:.4f} of the test purchases also occur in training or validation (same user, item and time)",
        severity="fail",
        do="remove repeated rows before splitting",
    )


def _users(log: Log) -> Iterator[Finding]:
    """Test users with training or validation purchases, where the split is by user."""
    if log.method != "by-user":
        return
    in_training, in_test = (np.zeros(len(log.users), dtype=np.bool_) for _ in range(2))
    in_training[log.user[(log.part == TRAIN) | (log.part == VALIDATION)]] = True
    in_test[log.user[log.part == TEST]] = True
    size = share(in_training[in_test])
    yield finding_above(
        "users_in_two_parts",
        size,
        FAIL_SHARE,
        f"{size.value:.3f} of the test users are also in training or validation, although the split is by user",
        severity="fail",
        do="split the users before building examples from their purchases",
    )


def _near_duplicates(log: Log, rows: Ints, index: Ints, seen_items: Ints, is_target: Bools) -> Bools:
    """(C,) whether a history contains an item other than the target with nearly the same letters in its title."""
    items = np.unique(np.concatenate([log.item[rows], log.item[seen_items]]))
    letters_by_item = {item: letters(log.titles[item]) for item in items.tolist()}
    seen_titles = [letters_by_item[item] for item in log.item[seen_items][~is_target].tolist()]
    target_titles = [letters_by_item[item] for item in log.item[rows][index][~is_target].tolist()]
    if not seen_titles:
        return np.zeros(len(rows), dtype=np.bool_)
    is_similar = (
        process.cpdist(seen_titles, target_titles, scorer=fuzz.ratio, score_cutoff=SIMILAR, dtype=np.float32) >= SIMILAR
    )
    return _flags(index[~is_target][is_similar], len(rows))


def _questions(choice_set: MultipleChoiceSet) -> Iterator[Finding]:
    """Test questions that are also training questions, or whose answer is one of the same user's training answers."""
    test_rows = np.flatnonzero(~choice_set.in_training)
    training_questions = {
        _identity(choice_set, seen_items, row)
        for row, seen_items in _with_histories(choice_set, np.flatnonzero(choice_set.in_training))
    }
    repeated = np.array(
        [
            _identity(choice_set, seen_items, row) in training_questions
            for row, seen_items in _with_histories(choice_set, test_rows)
        ]
    )
    size = share(repeated)
    yield finding_above(
        "questions_in_two_parts",
        size,
        FAIL_SHARE,
        f"{size.value:.3f} of the test questions occur word for word among the training questions",
        severity="fail",
        do="remove repeated questions before splitting",
    )
    width = len(choice_set.texts)
    training_answers = np.unique(
        choice_set.user[choice_set.in_training] * width + choice_set.right[choice_set.in_training]
    )
    overlaps = np.isin(choice_set.user[test_rows] * width + choice_set.right[test_rows], training_answers)
    size = share(overlaps)
    yield finding_above(
        "overlapping_windows",
        size,
        WARN_SHARE,
        f"for {size.value:.3f} of the test questions the right answer is also the answer to a training question of the "
        "same user",
        severity="fail",
        example=shorten(choice_set.texts[int(choice_set.right[test_rows[overlaps.argmax()]])])
        if overlaps.any()
        else "",
        do="split each user's purchases by time before cutting windows from them",
    )


def _written_answers(rows: WrittenAnswers, seed: int) -> Iterator[Finding]:
    """Test answers that are also in the same user's training rows; test rows without an answer."""
    width = max(1, len(rows.texts))
    row, text = rows.answers.T
    answers = rows.user[row] * width + text
    is_test = ~rows.in_training[row]
    in_training = np.isin(answers[is_test], answers[~is_test])
    answer_sizes = np.bincount(row[is_test], minlength=len(rows.user))
    repeated = np.bincount(row[is_test][in_training], minlength=len(rows.user))
    with_answer = np.flatnonzero(answer_sizes)
    size = estimate(
        repeated[with_answer] / answer_sizes[with_answer], users=[*map(str, rows.user[with_answer].tolist())], seed=seed
    )
    yield finding_above(
        "overlapping_windows",
        size,
        WARN_SHARE,
        f"on average {size.value:.3f} of a test row's answer is also in the answers of the same user's training rows",
        severity="fail",
        example=shorten(rows.texts[int(text[is_test][in_training.argmax()])]) if in_training.any() else "",
        do="split each user's purchases by time before cutting windows from them",
    )
    empty = share(answer_sizes[~rows.in_training] == 0)
    yield finding_above(
        "rows_without_truth",
        empty,
        WARN_SHARE,
        f"{empty.value:.3f} of the test rows have an empty answer",
        do="leave them out, report their number, and average over users",
    )


def _with_histories(choice_set: MultipleChoiceSet, rows: Ints) -> Iterator[tuple[int, Ints]]:
    """Pairs of a question and the texts of its history; ``choice_set.seen_items`` is ordered by question."""
    begin = np.searchsorted(choice_set.seen_items[:, 0], rows, side="left")
    end = np.searchsorted(choice_set.seen_items[:, 0], rows, side="right")
    for row, first, last in zip(rows.tolist(), begin.tolist(), end.tolist(), strict=True):
        yield row, choice_set.seen_items[first:last, 1]


def _identity(choice_set: MultipleChoiceSet, seen_items: Ints, row: int) -> tuple[bytes, bytes]:
    """A key that is equal for questions with the same history and the same set of options."""
    return seen_items.tobytes(), np.sort(choice_set.options[row]).tobytes()


def _flags(indices: Ints, count: int) -> Bools:
    """(count,) True at the indices."""
    flags = np.zeros(count, dtype=np.bool_)
    flags[indices] = True
    return flags


def _example(log: Log, rows: Ints, mask: Bools, seen_items: Ints | None = None, index: Ints | None = None) -> str:
    """The first flagged case, as text: user and target, and the most similar title of ``seen_items`` if given."""
    if not mask.any():
        return ""
    case = int(mask.argmax())
    title = log.titles[int(log.item[rows[case]])]
    if seen_items is None or index is None:
        return f"user {log.users[int(log.user[rows[case]])]}: “{shorten(title)}”"
    titles = [log.titles[item] for item in log.item[seen_items[index == case]].tolist()]
    nearest = max(titles, key=lambda candidate: fuzz.ratio(letters(candidate), letters(title)))
    return f"user {log.users[int(log.user[rows[case]])]} had “{shorten(nearest)}” before “{shorten(title)}”"
