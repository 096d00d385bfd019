"""Metrics of generated titles: exact match, nearest match, invalid titles and titles of the history."""

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
    """Shares of right, invalid and repeated titles among generated titles, with intervals over users.

    White space is normalised: runs of it are one space, and it is removed at the ends. Otherwise titles must be equal
    in every character.

    Parameters
    ----------
    generated
        N texts written by the model.
    targets
        The right title of each case, or several where several items are right.
    catalogue
        All titles, with the same cleaning as in training.
    users
        The user of each of the N cases.
    seen_titles
        The titles of each case's history.

    Returns
    -------
    dict
        ``exact_match``: the text is the right title. ``nearest_match``: the most similar title of the catalogue is the
        right one (by ``nearest_titles``; 1/m if m titles are equally similar; 0 for an empty text).
        ``invalid_share``: the text is no title of the catalogue; such texts count as wrong in ``exact_match``.
        ``echo_share``: the text is a title of the history.
    """
    generated_titles = [_normalised(text) for text in generated]
    target_titles = [
        frozenset(map(_normalised, (titles,) if isinstance(titles, str) else titles)) for titles in targets
    ]
    known = frozenset(map(_normalised, catalogue))
    nearest = nearest_titles(generated_titles, known)
    pairs = list(zip(generated_titles, target_titles, strict=True))
    values = {
        "exact_match": [text in known and text in titles for text, titles in pairs],
        "nearest_match": [_share(nearest[text], titles) for text, titles in pairs],
        "invalid_share": [text not in known for text in generated_titles],
        "echo_share": [
            text in {*map(_normalised, titles)} for text, titles in zip(generated_titles, seen_titles, strict=True)
        ],
    }
    return {
        name: estimate(np.asarray(column, dtype=float), users=users, resamples=resamples, seed=seed)
        for name, column in values.items()
    }


def nearest_titles(texts: Collection[str], catalogue: Collection[str]) -> Mapping[str, frozenset[str]]:
    """For each text the most similar titles of the catalogue: several with equal similarity, none if it is 0.

    Similarity is 1 - (insertions + deletions) / (sum of the lengths), the normalised indel similarity of rapidfuzz.
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
    """The share of the nearest titles that are right; 0 without any."""
    return len(nearest & right) / len(nearest) if nearest else 0.0


def _normalised(text: str) -> str:
    """The text with normalised white space."""
    return " ".join(text.split())
