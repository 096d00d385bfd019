"""Does what is learned from know the future? Later purchases, and statistics that counted the test."""

from collections.abc import Iterator

import numpy as np
from scipy import sparse

from shoptalk.evaluation.audit.evidence import TEST, TRAIN, VALIDATION, Evidence, Log, Outcome
from shoptalk.evaluation.audit.finding import Finding, judged, share
from shoptalk.evaluation.bootstrap import estimate
from shoptalk.evaluation.id_map import Ints

#: Shares from which on a figure needs a word beside it.
SOME = 0.01
#: Share of a test's own transitions from which on a statistic has counted the test.
COUNTED = 0.05
#: Steps whose owners are compared at once.
_STEPS = 2_000


def check(evidence: Evidence) -> Iterator[Finding]:
    """Training purchases that are later than the test's, and what a run's statistics have counted."""
    log = evidence.log
    if log is None or not len(log.target):
        return
    yield _later(log, evidence.seed)
    if evidence.outcome is not None:
        yield from _statistics(log, evidence.outcome, evidence.seed)


def _later(log: Log, seed: int) -> Finding:
    """For each test purchase the share of all training purchases that come after it; its mean is the flaw's size."""
    learned = np.sort(log.time[log.part == TRAIN])
    rows = log.sample(seed)
    after = 1 - np.searchsorted(learned, log.time[rows], side="right") / max(1, len(learned))
    found = estimate(after, seed=seed)
    promised = log.method == "by-time"  # the others cut each user's own time and not everybody's
    return judged(
        "later_training",
        found,
        0.0 if promised else SOME,
        f"the mean test purchase is older than {found.value:.3f} of the training purchases (split: {log.method})",
        worst="fail" if promised else "warn",
        do='trends of its future are learned from: split by one date for all, split.method = "by-time"',
    )


def _statistics(log: Log, outcome: Outcome, seed: int) -> Iterator[Finding]:
    """Transitions and items that only the test purchases show, and that the run knows all the same."""
    size = len(log.items)
    if outcome.transitions is not None and size:
        steps = _last_steps(log, seed)
        known = np.unique(outcome.transitions[:, 0] * size + outcome.transitions[:, 1])
        found = share(np.isin(steps[:, 0] * size + steps[:, 1], known))
        yield judged(
            "test_in_graph",
            found,
            COUNTED,
            f"of {len(steps)} steps to a test purchase that were new then, the run's graph knows {found.value:.3f}",
            worst="fail",
            do="build graphs from training purchases only",
        )
    if outcome.known is not None:
        usable = (log.part == TRAIN) | (log.part == VALIDATION)
        earlier = np.bincount(log.item[usable], minlength=size) > 0
        only = np.unique(log.item[(log.part == TEST)])
        only = only[~earlier[only]]
        if not len(only):
            return
        found = share(outcome.known[only])
        yield judged(
            "test_in_popularity",
            found,
            COUNTED,
            f"of {len(only)} items that only test purchases hold, the run counts {found.value:.3f} as bought",
            worst="fail",
            do="count popularity, and fit statistics, on training purchases only",
        )


def _last_steps(log: Log, seed: int) -> Ints:
    """(S, 2) steps into a test target between items that no user bought both of before the test."""
    row = log.sample(seed)
    row = row[~log.new_user[row]]
    steps = np.unique(np.stack([log.item[row - 1], log.item[row]], axis=1).astype(np.int64), axis=0)
    earlier = log.part != TEST
    shape = (len(log.items), len(log.users))
    owners = sparse.csr_array(
        (np.ones(int(earlier.sum()), np.float32), (log.item[earlier], log.user[earlier])), shape=shape
    )
    together = np.concatenate(
        [
            np.asarray(owners[part[:, 0]].multiply(owners[part[:, 1]]).sum(axis=1)).ravel()
            for part in np.array_split(steps, len(steps) // _STEPS + 1)
        ]
    )
    return steps[together == 0]
