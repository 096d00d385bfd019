"""Judging generated titles: exactly right, nearest to right, or no title of the catalogue at all."""

from collections.abc import Collection, Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from rapidfuzz import fuzz, process

from shoptalk.evaluation.bootstrap import RESAMPLES, estimate
from shoptalk.schema import Estimate

#: Similarities held at once (4 bytes each).
_BLOCK = 4_000_000


def title_metrics(
    generated: Sequence[str],
    targets: Sequence[str | Sequence[str]],
    catalogue: Collection[str],
    users: Sequence[str],
    seen_titles: Sequence[Collection[str]],
    *,
    resamples: int = RESAMPLES,
    seed: int = 1,
) -> dict[str, Estimate]:
    """Shares of generated titles that are right, with intervals over users.

    Runs of white space count as one space, and none at the ends; otherwise every character counts.

    Parameters
    ----------
    generated
        N texts as the model wrote them.
    targets
        The right title of each case, or several where several items are right.
    catalogue
        All titles, cleaned like those that the model learned from.
    users
        Whose the N cases are.
    seen_titles
        The titles of each case's history.

    Returns
    -------
    dict
        ``exact_match``: the text is the right title. ``nearest_match``: the catalogue's nearest title is the right
        one (by ``nearest_titles``; 1/m if m titles are equally near; an empty text is near nothing).
        ``invalid_share``: the text is no title of the catalogue; such a text is wrong in ``exact_match``, never
        left out. ``echo_share``: it is a title of the history.
    """
    texts = [_tidy(text) for text in generated]
    right = [frozenset(map(_tidy, (titles,) if isinstance(titles, str) else titles)) for titles in targets]
    known = frozenset(map(_tidy, catalogue))
    nearest = nearest_titles(texts, known)
    pairs = list(zip(texts, right, strict=True))
    values = {
        "exact_match": [text in known and text in titles for text, titles in pairs],
        "nearest_match": [_share(nearest[text], titles) for text, titles in pairs],
        "invalid_share": [text not in known for text in texts],
        "echo_share": [text in {*map(_tidy, titles)} for text, titles in zip(texts, seen_titles, strict=True)],
    }
    return {
        name: estimate(np.asarray(column, dtype=float), users=users, resamples=resamples, seed=seed)
        for name, column in values.items()
    }


def nearest_titles(texts: Collection[str], catalogue: Collection[str]) -> Mapping[str, frozenset[str]]:
    """The catalogue's titles nearest to each text: one; several equally near ones; none where nothing is shared.

    Nearness is 1 - (insertions + deletions) / (length + length), the normalised indel similarity of rapidfuzz.
    """
    known = set(catalogue)
    nearest = {text: frozenset([text]) for text in texts if text in known}
    for block, similarity in _similarities(sorted(set(texts) - known), titles := sorted(known)):
        best = similarity.max(axis=1, initial=0)
        for row, text in enumerate(block):
            indices = np.flatnonzero((similarity[row] >= best[row]) & (best[row] > 0))
            nearest[text] = frozenset(titles[index] for index in indices)
    return nearest


def _similarities(texts: list[str], titles: list[str]) -> Iterator[tuple[list[str], NDArray[np.float32]]]:
    """Texts in blocks, each with its similarities ``(B, T)`` to all titles."""
    rows = max(1, _BLOCK // max(1, len(titles)))
    for start in range(0, len(texts), rows):
        block = texts[start : start + rows]
        yield block, process.cdist(block, titles, scorer=fuzz.ratio, dtype=np.float32)


def _share(nearest: frozenset[str], right: frozenset[str]) -> float:
    """The part of the equally near titles that is right."""
    return len(nearest & right) / len(nearest) if nearest else 0.0


def _tidy(text: str) -> str:
    return " ".join(text.split())
