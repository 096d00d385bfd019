"""The verdict on an experiment, in words."""

from collections.abc import Sequence

from shoptalk.online.sequential import LEAST_EVENTS
from shoptalk.results.online import ArmComparison, ArmResult, SampleRatio


def verdict_of(arms: Sequence[ArmResult], comparisons: Sequence[ArmComparison], ratio: SampleRatio | None) -> str:
    """What is known: at most a sentence for each comparison."""
    if ratio is not None and ratio.mismatch:
        return (
            f"Do not compare these arms: their shares of users are not those of the weights (p = {ratio.p:.2g}). "
            "Find out which users are missing first."
        )
    if not comparisons:
        return "There is one arm, so there is nothing to compare." if arms else "No user has been counted yet."
    return " ".join(map(_sentence, comparisons))


def _sentence(one: ArmComparison) -> str:
    """One comparison in words."""
    pair = f"{one.arm} against {one.control}"
    interval = f"({100 * one.difference:+.2f} points, interval {100 * one.low:+.2f} to {100 * one.high:+.2f})"
    if one.judgement == "too_early":
        return f"{pair}: too early; both arms need {LEAST_EVENTS} users with and without a {one.metric}."
    if one.judgement in ("better", "worse"):
        return f"{one.arm} has {_more(one)} users with a {one.metric} than {one.control} {interval}."
    if one.judgement == "equivalent":
        return f"{pair}: no difference in {one.metric} that matters {interval}."
    needed = f" A difference of this size would need about {one.users_needed:,} users." if one.users_needed else ""
    return f"{pair}: not known which has more users with a {one.metric} {interval}.{needed}"


def _more(one: ArmComparison) -> str:
    return "more" if one.judgement == "better" else "fewer"
