"""Targets: popular items, items unseen in training, and items that their text does not identify."""

from collections.abc import Iterator

import numpy as np

from shoptalk.evaluation.audit.evidence import Evidence, Log
from shoptalk.evaluation.audit.finding import Finding, finding_above, share, shorten

#: Shares of the test targets above which a finding is a warning.
POPULAR, UNSEEN = 0.5, 0.1
#: Share of the items without title, or with the title of another item, above which a finding is a warning.
WARN_SHARE = 0.01


def check(evidence: Evidence) -> Iterator[Finding]:
    """Popularity of the targets, and the catalogue's titles."""
    log = evidence.log
    if log is None or not len(log.target_rows):
        return
    item = log.item[log.target_rows]
    is_popular = np.zeros(len(log.items), dtype=np.bool_)
    is_popular[np.argsort(-log.purchases, kind="stable")[: max(1, len(log.items) // 100)]] = True
    size = share(is_popular[item])
    yield finding_above(
        "popular_targets",
        size,
        POPULAR,
        f"{size.value:.3f} of the test targets are among the 1 % most bought items",
        do="report the popularity baseline beside every metric, and metrics by popularity of the target",
    )
    size = share(log.purchases[item] == 0)
    yield finding_above(
        "unseen_targets",
        size,
        1.0 if log.withheld else UNSEEN,
        f"{size.value:.3f} of the test targets were never bought in training"
        + (", as intended by this split" if log.withheld else ""),
        do="methods without text cannot recommend them: report cold-start items separately",
    )
    yield from _titles(log)


def _titles(log: Log) -> Iterator[Finding]:
    """Items without a title, and items with the title of another item."""
    numbers: dict[str, int] = {"": 0}
    normalised = (" ".join(title.casefold().split()) for title in log.titles)
    codes = np.array([numbers.setdefault(title, len(numbers)) for title in normalised], dtype=np.int64)
    is_empty = codes == 0
    size = share(is_empty)
    yield finding_above(
        "no_text",
        size,
        WARN_SHARE,
        f"{size.value:.4f} of the items have no title",
        example=log.items[int(is_empty.argmax())] if is_empty.any() else "",
        do="a model that reads text cannot distinguish them: add titles, or leave these items out",
    )
    is_shared = (np.bincount(codes)[codes] > 1) & ~is_empty
    size = share(is_shared)
    yield finding_above(
        "shared_titles",
        size,
        WARN_SHARE,
        f"{size.value:.4f} of the items have the same title as another item",
        example=f"“{shorten(log.titles[int(is_shared.argmax())])}”" if is_shared.any() else "",
        do="evaluate by item and not by title; add the brand or the size to the text",
    )
