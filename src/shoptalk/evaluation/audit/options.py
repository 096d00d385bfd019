"""Are the options of an exam fair? Positions, duplicates, same products, and wrong ones that were right."""

from collections.abc import Callable, Iterator

import numpy as np
from scipy import stats

from shoptalk.evaluation.audit.evidence import Evidence, Log, MultipleChoiceSet
from shoptalk.evaluation.audit.finding import Finding, Severity, judged, share, shorten
from shoptalk.evaluation.id_map import Bools, Ints

#: Shares from which on a figure needs a word beside it, and from which on the exam is unfair.
SOME, MANY = 0.01, 0.05
#: The answers' positions are not even when chance would make them so uneven less often than this.
SURE = 0.001


def check(evidence: Evidence) -> Iterator[Finding]:
    """What stands where, twice, and wrongly."""
    choice_set = evidence.choice_set
    if choice_set is None or not len(choice_set.answer):
        return
    yield _positions(choice_set)
    rows = np.arange(len(choice_set.answer))
    wrong = choice_set.shown.copy()
    wrong[rows, choice_set.answer] = False
    yield _duplicates(choice_set, wrong)
    yield _same_product(choice_set, wrong)
    if evidence.log is not None and choice_set.item is not None:
        yield _false_negatives(choice_set, evidence.log, wrong)


def _positions(choice_set: MultipleChoiceSet) -> Finding:
    """What always naming one place gets beyond chance; tested against even positions (chi-square)."""
    indices = choice_set.options.shape[1]
    counts = np.bincount(choice_set.answer, minlength=indices)
    offered = choice_set.shown / choice_set.shown.sum(
        axis=1, keepdims=True
    )  # (N, P) chance of each place, question by question
    expected = offered.sum(axis=0)
    p = float(stats.chisquare(counts, expected).pvalue) if indices > 1 else 1.0
    best = int(np.argmax(counts - expected))
    found = share(choice_set.answer == best)
    excess = found.value - float(expected[best]) / len(choice_set.answer)
    asymmetric = p < SURE
    severity: Severity = ("fail" if excess > MANY else "warn") if asymmetric else "info"
    fractions = ", ".join(f"{count / len(choice_set.answer):.3f}" for count in counts)
    return Finding(
        "answer_position",
        severity,
        f"the right option stands in place 1, 2, … in {fractions} of the questions"
        + (f": always naming place {best + 1} is right in {found.value:.3f}" if asymmetric else ""),
        found,
        do="shuffle the options of every question" if asymmetric else "",
    )


def _duplicates(choice_set: MultipleChoiceSet, wrong: Bools) -> Finding:
    """Questions that show one text twice."""
    ordered = np.sort(choice_set.options, axis=1)
    twice = ((ordered[:, 1:] == ordered[:, :-1]) & (ordered[:, 1:] >= 0)).any(axis=1)
    with_right = ((choice_set.options == choice_set.right[:, None]) & wrong).any(axis=1)
    found = share(twice)
    severity: Severity = "fail" if share(with_right).low > SOME else "warn" if found.low > SOME else "info"
    return Finding(
        "duplicate_options",
        severity,
        f"{found.value:.3f} of the questions show an option twice, {with_right.mean():.3f} the right one",
        found,
        f"“{shorten(choice_set.texts[int(choice_set.right[with_right.argmax()])])}”" if with_right.any() else "",
        "draw distractors with titles that differ" if severity != "info" else "",
    )


def _same_product(choice_set: MultipleChoiceSet, wrong: Bools) -> Finding:
    """Questions in which a wrong option has the same letters as the right one: another size of the same product."""
    keys = np.append(choice_set.keys, -1)[choice_set.options]  # (N, P)
    mine = choice_set.keys[choice_set.right]
    similar = (keys == mine[:, None]) & wrong & (choice_set.options != choice_set.right[:, None])

    def example(row: int, position: int) -> str:
        right, wrong_one = (
            choice_set.texts[int(choice_set.right[row])],
            choice_set.texts[int(choice_set.options[row, position])],
        )
        return f"“{shorten(right)}” and “{shorten(wrong_one)}”"

    return _flawed_options(
        "same_product_options",
        similar,
        "a wrong option is the right product in another size or spelling",
        example,
        do="draw distractors that are other products",
    )


def _false_negatives(choice_set: MultipleChoiceSet, log: Log, wrong: Bools) -> Finding:
    """Wrong options that the user bought, at any time."""
    assert choice_set.item is not None
    size = len(log.items)
    askers = np.zeros(len(log.users), dtype=np.bool_)
    askers[choice_set.asker] = True
    rows = askers[log.user]
    owned = np.unique(log.user[rows].astype(np.int64) * size + log.item[rows])
    asked: Ints = choice_set.asker[:, None] * size + choice_set.item
    false = np.isin(asked, owned) & wrong
    items = choice_set.item

    def example(row: int, position: int) -> str:
        title = shorten(log.titles[int(items[row, position])])
        return f"user {log.users[int(choice_set.asker[row])]} bought “{title}” too"

    return _flawed_options(
        "false_negatives",
        false,
        "an option counted as wrong was bought by the user",
        example,
        do="never draw what the user ever has as a distractor",
    )


def _flawed_options(check: str, flawed: Bools, says: str, example: Callable[[int, int], str], *, do: str) -> Finding:
    """A finding about the questions with a flawed option, (N, P) flags; ``example`` words the first by its place."""
    found = share(flawed.any(axis=1))
    return judged(
        check,
        found,
        SOME,
        f"in {found.value:.3f} of the questions {says}",
        worst="fail" if found.low > MANY else "warn",
        example=example(*(int(index) for index in np.argwhere(flawed)[0])) if flawed.any() else "",
        do=do,
    )
