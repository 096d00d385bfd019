"""Leaks from the future: training purchases later than the test's, and statistics that include test purchases."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from shoptalk.evaluation.audit.evidence import TEST, TRAIN, VALIDATION, Evidence, Log, Outcome
from shoptalk.evaluation.audit.finding import Finding, finding_above, share
from shoptalk.evaluation.bootstrap import estimate
from shoptalk.evaluation.id_map import Ints

#: Share above which a finding is a warning.
WARN_SHARE = 0.01
#: Share of the transitions (or items) that occur only in the test above which a statistic includes the test.
LEAK_SHARE = 0.05
#: Transitions whose buyers are compared in one block.
_TRANSITIONS = 2_000


def check(evidence: Evidence) -> Iterator[Finding]:
    """Training purchases that are later than the test's, and test purchases in a run's statistics."""
    log = evidence.log
    if log is None or not len(log.target_rows):
        return
    yield _later_training(log, evidence.seed)
    if evidence.outcome is not None:
        yield from _statistics(log, evidence.outcome, evidence.seed)


def _later_training(log: Log, seed: int) -> Finding:
    """The mean, over test purchases, of the share of training purchases that are later."""
    training_times = np.sort(log.time[log.part == TRAIN])
    rows = log.sample(seed)
    after = 1 - np.searchsorted(training_times, log.time[rows], side="right") / max(1, len(training_times))
    size = estimate(after, seed=seed)
    by_time = log.method == "by-time"  # the other methods split each user's purchases, without a common date
    return finding_above(
        "later_training",
        size,
        0.0 if by_time else WARN_SHARE,
        f"on average {size.value:.3f} of the training purchases are later than a test purchase (split: {log.method})",
        severity="fail" if by_time else "warn",
        do='the model learns from later purchases: split all users at one date, split.method = "by-time"',
    )


def _statistics(log: Log, outcome: Outcome, seed: int) -> Iterator[Finding]:
    """Transitions and items that occur only in the test, and are in the run's statistics nevertheless."""
    item_count = len(log.items)
    if outcome.transitions is not None and item_count:
        transitions = _new_transitions(log, seed)
        known = np.unique(outcome.transitions[:, 0] * item_count + outcome.transitions[:, 1])
        size = share(np.isin(transitions[:, 0] * item_count + transitions[:, 1], known))
        yield finding_above(
            "test_in_graph",
            size,
            LEAK_SHARE,
            f"of {len(transitions)} transitions that occur only in the test, the run's graph contains {size.value:.3f}",
            severity="fail",
            do="build graphs from training purchases only",
        )
    if outcome.purchases is not None and item_count:
        transitions = _new_transitions(log, seed)
        size = share(_common_buyers(outcome.purchases.T.tocsr(), transitions) > 0)
        yield finding_above(
            "test_in_attention",
            size,
            LEAK_SHARE,
            f"of {len(transitions)} transitions that occur only in the test, the graph in the attention of the run's "
            f"model contains {size.value:.3f}",
            severity="fail",
            do='the model sees the answers: train it with model.graph_attention = "published" or "learned"',
        )
    if outcome.known is not None:
        is_usable = (log.part == TRAIN) | (log.part == VALIDATION)
        bought_before = np.bincount(log.item[is_usable], minlength=item_count) > 0
        test_only = np.unique(log.item[log.part == TEST])
        test_only = test_only[~bought_before[test_only]]
        if not len(test_only):
            return
        size = share(outcome.known[test_only])
        yield finding_above(
            "test_in_popularity",
            size,
            LEAK_SHARE,
            f"of {len(test_only)} items bought only in the test, the run counts {size.value:.3f} as bought",
            severity="fail",
            do="count popularity and fit statistics on training purchases only",
        )


def _new_transitions(log: Log, seed: int) -> Ints:
    """(S, 2) transitions into a test target between two items that no user bought both of before the test."""
    rows = log.sample(seed)
    rows = rows[~log.new_user[rows]]
    transitions = np.unique(np.stack([log.item[rows - 1], log.item[rows]], axis=1).astype(np.int64), axis=0)
    not_test = log.part != TEST
    shape = (len(log.items), len(log.users))
    buyers = sparse.csr_array(
        (np.ones(int(not_test.sum()), np.float32), (log.item[not_test], log.user[not_test])), shape=shape
    )
    return transitions[_common_buyers(buyers, transitions) == 0]


def _common_buyers(buyers: Any, transitions: Ints) -> NDArray[np.floating]:
    """(S,) number of users who bought both items of a transition; ``buyers`` (I, U) is sparse."""
    return np.concatenate(
        [
            np.asarray(buyers[block[:, 0]].multiply(buyers[block[:, 1]]).sum(axis=1)).ravel()
            for block in np.array_split(transitions, len(transitions) // _TRANSITIONS + 1)
        ]
    )
