"""Whether a split leaves something to learn from and to test on, checked before anything is trained."""

import ibis.expr.types as ir

from shoptalk import schema
from shoptalk.data.engine import Engine
from shoptalk.errors import DatasetError
from shoptalk.recipe import Recipe, SplitSection


def check_cases(parts: ir.Table, cases: dict[str, int], recipe: Recipe, engine: Engine) -> list[str]:
    """Refuse a split without the training or test cases that the recipe asks for.

    Parameters
    ----------
    parts
        The rows with ``user_id``, ``timestamp`` and ``position``.
    cases
        How many cases each part has.

    Returns
    -------
    list of str
        A warning for each part that is empty and can be done without: validation, and what the recipe gives no share.

    Raises
    ------
    DatasetError
        Saying what the split needs, how many users have it, and what cures it.
    """
    empty = [part for part in ("train", "validation", "test") if not cases[part]]
    per_user = parts.group_by(schema.USER).agg(
        purchases=parts.count(),
        moments=parts[schema.TIME].nunique() if recipe.split.ties == "set" else parts.count(),
    )
    least = _least(recipe.split, "train" in empty)
    counts = engine.counts(users=per_user, able=per_user.filter(per_user.moments >= least)) if empty else {"users": 0}
    if not counts["users"]:  # enough of everything, or nothing at all, which is another error
        return []
    fractions = dict(zip(("train", "validation", "test"), recipe.split.fractions, strict=True))
    trains = recipe.training.epochs > 0 and not recipe.training.extra
    warnings = []
    for part in empty:
        wanted = recipe.split.method == "leave-one-out" or fractions[part] > 0
        says = f"there is no {part} case" + (f": {_why(recipe.split, part, least, counts)}" if wanted else "")
        if wanted and (part == "test" or (part == "train" and trains)):
            raise DatasetError(says, hint=_cure(recipe.split, part))
        warnings.append(says)
    return warnings


def _least(section: SplitSection, no_training: bool) -> int:
    """How many purchases (or moments) a user needs to have a case."""
    if section.method == "leave-one-out":
        return 4 if no_training else 3
    return max(section.history + 1, 2) if section.method == "by-user" else 2


def _why(section: SplitSection, part: str, least: int, counts: dict[str, int]) -> str:
    what = "purchases of different moments" if section.ties == "set" else "purchases"
    have = f"{counts['able']:,} of {counts['users']:,} users have that many"
    if section.method == "leave-one-out":
        rest = "the rest is for training, of which the first is never asked for" if part == "train" else "and a history"
        return f"leave-one-out needs users with {least} {what} (the last is the test, the one before it validation, {rest}); {have}"  # noqa: E501
    if section.method == "by-user":
        return f"by-user divides the users with {least} {what} or more by split.fractions; {have}"
    if section.method == "by-time":
        return f"by-time asks for a user's first purchase in each stretch of time that has another before it; {have}"
    return f"by-time-per-user divides each user's {what} by split.fractions, and the first is never asked for; {have}"


def _cure(section: SplitSection, part: str) -> str:
    if section.method == "leave-one-out":
        return 'loosen the filters in [data], bring more purchases, or choose split.method = "by-user"'
    if section.method == "by-user":
        history = "lower split.history, " if section.history else ""
        return f"{history}raise the share of {part} in split.fractions, or loosen the filters in [data]"
    return f"raise the share of {part} in split.fractions, loosen the filters in [data], or bring more purchases"
