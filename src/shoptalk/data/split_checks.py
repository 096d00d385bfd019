"""Checks that a split has training and test cases, before a model is trained."""

import ibis.expr.types as ir

from shoptalk import schema
from shoptalk.data.engine import Engine
from shoptalk.errors import DatasetError
from shoptalk.recipe import Recipe, SplitSection


def check_cases(parts: ir.Table, cases: dict[str, int], recipe: Recipe, engine: Engine) -> list[str]:
    """Refuse a split that lacks training or test cases that the recipe needs.

    Parameters
    ----------
    parts
        The rows with ``user_id``, ``timestamp`` and ``position``.
    cases
        Part -> number of its cases.

    Returns
    -------
    list of str
        A warning for each empty part that is not needed: validation, and parts to which the recipe gives no share.

    Raises
    ------
    DatasetError
        With what the split needs, how many users have it, and what to change.
    """
    empty = [part for part in ("train", "validation", "test") if not cases[part]]
    if not empty:
        return []
    per_user = parts.group_by(schema.USER).agg(
        purchases=parts.count(),
        moments=parts[schema.TIME].nunique() if recipe.split.ties == "set" else parts.count(),
    )
    minimum = _purchases_needed(recipe.split, "train" in empty)
    counts = engine.counts(users=per_user, eligible=per_user.filter(per_user.moments >= minimum))
    if not counts["users"]:  # no rows at all, which is reported elsewhere
        return []
    fractions = dict(zip(("train", "validation", "test"), recipe.split.fractions, strict=True))
    trains = recipe.training.epochs != 0 and not recipe.training.extra
    warnings = []
    for part in empty:
        expected = recipe.split.method == "leave-one-out" or fractions[part] > 0
        message = f"there is no {part} case"
        if expected:
            message += f": {_reason(recipe.split, part, minimum, counts)}"
        if expected and (part == "test" or (part == "train" and trains)):
            raise DatasetError(message, hint=_hint(recipe.split, part))
        warnings.append(message)
    return warnings


def _purchases_needed(section: SplitSection, no_training: bool) -> int:
    """How many purchases (or different timestamps, for ties as a set) a user needs for a case."""
    if section.method == "leave-one-out":
        return 4 if no_training else 3
    return max(section.history + 1, 2) if section.method == "by-user" else 2


def _reason(section: SplitSection, part: str, minimum: int, counts: dict[str, int]) -> str:
    """What users need for a case of a part, and how many of them have it."""
    purchases = "purchases of different moments" if section.ties == "set" else "purchases"
    share = f"{counts['eligible']:,} of {counts['users']:,} users have that many"
    if section.method == "leave-one-out":
        remainder = "the others are for training, the first never as a target" if part == "train" else "and a history"
        return (
            f"leave-one-out needs users with {minimum} {purchases} "
            f"(the last is the test, the one before it validation, {remainder}); {share}"
        )
    if section.method == "by-user":
        return f"by-user divides the users with {minimum} {purchases} or more by split.fractions; {share}"
    if section.method == "by-time":
        return f"by-time predicts a user's first purchase in each period that has an earlier purchase; {share}"
    return f"{section.method} divides each user's {purchases} by split.fractions, the first is never a target; {share}"


def _hint(section: SplitSection, part: str) -> str:
    """What the user can change to get cases of a part."""
    if section.method == "leave-one-out":
        return 'loosen the filters in [data], use more data, or choose split.method = "by-user"'
    if section.method == "by-user":
        history = "lower split.history, " if section.history else ""
        return f"{history}raise the share of {part} in split.fractions, or loosen the filters in [data]"
    return f"raise the share of {part} in split.fractions, loosen the filters in [data], or use more data"
