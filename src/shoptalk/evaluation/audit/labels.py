"""Answers: how often the most frequent one is right, whether the parts differ, and whether popular items suffice."""

import math
from collections import Counter
from collections.abc import Iterator

import numpy as np
from scipy.special import ndtri

from shoptalk.constants import CONFIDENCE, DEFAULT_K
from shoptalk.evaluation.audit.benchmark import LABEL, OPEN, Benchmark, normalised
from shoptalk.evaluation.audit.evidence import Evidence
from shoptalk.evaluation.audit.finding import Finding, NotChecked, Severity, share, shorten
from shoptalk.evaluation.id_map import Ints
from shoptalk.schema import Estimate

#: Share of the most frequent label above which accuracy needs a qualification, and above which it says nothing.
WARN_MAJORITY, FAIL_MAJORITY = 0.6, 0.95
#: Difference between the shares of a label in training and test above which a finding is a warning.
WARN_SHIFT = 0.05
#: Share of the answers among the ten most frequent ones above which a finding is a warning.
WARN_POPULAR = 0.2
#: Fewest rows.
MIN_ROWS = 50


def check(evidence: Evidence) -> Iterator[Finding | NotChecked]:
    """Balance of labels, its difference between the parts, and the most frequent answers that are items."""
    benchmark = evidence.benchmark
    if benchmark is None:
        return
    if len(benchmark.rows_of(LABEL)):
        yield from _labels(benchmark)
    rows = benchmark.rows_of(OPEN)
    if len(rows):
        yield from _items(benchmark, rows, evidence.seed)


def _labels(benchmark: Benchmark) -> Iterator[Finding | NotChecked]:
    """The findings about answers that are labels."""
    labels, names = benchmark.labels
    test, training = (np.intersect1d(benchmark.rows_of(LABEL), rows) for rows in (benchmark.test, benchmark.training))
    if len(test) < MIN_ROWS:
        yield NotChecked("balance of the answers", f"there are {len(test)} rows, and {MIN_ROWS} are needed")
        return
    counts = np.bincount(labels[test], minlength=len(names))
    most = int(counts.argmax())
    size = share(labels[test] == most)
    severity: Severity = "fail" if size.low > FAIL_MAJORITY else "warn" if size.low > WARN_MAJORITY else "info"
    balance = ", ".join(
        f"“{shorten(name, 20)}” {count / len(test):.3f}" for name, count in zip(names, counts.tolist(), strict=True)
    )
    yield Finding(
        "label_balance",
        severity,
        f"the answers of the test are {balance}: always answering “{shorten(names[most], 20)}” has an accuracy of "
        f"{size.value:.3f}",
        size,
        do="report AUC or balanced accuracy, and this accuracy beside the model's" if severity != "info" else "",
    )
    if len(training) >= MIN_ROWS:
        yield _shift(labels[training] == most, labels[test] == most, names[most])


def _shift(training: Ints, test: Ints, name: str) -> Finding:
    """The difference between the shares of the most frequent label in the two parts."""
    shares = training.mean(), test.mean()
    error = math.sqrt(
        sum(value * (1 - value) / len(part) for value, part in zip(shares, (training, test), strict=True))
    )
    difference, half_width = float(shares[1] - shares[0]), float(ndtri((1 + CONFIDENCE) / 2)) * error
    size = Estimate(difference, difference - half_width, difference + half_width, len(test))
    flagged = max(size.low, -size.high) > WARN_SHIFT
    return Finding(
        "label_shift",
        "warn" if flagged else "info",
        f"the answer “{shorten(name, 20)}” has a share of {shares[0]:.3f} in training and {shares[1]:.3f} in the test",
        size,
        do="draw both parts in the same way, or report a metric that does not depend on the balance" if flagged else "",
    )


def _items(benchmark: Benchmark, rows: Ints, seed: int) -> Iterator[Finding | NotChecked]:
    """How many of the test's answers are among the ten most frequent answers of the training part."""
    training, test = np.intersect1d(rows, benchmark.training), np.intersect1d(rows, benchmark.test)
    if len(training) < MIN_ROWS:
        group = benchmark.group[test]
        half = np.random.default_rng(seed).random(int(group.max(initial=0)) + 1) < 0.5
        training, test = test[half[group]], test[~half[group]]
    if min(len(training), len(test)) < MIN_ROWS:
        yield NotChecked(
            "frequent answers", f"there are {len(rows)} rows whose answer is an item, and {2 * MIN_ROWS} are needed"
        )
        return
    answers = [normalised(benchmark.answer[row]) for row in test.tolist()]
    counts = Counter(normalised(benchmark.answer[row]) for row in training.tolist())
    frequent = [answer for answer, _ in counts.most_common(DEFAULT_K)]
    size = share([answer in set(frequent) for answer in answers])
    is_first = [answer == frequent[0] for answer in answers]
    first = float(np.mean(is_first))
    flagged = size.low > WARN_POPULAR
    yield Finding(
        "frequent_answers",
        "warn" if flagged else "info",
        f"the {DEFAULT_K} most frequent answers contain {size.value:.3f} of the test's answers, the most frequent one "
        f"{first:.3f}",
        size,
        f"“{shorten(_item(benchmark, int(test[int(np.argmax(is_first))])))}”" if flagged and any(is_first) else "",
        "report these figures as the baseline popularity" if flagged else "",
    )


def _item(benchmark: Benchmark, row: int) -> str:
    """The answer of a row without white space and quotes around it."""
    return benchmark.answer[row].strip().strip('"')
