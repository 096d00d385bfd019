"""Are the options of an exam fair? Positions, duplicates, same products, and wrong ones that were right."""

from collections.abc import Iterator

import numpy as np
from scipy import stats

from shoptalk.evaluation.audit.evidence import Evidence, Log, MultipleChoiceSet
from shoptalk.evaluation.audit.finding import Finding, Severity, judged, share, shorten
from shoptalk.evaluation.coded import Bools, Ints

#: Shares from which on a figure needs a word beside it, and from which on the exam is unfair.
SOME, MANY = 0.01, 0.05
#: The answers' positions are not even when chance would make them so uneven less often than this.
SURE = 0.001


def check(evidence: Evidence) -> Iterator[Finding]:
    """What stands where, twice, and wrongly."""
    exam = evidence.exam
    if exam is None or not len(exam.answer):
        return
    yield _positions(exam)
    rows = np.arange(len(exam.answer))
    wrong = exam.shown.copy()
    wrong[rows, exam.answer] = False
    yield _duplicates(exam, wrong)
    yield _same_product(exam, wrong)
    if evidence.log is not None and exam.item is not None:
        yield _false_negatives(exam, evidence.log, wrong)


def _positions(exam: MultipleChoiceSet) -> Finding:
    """What always naming one place gets beyond chance; tested against even positions (chi-square)."""
    places = exam.options.shape[1]
    counts = np.bincount(exam.answer, minlength=places)
    offered = exam.shown / exam.shown.sum(axis=1, keepdims=True)  # (N, P) chance of each place, question by question
    expected = offered.sum(axis=0)
    p = float(stats.chisquare(counts, expected).pvalue) if places > 1 else 1.0
    best = int(np.argmax(counts - expected))
    found = share(exam.answer == best)
    beyond = found.value - float(expected[best]) / len(exam.answer)
    uneven = p < SURE
    severity: Severity = ("fail" if beyond > MANY else "warn") if uneven else "info"
    shares = ", ".join(f"{count / len(exam.answer):.3f}" for count in counts)
    return Finding(
        "answer_position",
        severity,
        f"the right option stands in place 1, 2, … in {shares} of the questions"
        + (f": always naming place {best + 1} is right in {found.value:.3f}" if uneven else ""),
        found,
        do="shuffle the options of every question" if uneven else "",
    )


def _duplicates(exam: MultipleChoiceSet, wrong: Bools) -> Finding:
    """Questions that show one text twice."""
    ordered = np.sort(exam.options, axis=1)
    twice = ((ordered[:, 1:] == ordered[:, :-1]) & (ordered[:, 1:] >= 0)).any(axis=1)
    with_right = ((exam.options == exam.right[:, None]) & wrong).any(axis=1)
    found = share(twice)
    severity: Severity = "fail" if share(with_right).low > SOME else "warn" if found.low > SOME else "info"
    return Finding(
        "duplicate_options",
        severity,
        f"{found.value:.3f} of the questions show an option twice, {with_right.mean():.3f} the right one",
        found,
        f"“{shorten(exam.texts[int(exam.right[with_right.argmax()])])}”" if with_right.any() else "",
        "draw distractors with titles that differ" if severity != "info" else "",
    )


def _same_product(exam: MultipleChoiceSet, wrong: Bools) -> Finding:
    """Questions in which a wrong option has the same letters as the right one: another size of the same product."""
    keys = np.append(exam.keys, -1)[exam.options]  # (N, P)
    mine = exam.keys[exam.right]
    alike = (keys == mine[:, None]) & wrong & (exam.options != exam.right[:, None])
    found = share(alike.any(axis=1))
    example = ""
    if alike.any():
        row, place = (int(one) for one in np.argwhere(alike)[0])
        example = (
            f"“{shorten(exam.texts[int(exam.right[row])])}” and “{shorten(exam.texts[int(exam.options[row, place])])}”"
        )
    return judged(
        "same_product_options",
        found,
        SOME,
        f"in {found.value:.3f} of the questions a wrong option is the right product in another size or spelling",
        worst="fail" if found.low > MANY else "warn",
        example=example,
        do="draw distractors that are other products",
    )


def _false_negatives(exam: MultipleChoiceSet, log: Log, wrong: Bools) -> Finding:
    """Wrong options that the user bought, at any time."""
    assert exam.item is not None
    size = len(log.items)
    askers = np.zeros(len(log.users), dtype=np.bool_)
    askers[exam.asker] = True
    rows = askers[log.user]
    owned = np.unique(log.user[rows].astype(np.int64) * size + log.item[rows])
    asked: Ints = exam.asker[:, None] * size + exam.item
    false = np.isin(asked, owned) & wrong
    found = share(false.any(axis=1))
    example = ""
    if false.any():
        row, place = (int(one) for one in np.argwhere(false)[0])
        example = (
            f"user {log.users[int(exam.asker[row])]} bought “{shorten(log.titles[int(exam.item[row, place])])}” too"
        )
    return judged(
        "false_negatives",
        found,
        SOME,
        f"in {found.value:.3f} of the questions an option counted as wrong was bought by the user",
        worst="fail" if found.low > MANY else "warn",
        example=example,
        do="never draw what the user ever has as a distractor",
    )
