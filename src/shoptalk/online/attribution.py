"""Reading an experiment: who was in which arm, and which events an answer led to.

An event belongs to the answer that it names by ``recommendation_id``, if that answer went to the same user and showed
the product, and if the event is not earlier than the answer (by more than `CLOCK_SKEW`).
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sqlalchemy import Connection, func, select

from shoptalk.online.off_policy import Logs
from shoptalk.online.tables import ALTERNATIVES, EVENTS, EXPERIMENTS, RECOMMENDATIONS, SHOWN

#: Seconds by which the clock of a customer's device may be behind that of the service.
CLOCK_SKEW = 60.0


@dataclass(frozen=True, slots=True)
class Weights:
    """The weights of an experiment's arms from a time on; the first arm is the control."""

    since: float
    weights: Mapping[str, float]

    @property
    def shares(self) -> dict[str, float]:
        """The share of each arm."""
        total = sum(self.weights.values())
        return {arm: weight / total for arm, weight in self.weights.items()} if total > 0 else {}


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer without its items."""

    recommendation_id: str
    user_id: str
    arm: str
    created: float
    fallback: bool
    milliseconds: float | None


@dataclass(frozen=True, slots=True)
class Outcome:
    """The first event of a kind that an answer led to with a product."""

    recommendation_id: str
    item_id: str
    kind: str
    timestamp: float


def experiments(connection: Connection) -> list[str]:
    """The experiments with answers, by name."""
    statement = select(RECOMMENDATIONS.c.experiment).distinct().order_by(RECOMMENDATIONS.c.experiment)
    return list(connection.execute(statement).scalars())


def weights(connection: Connection, experiment: str) -> list[Weights]:
    """All weights of an experiment, in the order of time."""
    statement = select(EXPERIMENTS).where(EXPERIMENTS.c.experiment == experiment).order_by(EXPERIMENTS.c.since)
    return [Weights(row.since, dict(row.weights)) for row in connection.execute(statement)]


def answers(connection: Connection, experiment: str, until: float) -> list[Answer]:
    """The answers up to a time, in the order of time, without those whose arm was set by hand."""
    table = RECOMMENDATIONS.c
    statement = (
        select(table.recommendation_id, table.user_id, table.arm, table.created, table.fallback, table.milliseconds)
        .where(table.experiment == experiment, table.forced.is_(False), table.created <= until)
        .order_by(table.created, table.recommendation_id)
    )
    return [Answer(*row) for row in connection.execute(statement)]


def outcomes(connection: Connection, experiment: str, until: float, kinds: Sequence[str]) -> list[Outcome]:
    """What the answers of an experiment led to, up to a time."""
    statement = (
        _attributed(EVENTS.c.recommendation_id, EVENTS.c.item_id, EVENTS.c.kind, func.min(EVENTS.c.timestamp))
        .where(
            RECOMMENDATIONS.c.experiment == experiment,
            RECOMMENDATIONS.c.forced.is_(False),
            EVENTS.c.timestamp <= until,
            EVENTS.c.kind.in_(kinds),
        )
        .group_by(EVENTS.c.recommendation_id, EVENTS.c.item_id, EVENTS.c.kind)
    )
    return [Outcome(*row) for row in connection.execute(statement)]


def count_attributed(connection: Connection) -> tuple[int, int]:
    """The number of all events, and of those that belong to an answer."""
    total = connection.execute(select(func.count()).select_from(EVENTS)).scalar_one()
    belonging = connection.execute(_attributed(func.count(EVENTS.c.event_id.distinct()))).scalar_one()
    return int(total), int(belonging)


def policies(connection: Connection, experiment: str) -> list[tuple[str, str]]:
    """The arms with the policies whose lists were recorded beside their answers."""
    statement = (
        select(RECOMMENDATIONS.c.arm, ALTERNATIVES.c.policy)
        .join(ALTERNATIVES, ALTERNATIVES.c.recommendation_id == RECOMMENDATIONS.c.recommendation_id)
        .where(RECOMMENDATIONS.c.experiment == experiment)
        .distinct()
        .order_by(RECOMMENDATIONS.c.arm, ALTERNATIVES.c.policy)
    )
    return [(arm, policy) for arm, policy in connection.execute(statement)]


def logs(
    connection: Connection, experiment: str, arm: str, policy: str, until: float, rewarded: set[tuple[str, str]]
) -> tuple[Logs | None, int]:
    """The answers of an arm beside the lists of another policy, and how many had another length and are left out.

    Parameters
    ----------
    until
        Answers up to this time.
    rewarded
        The answers and items that led to an event.

    Returns
    -------
    logs, left_out
        None where there is no answer. The length is the most frequent one.
    """
    table = RECOMMENDATIONS.c
    statement = (
        select(
            table.recommendation_id,
            table.user_id,
            table.probability.label("list_probability"),
            SHOWN.c.item_id.label("shown"),
            SHOWN.c.probability,
            ALTERNATIVES.c.item_id.label("target"),
            ALTERNATIVES.c.probability.label("target_probability"),
            ALTERNATIVES.c.list_probability.label("target_list_probability"),
        )
        .join(SHOWN, SHOWN.c.recommendation_id == table.recommendation_id)
        .join(
            ALTERNATIVES,
            (ALTERNATIVES.c.recommendation_id == table.recommendation_id) & (ALTERNATIVES.c.rank == SHOWN.c.rank),
        )
        .where(
            table.experiment == experiment,
            table.arm == arm,
            table.forced.is_(False),
            table.fallback.is_(False),
            table.created <= until,
            ALTERNATIVES.c.policy == policy,
        )
        .order_by(table.created, table.recommendation_id, SHOWN.c.rank)
    )
    rows: dict[str, list[Any]] = {}
    for row in connection.execute(statement):
        rows.setdefault(row.recommendation_id, []).append(row)
    lengths = Counter(map(len, rows.values()))
    if not lengths:
        return None, 0
    length = lengths.most_common(1)[0][0]
    kept = {name: places for name, places in rows.items() if len(places) == length}
    return _logs(kept, rewarded), len(rows) - len(kept)


def _logs(rows: Mapping[str, Sequence[Any]], rewarded: set[tuple[str, str]]) -> Logs:
    """Arrays from the rows of the answers, which have equal lengths."""
    numbers: dict[str, int] = {}

    def number(item: str) -> int:
        return numbers.setdefault(item, len(numbers))

    places = list(rows.values())
    return Logs(
        users=[answer[0].user_id for answer in places],
        shown=np.array([[number(row.shown) for row in answer] for answer in places]),
        rewards=np.array([[float((row.recommendation_id, row.shown) in rewarded) for row in one] for one in places]),
        probability=np.array([[row.probability for row in answer] for answer in places]),
        list_probability=np.array([answer[0].list_probability for answer in places], dtype=np.float64),
        target=np.array([[number(row.target) for row in answer] for answer in places]),
        target_probability=np.array([[row.target_probability for row in answer] for answer in places]),
        target_list_probability=np.array([answer[0].target_list_probability for answer in places], dtype=np.float64),
    )


def _attributed(*columns: Any) -> Any:
    """A statement over the events that belong to an answer."""
    return (
        select(*columns)
        .join(
            RECOMMENDATIONS,
            (RECOMMENDATIONS.c.recommendation_id == EVENTS.c.recommendation_id)
            & (RECOMMENDATIONS.c.user_id == EVENTS.c.user_id),
        )
        .join(
            SHOWN,
            (SHOWN.c.recommendation_id == EVENTS.c.recommendation_id) & (SHOWN.c.item_id == EVENTS.c.item_id),
        )
        .where(EVENTS.c.timestamp >= RECOMMENDATIONS.c.created - CLOCK_SKEW)
    )
