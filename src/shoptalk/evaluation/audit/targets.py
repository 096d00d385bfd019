"""What is asked for: the most popular, the never seen, and items that no text tells apart."""

from collections.abc import Iterator

import numpy as np

from shoptalk.evaluation.audit.evidence import Evidence, Log
from shoptalk.evaluation.audit.finding import Finding, judged, share, shorten

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
    yield judged(
        "popular_targets",
        found,
        POPULAR,
        f"{found.value:.3f} of the test targets are among the 1 % most bought items",
        do="report popularity beside every figure, and by decile",
    )
    found = share(log.bought[item] == 0)
    yield judged(
        "unseen_targets",
        found,
        1.0 if log.withheld else UNSEEN,
        f"{found.value:.3f} of the test targets were never bought in training"
        + (", as this split means them to be" if log.withheld else ""),
        do="no method without text can find them: report cold items apart",
    )
    yield from _titles(log)


def _titles(log: Log) -> Iterator[Finding]:
    numbers: dict[str, int] = {"": 0}
    plain = (" ".join(title.casefold().split()) for title in log.titles)
    code = np.array([numbers.setdefault(title, len(numbers)) for title in plain], dtype=np.int64)
    empty = code == 0
    found = share(empty)
    yield judged(
        "no_text",
        found,
        SOME,
        f"{found.value:.4f} of the items have no title",
        example=log.items[int(empty.argmax())] if empty.any() else "",
        do="a model that reads text cannot know them: find their titles, or leave them out",
    )
    shared = (np.bincount(code)[code] > 1) & ~empty
    found = share(shared)
    yield judged(
        "shared_titles",
        found,
        SOME,
        f"{found.value:.4f} of the items share their title with another",
        example=f"“{shorten(log.titles[int(shared.argmax())])}”" if shared.any() else "",
        do="judge by item and not by title; add the brand or the size to the text",
    )
