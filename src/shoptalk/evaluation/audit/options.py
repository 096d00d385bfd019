"""Flaws of multiple-choice options: uneven positions, duplicates, same products and false negatives."""

from collections.abc import Callable, Iterator

import numpy as np
from scipy.special import chdtrc

from shoptalk.evaluation.audit.evidence import Evidence, Log, MultipleChoiceSet
from shoptalk.evaluation.audit.finding import Finding, Severity, finding_above, share, shorten
from shoptalk.evaluation.id_map import Bools, Ints

#: Shares of the questions above which a finding is a warning, or a failure.
WARN_SHARE, FAIL_SHARE = 0.01, 0.05
#: P value below which the positions of the right options are not uniform.
P_LIMIT = 0.001


def check(evidence: Evidence) -> Iterator[Finding]:
    """Positions of the right option, duplicates, same products, and wrong options that the user bought."""
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
    """How much always choosing one position exceeds chance; a chi-square test against uniform positions."""
    positions = choice_set.options.shape[1]
    counts = np.bincount(choice_set.answer, minlength=positions)
    # (N, P) the probability of each position, question by question
    uniform = choice_set.shown / choice_set.shown.sum(axis=1, keepdims=True)
    expected = uniform.sum(axis=0)
    chi_square = float(((counts - expected) ** 2 / expected).sum())
    p = float(chdtrc(positions - 1, chi_square)) if positions > 1 else 1.0
    best = int(np.argmax(counts - expected))
    size = share(choice_set.answer == best)
    excess = size.value - float(expected[best]) / len(choice_set.answer)
    uneven = p < P_LIMIT
    severity: Severity = ("fail" if excess > FAIL_SHARE else "warn") if uneven else "info"
    shares = ", ".join(f"{count / len(choice_set.answer):.3f}" for count in counts)
    return Finding(
        "answer_position",
        severity,
        f"the right option is at position 1, 2, … in {shares} of the questions"
        + (f": always choosing position {best + 1} is right in {size.value:.3f}" if uneven else ""),
        size,
        do="shuffle the options of every question" if uneven else "",
    )


def _duplicates(choice_set: MultipleChoiceSet, wrong: Bools) -> Finding:
    """Questions that show the same text twice."""
    sorted_options = np.sort(choice_set.options, axis=1)
    has_duplicate = ((sorted_options[:, 1:] == sorted_options[:, :-1]) & (sorted_options[:, 1:] >= 0)).any(axis=1)
    duplicates_right = ((choice_set.options == choice_set.right[:, None]) & wrong).any(axis=1)
    size = share(has_duplicate)
    severity: Severity = (
        "fail" if share(duplicates_right).low > WARN_SHARE else "warn" if size.low > WARN_SHARE else "info"
    )
    return Finding(
        "duplicate_options",
        severity,
        f"{size.value:.3f} of the questions show an option twice, {duplicates_right.mean():.3f} the right option",
        size,
        f"“{shorten(choice_set.texts[int(choice_set.right[duplicates_right.argmax()])])}”"
        if duplicates_right.any()
        else "",
        "draw distractors with different titles" if severity != "info" else "",
    )


def _same_product(choice_set: MultipleChoiceSet, wrong: Bools) -> Finding:
    """Questions in which a wrong option has the same letters as the right one (another size of the same product)."""
    keys = np.append(choice_set.keys, -1)[choice_set.options]  # (N, P)
    right_keys = choice_set.keys[choice_set.right]
    same_product = (keys == right_keys[:, None]) & wrong & (choice_set.options != choice_set.right[:, None])

    def example(row: int, position: int) -> str:
        """The two titles of a question that name the same product."""
        right_title, wrong_title = (
            choice_set.texts[int(choice_set.right[row])],
            choice_set.texts[int(choice_set.options[row, position])],
        )
        return f"“{shorten(right_title)}” and “{shorten(wrong_title)}”"

    return _flawed_options(
        "same_product_options",
        same_product,
        "a wrong option is the right product in another size or spelling",
        example,
        do="draw distractors that are other products",
    )


def _false_negatives(choice_set: MultipleChoiceSet, log: Log, wrong: Bools) -> Finding:
    """Wrong options that the user bought, at any time."""
    assert choice_set.item is not None
    size = len(log.items)
    has_question = np.zeros(len(log.users), dtype=np.bool_)
    has_question[choice_set.user] = True
    rows = has_question[log.user]
    bought = np.unique(log.user[rows].astype(np.int64) * size + log.item[rows])
    offered: Ints = choice_set.user[:, None] * size + choice_set.item
    false_negatives = np.isin(offered, bought) & wrong
    items = choice_set.item

    def example(row: int, position: int) -> str:
        title = shorten(log.titles[int(items[row, position])])
        return f"user {log.users[int(choice_set.user[row])]} bought “{title}” too"

    return _flawed_options(
        "false_negatives",
        false_negatives,
        "a wrong option was bought by the user",
        example,
        do="do not draw distractors from the user's own purchases",
    )


def _flawed_options(
    check: str, flawed: Bools, statement: str, example: Callable[[int, int], str], *, do: str
) -> Finding:
    """A finding about the questions with a flawed option, (N, P) flags.

    ``example`` describes the flawed option at (row, position).
    """
    size = share(flawed.any(axis=1))
    return finding_above(
        check,
        size,
        WARN_SHARE,
        f"in {size.value:.3f} of the questions {statement}",
        severity="fail" if size.low > FAIL_SHARE else "warn",
        example=example(*(int(index) for index in np.argwhere(flawed)[0])) if flawed.any() else "",
        do=do,
    )
