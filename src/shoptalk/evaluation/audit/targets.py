"""What is asked for: the most popular, the never seen, and items that no text tells apart."""

from collections.abc import Iterator

import numpy as np

from shoptalk.evaluation.audit.evidence import Evidence, Log
from shoptalk.evaluation.audit.finding import Finding, share, shorten

#: Shares of the test targets from which on a figure needs a word beside it.
POPULAR, UNSEEN = 0.5, 0.1
#: Shares of the items without text, or with another's title, from which on text cannot tell items apart.
SOME = 0.01


def check(evidence: Evidence) -> Iterator[Finding]:
    """Targets by popularity, and the catalogue's titles."""
    log = evidence.log
    if log is None or not len(log.target):
        return
    item = log.item[log.target]
    head = np.zeros(len(log.items), dtype=np.bool_)
    head[np.argsort(-log.bought, kind="stable")[: max(1, len(log.items) // 100)]] = True
    found = share(head[item])
    many = found.low > POPULAR
    yield Finding(
        "popular_targets",
        "warn" if many else "info",
        f"{found.value:.3f} of the test targets are among the 1 % most bought items",
        found,
        do="report popularity beside every figure, and by decile" if many else "",
    )
    unseen = log.bought[item] == 0
    found = share(unseen)
    many = found.low > UNSEEN and not log.withheld
    yield Finding(
        "unseen_targets",
        "warn" if many else "info",
        f"{found.value:.3f} of the test targets were never bought in training"
        + (", as this split means them to be" if log.withheld else ""),
        found,
        do="no method without text can find them: report cold items apart" if many else "",
    )
    yield from _titles(log)


def _titles(log: Log) -> Iterator[Finding]:
    titles = np.array([" ".join(title.casefold().split()) for title in log.titles], dtype=object)
    empty = titles == ""
    found = share(empty)
    yield Finding(
        "no_text",
        "warn" if found.low > SOME else "info",
        f"{found.value:.4f} of the items have no title",
        found,
        log.items[int(empty.argmax())] if empty.any() else "",
        "a model that reads text cannot know them: find their titles, or leave them out" if found.low > SOME else "",
    )
    numbers: dict[str, int] = {}
    code = np.array([numbers.setdefault(title, len(numbers)) for title in titles], dtype=np.int64)
    shared = (np.bincount(code)[code] > 1) & ~empty
    found = share(shared)
    yield Finding(
        "shared_titles",
        "warn" if found.low > SOME else "info",
        f"{found.value:.4f} of the items share their title with another",
        found,
        f"“{shorten(log.titles[int(shared.argmax())])}”" if shared.any() else "",
        "judge by item and not by title; add the brand or the size to the text" if found.low > SOME else "",
    )
