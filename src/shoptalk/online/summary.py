"""What the experiments in a database show: ``shoptalk online``.

The unit is the user, as users are what is assigned. A user belongs to the arm of the first answer, whatever answered
later, and counts once the window after that answer is over; so every user counts once, with an outcome that does not
change any more, and the intervals of `sequential` hold at every look.
"""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from sqlalchemy import Connection

from shoptalk.errors import DatabaseError
from shoptalk.online import attribution, off_policy, sequential
from shoptalk.online.attribution import Answer, Outcome, Weights
from shoptalk.online.database import Database
from shoptalk.online.events import BASKET, CLICK, PURCHASE
from shoptalk.online.records import now as current_time
from shoptalk.online.sample_ratio import ALPHA as RATIO_ALPHA
from shoptalk.online.sample_ratio import Period, sample_ratio
from shoptalk.online.sequential import ALPHA, PLANNED, Count
from shoptalk.online.verdict import verdict_of
from shoptalk.results.online import (
    ArmComparison,
    ArmResult,
    ExperimentResult,
    OffPolicyEstimate,
    OnlineResult,
    SampleRatio,
)
from shoptalk.schema import Estimate

#: The rates that are always shown.
KINDS = (CLICK, BASKET, PURCHASE)
DAY = 86_400.0
#: Shares above which a warning is given: of moved users, and of answers by another method.
_MANY_MOVED, _MANY_FALLBACKS = 0.01, 0.05


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked of an experiment.

    Attributes
    ----------
    metric
        The kind of event by which arms are judged.
    window
        Seconds after a user's first answer in which events count.
    planned
        The number of users, of two arms, at which intervals of differences are narrowest. Choose it beforehand.
    margin
        Differences below this are of no interest; None if all are.
    now
        The time of the look, in seconds since 1970.
    """

    metric: str = CLICK
    window: float = DAY
    planned: int = PLANNED
    margin: float | None = None
    now: float = 0.0

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of events whose rates are shown."""
        return KINDS if self.metric in KINDS else (*KINDS, self.metric)


@dataclass(frozen=True, slots=True)
class _User:
    """A user of an experiment: the first answer's arm and time, and whether another arm answered later."""

    arm: str
    since: float
    moved: bool = False


def summarise(
    database: Database,
    *,
    experiment: str | None = None,
    metric: str = CLICK,
    window: float = DAY,
    planned: int = PLANNED,
    margin: float | None = None,
    now: float | None = None,
) -> OnlineResult:
    """Rates by arm, verdicts and off-policy estimates of all experiments, or of one.

    Parameters
    ----------
    metric, window, planned, margin, now
        See `Question`.

    Raises
    ------
    DatabaseError
        If there is no such experiment, or no answer at all.
    """
    question = Question(metric, window, planned, margin, current_time() if now is None else now)
    with database.read() as connection:
        names = attribution.experiments(connection)
        if experiment is not None and experiment not in names:
            hint = f"one of {', '.join(names)}" if names else None
            raise DatabaseError(f"no answers of an experiment {experiment!r}", where=database.name, hint=hint)
        if not names:
            raise DatabaseError(
                "no answer was recorded yet", where=database.name, hint="shoptalk serve records what it shows"
            )
        events, attributed = attribution.count_attributed(connection)
        results = [_experiment(connection, name, question) for name in names if experiment in (None, name)]
    return OnlineResult(
        database=database.name,
        now=question.now,
        metric=metric,
        window=window,
        planned=planned,
        events=events,
        attributed=attributed / events if events else float("nan"),
        experiments=tuple(results),
    )


def _experiment(connection: Connection, name: str, question: Question) -> ExperimentResult:
    """The result of one experiment."""
    weights = attribution.weights(connection, name)
    answers = attribution.answers(connection, name, question.now)
    outcomes = attribution.outcomes(connection, name, question.now, question.kinds)
    users = _users(answers)
    arms = _arms(weights, users)
    counts = _counts(users, answers, outcomes, arms, question)
    ratio = _ratio(weights, users)
    results = tuple(_arm(arm, weights, users, answers, outcomes, counts[arm], question) for arm in arms)
    invalid = ratio is not None and ratio.mismatch
    comparisons = tuple(_compare(arm, arms[0], counts, len(arms) - 1, question, invalid=invalid) for arm in arms[1:])
    estimates, warnings = _off_policy(connection, name, outcomes, question)
    return ExperimentResult(
        experiment=name,
        control=arms[0] if arms else "",
        arms=results,
        sample_ratio=ratio,
        comparisons=comparisons,
        off_policy=estimates,
        warnings=(*_warnings(results, weights, users), *warnings),
        verdict=verdict_of(results, comparisons, ratio),
    )


def _users(answers: Sequence[Answer]) -> dict[str, _User]:
    """The users in the order of their first answers."""
    users: dict[str, _User] = {}
    for answer in answers:
        user = users.setdefault(answer.user_id, _User(answer.arm, answer.created))
        if user.arm != answer.arm and not user.moved:
            users[answer.user_id] = _User(user.arm, user.since, moved=True)
    return users


def _arms(weights: Sequence[Weights], users: Mapping[str, _User]) -> list[str]:
    """The arms: those with recorded weights in their order, which begins with the control, then others by name."""
    seen = {user.arm for user in users.values()}
    recorded = list(weights[-1].weights) if weights else []
    return [arm for arm in recorded if weights[-1].weights[arm] > 0 or arm in seen] + sorted(seen - set(recorded))


