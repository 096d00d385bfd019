"""Does what is learned from know the future? Later purchases, and statistics that counted the test."""

from collections.abc import Iterator

import numpy as np

from shoptalk.evaluation.audit.evidence import TEST, TRAIN, VALIDATION, Evidence, Log, Outcome
from shoptalk.evaluation.audit.finding import Finding, share
from shoptalk.evaluation.bootstrap import estimate
from shoptalk.evaluation.coded import Ints

#: Shares from which on a figure needs a word beside it.
SOME = 0.01
#: Share of a test's own transitions from which on a statistic has counted the test.
COUNTED = 0.05


def check(evidence: Evidence) -> Iterator[Finding]:
    """Training purchases that are later than the test's, and what a run's statistics have counted."""
    log = evidence.log
    if log is None or not len(log.target):
        return
    yield _later(log, evidence.seed)
    if evidence.outcome is not None:
        yield from _statistics(log, evidence.outcome)


def _later(log: Log, seed: int) -> Finding:
    """For each test purchase the share of all training purchases that come after it; its mean is the flaw's size."""
    learned = np.sort(log.time[log.part == TRAIN])
    rows = log.sample(seed)
    after = 1 - np.searchsorted(learned, log.time[rows], side="right") / max(1, len(learned))
    found = estimate(after, seed=seed)
    promised = log.method == "by-time"  # the others cut each user's own time and not everybody's
    bad = found.low > (0 if promised else SOME)
    return Finding(
        "later_training",
        ("fail" if promised else "warn") if bad else "info",
        f"the mean test purchase is older than {found.value:.3f} of the training purchases"
        + (f" (split: {log.method}): trends of its future are learned from" if bad else ""),
        found,
        do='split by one date for all: split.method = "by-time"' if bad and not promised else "",
    )


def _statistics(log: Log, outcome: Outcome) -> Iterator[Finding]:
    """Transitions and items that only the test purchases show, and that the run knows all the same."""
    size = len(log.items)
    if outcome.transitions is not None and size:
        pairs, own = _last_steps(log)
        known = np.unique(outcome.transitions[:, 0] * size + outcome.transitions[:, 1])
        seen = np.isin(pairs, known)
        found = share(seen)
        bad = found.low > COUNTED
        yield Finding(
            "test_in_graph",
            "fail" if bad else "info",
            f"of {own} steps to a test purchase that occur nowhere else, the run's graph knows {found.value:.3f}",
            found,
            do="build graphs from training purchases only" if bad else "",
        )
    if outcome.known is not None:
        usable = (log.part == TRAIN) | (log.part == VALIDATION)
        earlier = np.bincount(log.item[usable], minlength=size) > 0
        only = np.unique(log.item[(log.part == TEST)])
        only = only[~earlier[only]]
        if not len(only):
            return
        found = share(outcome.known[only])
        bad = found.low > COUNTED
        yield Finding(
            "test_in_popularity",
            "fail" if bad else "info",
            f"of {len(only)} items that only test purchases hold, the run counts {found.value:.3f} as bought",
            found,
            do="count popularity, and fit statistics, on training purchases only" if bad else "",
        )


def _last_steps(log: Log) -> tuple[Ints, int]:
    """Steps (from x size + to) into a test target that nobody makes before the test, in either direction."""
    size = len(log.items)
    row = log.target[~log.new_user[log.target]]
    step = log.item[row - 1].astype(np.int64) * size + log.item[row]
    usable = (log.part != TEST) & ~log.new_user
    usable[1:] &= log.part[:-1] != TEST
    rows = np.flatnonzero(usable)
    made: Ints = log.item[rows - 1].astype(np.int64) * size + log.item[rows]
    back: Ints = log.item[rows].astype(np.int64) * size + log.item[rows - 1]
    only = np.setdiff1d(step, np.concatenate([made, back]))
    return only, len(only)
