"""What was shown to whom, by which arm, and with which probability; the weights of the experiments."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import func, insert, select
from sqlalchemy.dialects import postgresql, sqlite

from shoptalk.online.database import EXPERIMENTS_LOCK, Database
from shoptalk.online.records import check_id, check_integer, check_json, check_number, check_time, now
from shoptalk.online.tables import ALTERNATIVES, EVENTS, EXPERIMENTS, RECOMMENDATIONS, SHOWN


@dataclass(frozen=True, slots=True)
class ShownItem:
    """An item of an answer.

    Attributes
    ----------
    item_id
        The item.
    score
        Its score, if it has one.
    probability
        The probability of this item at this rank, under the policy that drew the list. 1 without exploration.
    """

    item_id: str
    score: float | None = None
    probability: float = 1.0


@dataclass(frozen=True, slots=True)
class Alternative:
    """The list that another policy would have shown.

    Attributes
    ----------
    items
        Its items, best first.
    probabilities
        For each of them the probability that the policy in use shows it at that rank.
    probability
        The probability that the policy in use shows the whole list; None if unknown.
    """

    items: tuple[str, ...]
    probabilities: tuple[float, ...]
    probability: float | None = None


@dataclass(frozen=True, slots=True)
class Recommendation:
    """An answer to one user.

    Attributes
    ----------
    recommendation_id
        Its id, which events name.
    user_id
        The user.
    items
        What was shown, in order.
    experiment, arm
        The experiment and the arm to which the user was assigned.
    run, method
        The run that answered, and its method (a model, ``popularity``, ...).
    fallback
        Whether another method than that of the arm answered.
    forced
        Whether the arm was set by hand, for a test.
    created
        When, in seconds since 1970.
    milliseconds
        How long it took.
    probability
        The probability of the whole list under the policy that drew it; None if unknown.
    context
        Anything else, as JSON.
    alternatives
        Lists of other policies by the policy's name, for off-policy estimates.
    """

    recommendation_id: str
    user_id: str
    items: tuple[ShownItem, ...]
    experiment: str = "default"
    arm: str = "default"
    run: str = ""
    method: str = ""
    fallback: bool = False
    forced: bool = False
    created: float = 0.0
    milliseconds: float | None = None
    probability: float | None = 1.0
    context: Mapping[str, Any] = field(default_factory=dict)
    alternatives: Mapping[str, Alternative] = field(default_factory=dict)


def log_recommendation(database: Database, recommendation: Recommendation) -> None:
    """Store an answer with what it showed. An id that is stored already is ignored."""
    log_recommendations(database, [recommendation])


def log_recommendations(database: Database, recommendations: Sequence[Recommendation]) -> int:
    """Store answers in one transaction, and return how many were new.

    Raises
    ------
    RecordError
        If a value cannot be stored.
    DatabaseError
        If they are not stored.
    """
    by_id = {one.recommendation_id: one for one in reversed(recommendations)}  # the first with an id is kept
    rows = {name: _answer(by_id[name]) for name in sorted(by_id)}
    if not rows:
        return 0
    dialect = sqlite if database.is_sqlite else postgresql
    column = RECOMMENDATIONS.c.recommendation_id
    statement = dialect.insert(RECOMMENDATIONS).on_conflict_do_nothing(index_elements=[column]).returning(column)
    with database.write() as connection:
        new = sorted(connection.execute(statement, list(rows.values())).scalars())
        if shown := [row for name in new for row in _shown(by_id[name])]:
            connection.execute(insert(SHOWN), shown)
        if alternatives := [row for name in new for row in _alternatives(by_id[name])]:
            connection.execute(insert(ALTERNATIVES), alternatives)
    return len(new)


def item_counts(database: Database, kind: str, since: float = 0.0) -> dict[str, tuple[int, int]]:
    """For each item how many answers since a time led to an event of a kind with it, and how many showed it.

    These are the successes and trials of `exploration.thompson`.
    """
    recent = select(RECOMMENDATIONS).where(RECOMMENDATIONS.c.created >= since).subquery()
    led = (
        select(EVENTS.c.recommendation_id, EVENTS.c.item_id)
        .join(
            recent,
            (recent.c.recommendation_id == EVENTS.c.recommendation_id) & (recent.c.user_id == EVENTS.c.user_id),
        )
        .where(EVENTS.c.kind == kind)
        .distinct()
        .subquery()
    )
    statement = (
        select(SHOWN.c.item_id, func.count(led.c.item_id), func.count())
        .join(recent, recent.c.recommendation_id == SHOWN.c.recommendation_id)
        .outerjoin(led, (led.c.recommendation_id == SHOWN.c.recommendation_id) & (led.c.item_id == SHOWN.c.item_id))
        .group_by(SHOWN.c.item_id)
    )
    with database.read() as connection:
        return {item: (int(successes), int(trials)) for item, successes, trials in connection.execute(statement)}


def set_weights(database: Database, experiment: str, weights: Mapping[str, float]) -> None:
    """Record the weights of an experiment's arms from now on; the first arm is the control.

    Nothing is written if they are in force already. The check of the sample ratio uses the weights that were in force
    when a user came.
    """
    check_id(experiment, "experiment")
    arms = [[check_id(arm, "arm"), check_number(weight, "weight", least=0)] for arm, weight in weights.items()]
    with database.write() as connection:
        database.lock(connection, EXPERIMENTS_LOCK)
        latest = connection.execute(
            select(EXPERIMENTS.c.weights)
            .where(EXPERIMENTS.c.experiment == experiment)
            .order_by(EXPERIMENTS.c.since.desc())
            .limit(1)
        ).scalar()
        if latest != arms:
            connection.execute(insert(EXPERIMENTS).values(experiment=experiment, since=now(), weights=arms))


def _answer(recommendation: Recommendation) -> dict[str, Any]:
    """The row of an answer."""
    one = recommendation
    return {
        "recommendation_id": check_id(one.recommendation_id, "recommendation_id"),
        "user_id": check_id(one.user_id, "user_id"),
        "experiment": check_id(one.experiment, "experiment"),
        "arm": check_id(one.arm, "arm"),
        "run": one.run,
        "method": one.method,
        "fallback": one.fallback,
        "forced": one.forced,
        "created": check_time(one.created or now(), "created"),
        "milliseconds": None if one.milliseconds is None else check_number(one.milliseconds, "milliseconds"),
        "probability": None if one.probability is None else check_number(one.probability, "probability", least=0),
        "context": check_json(dict(one.context), "context"),
    }


def _shown(recommendation: Recommendation) -> list[dict[str, Any]]:
    """The rows of what an answer showed."""
    return [
        {
            "recommendation_id": recommendation.recommendation_id,
            "rank": check_integer(rank, "rank", least=1),
            "item_id": check_id(item.item_id, "item_id"),
            "score": None if item.score is None else check_number(item.score, "score"),
            "probability": check_number(item.probability, "probability", least=0),
        }
        for rank, item in enumerate(recommendation.items, start=1)
    ]


def _alternatives(recommendation: Recommendation) -> list[dict[str, Any]]:
    """The rows of the lists of other policies."""
    return [
        {
            "recommendation_id": recommendation.recommendation_id,
            "policy": check_id(policy, "policy"),
            "rank": rank,
            "item_id": check_id(item_id, "item_id"),
            "probability": check_number(probability, "probability", least=0),
            "list_probability": other.probability,
        }
        for policy, other in recommendation.alternatives.items()
        for rank, (item_id, probability) in enumerate(zip(other.items, other.probabilities, strict=True), start=1)
    ]