def _counts(
    users: Mapping[str, _User],
    answers: Sequence[Answer],
    outcomes: Sequence[Outcome],
    arms: Sequence[str],
    question: Question,
) -> dict[str, dict[str, Count]]:
    """By arm and kind, how many of the users whose window is over had an event within it."""
    user_of = {answer.recommendation_id: answer.user_id for answer in answers}
    over = {name for name, user in users.items() if user.since + question.window <= question.now}
    had: dict[tuple[str, str], set[str]] = {}
    for outcome in outcomes:
        name = user_of.get(outcome.recommendation_id)
        if name in over and outcome.timestamp <= users[name].since + question.window:
            had.setdefault((users[name].arm, outcome.kind), set()).add(name)
    n = dict.fromkeys(arms, 0)
    for name in over:
        n[users[name].arm] += 1
    return {arm: {kind: Count(len(had.get((arm, kind), ())), n[arm]) for kind in question.kinds} for arm in arms}


def _arm(
    arm: str,
    weights: Sequence[Weights],
    users: Mapping[str, _User],
    answers: Sequence[Answer],
    outcomes: Sequence[Outcome],
    counts: Mapping[str, Count],
    question: Question,
) -> ArmResult:
    """The figures of one arm."""
    own = [answer for answer in answers if answer.arm == arm]
    names = {answer.recommendation_id for answer in own}
    led = {kind: {one.recommendation_id for one in outcomes if one.kind == kind} & names for kind in question.kinds}
    times = [answer.milliseconds for answer in own if answer.milliseconds is not None]
    members = [user for user in users.values() if user.arm == arm]
    n = counts[question.metric].n
    return ArmResult(
        arm=arm,
        share=weights[-1].shares.get(arm, 0.0) if weights else None,
        users=n,
        pending=len(members) - n,
        moved=sum(user.moved for user in members),
        answers=len(own),
        fallback=sum(answer.fallback for answer in own) / len(own) if own else float("nan"),
        milliseconds=tuple(map(float, np.percentile(times, [50, 99]))) if times else None,
        rates={kind: Estimate(count.rate, *sequential.rate_interval(count), count.n) for kind, count in counts.items()},
        per_answer={kind: len(led[kind]) / len(own) if own else float("nan") for kind in question.kinds},
    )


def _ratio(weights: Sequence[Weights], users: Mapping[str, _User]) -> SampleRatio | None:
    """The check of the sample ratio over the users who came after the first weights were recorded."""
    if not weights:
        return None
    starts = [one.since for one in weights]
    arms: list[list[str]] = [[] for _ in weights]
    for user in users.values():
        if (place := bisect_right(starts, user.since) - 1) >= 0:
            arms[place].append(user.arm)
    p = sample_ratio([Period(one.shares, came) for one, came in zip(weights, arms, strict=True)])
    return SampleRatio(p, p < RATIO_ALPHA)


def _compare(
    arm: str,
    control: str,
    counts: Mapping[str, Mapping[str, Count]],
    comparisons: int,
    question: Question,
    *,
    invalid: bool,
) -> ArmComparison:
    """An arm against the control; the level is divided by the number of comparisons (Bonferroni)."""
    one, other = counts[arm][question.metric], counts[control][question.metric]
    alpha, planned = ALPHA / comparisons, question.planned
    judgement = sequential.judge(one, other, alpha=alpha, planned=planned, margin=question.margin)
    low, high = sequential.difference_interval(one, other, alpha=alpha, planned=planned)
    known = judgement != "too_early"
    difference = one.rate - other.rate
    needed = None
    if judgement in ("undecided", "too_early") and one.n and other.n:
        share = one.n / (one.n + other.n)
        needed = sequential.users_needed(other.rate, difference, share=share, alpha=alpha, planned=planned)
    return ArmComparison(
        arm=arm,
        control=control,
        metric=question.metric,
        difference=difference,
        low=low if known else float("nan"),
        high=high if known else float("nan"),
        detectable=sequential.detectable_difference(other.rate, one.n, other.n, alpha=alpha, planned=planned),
        users_needed=needed,
        judgement="invalid" if invalid else judgement,
    )


def _off_policy(
    connection: Connection, experiment: str, outcomes: Sequence[Outcome], question: Question
) -> tuple[tuple[OffPolicyEstimate, ...], tuple[str, ...]]:
    """Estimates for the policies whose lists were recorded, and what was left out."""
    rewarded = {(one.recommendation_id, one.item_id) for one in outcomes if one.kind == question.metric}
    found: list[OffPolicyEstimate] = []
    warnings = []
    for arm, policy in attribution.policies(connection, experiment):
        until = question.now - question.window
        logs, left_out = attribution.logs(connection, experiment, arm, policy, until, rewarded)
        if logs is not None:
            found += off_policy.estimates(logs, policy=policy, arm=arm, metric=question.metric)
        if left_out:
            warnings.append(
                f"{left_out:,} answers of {arm} have another length and are not in the off-policy estimates"
            )
    return tuple(found), tuple(warnings)


def _warnings(arms: Sequence[ArmResult], weights: Sequence[Weights], users: Mapping[str, _User]) -> list[str]:
    """What to know about the figures."""
    warnings = []
    if not weights and len(arms) > 1:
        warnings.append("the weights of the arms were not recorded, so their shares of users cannot be checked")
    if len(weights) > 1:
        warnings.append(
            f"the weights were changed {len(weights) - 1} times; arms whose users came at different times may "
            "differ by the times alone"
        )
    moved = sum(arm.moved for arm in arms)
    if users and moved / len(users) > _MANY_MOVED:
        warnings.append(f"{moved:,} of {len(users):,} users got answers of several arms; each counts for the first one")
    for arm in arms:
        if arm.fallback > _MANY_FALLBACKS:
            warnings.append(f"{arm.fallback:.0%} of the answers of {arm.arm} came from another method, as a fallback")
    return warnings
