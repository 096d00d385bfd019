"""Titles typed in by a person, matched to the catalogue."""

from collections.abc import Sequence

from rapidfuzz import fuzz, process, utils

from shoptalk.errors import UsageError
from shoptalk.schema import Catalogue

#: From this similarity on (0 to 100) a title is taken for the one meant, if no other is as near.
SURE, SUGGESTIONS = 85.0, 3


def match_items(typed: Sequence[str], catalogue: Catalogue) -> list[str]:
    """The item ids that are meant by ids or titles.

    An id or an exact title (case and punctuation aside) is taken as it is, else the one nearest title where it is near
    enough; of several items with the same title the first by id.

    Raises
    ------
    UsageError
        Where nothing is near enough, with the nearest titles as suggestions.
    """
    ids = sorted(catalogue)
    titles = [utils.default_process(catalogue[item].title) for item in ids]
    exact = {title: item for item, title in zip(reversed(ids), reversed(titles), strict=True)}
    return [_match(text, catalogue, ids, titles, exact) for text in typed]


def _match(text: str, catalogue: Catalogue, ids: list[str], titles: list[str], exact: dict[str, str]) -> str:
    if text in catalogue:
        return text
    wanted = utils.default_process(text)
    if wanted and wanted in exact:
        return exact[wanted]
    matches = process.extract(wanted, titles, scorer=fuzz.WRatio, limit=SUGGESTIONS) if wanted else []
    sure = [index for _, score, index in matches if score >= SURE]
    if sure and (len(sure) == 1 or matches[0][1] > matches[1][1]):
        return ids[sure[0]]
    near = ", ".join(f"{catalogue[ids[index]].title!r} ({ids[index]})" for _, _, index in matches)
    raise UsageError(
        f"no product fits {text[:80]!r}" if not sure else f"several products fit {text[:80]!r}",
        hint=f"did you mean {near}?" if near else "give an item id or a title",
    )
