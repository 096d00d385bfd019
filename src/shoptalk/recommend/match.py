"""Matching of ids and titles that a user has typed to the items of the catalogue."""

from collections.abc import Sequence

from rapidfuzz import fuzz, process, utils

from shoptalk.errors import UsageError
from shoptalk.schema import Catalogue

#: Least similarity (0 to 100) at which a title is matched, if no other title is as similar.
MATCH_SIMILARITY = 85.0
#: Number of titles that an error proposes.
SUGGESTIONS = 3


def match_items(typed: Sequence[str], catalogue: Catalogue) -> list[str]:
    """The item ids for ids or titles.

    An id matches itself, a title the item with the same title (ignoring case and punctuation), or else the single item
    with the most similar title. Of several items with the same title the first by id is used.

    Raises
    ------
    UsageError
        When no title is similar enough, or several are; the most similar titles are suggested.
    """
    ids = sorted(catalogue)
    titles = [utils.default_process(catalogue[item].title) for item in ids]
    exact = {title: item for item, title in zip(reversed(ids), reversed(titles), strict=True)}
    return [_match(text, catalogue, ids, titles, exact) for text in typed]


def _match(text: str, catalogue: Catalogue, ids: list[str], titles: list[str], exact: dict[str, str]) -> str:
    """The item id for one text; ``titles`` are the normalised titles of ``ids``, ``exact`` maps them to ids."""
    if text in catalogue:
        return text
    normalised = utils.default_process(text)
    if normalised and normalised in exact:
        return exact[normalised]
    matches = process.extract(normalised, titles, scorer=fuzz.WRatio, limit=SUGGESTIONS) if normalised else []
    similar = [index for _, score, index in matches if score >= MATCH_SIMILARITY]
    if similar and (len(similar) == 1 or matches[0][1] > matches[1][1]):
        return ids[similar[0]]
    suggestions = ", ".join(f"{catalogue[ids[index]].title!r} ({ids[index]})" for _, _, index in matches)
    raise UsageError(
        f"no product fits {text[:80]!r}" if not similar else f"several products fit {text[:80]!r}",
        hint=f"did you mean {suggestions}?" if suggestions else "give an item id or a title",
    )
