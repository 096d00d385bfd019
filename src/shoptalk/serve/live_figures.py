"""Figures of the dashboard from the database: answers, fallbacks, times and events over time, and drift."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest
from sqlalchemy import Column, Integer, cast, func, select

from shoptalk.online.database import Database
from shoptalk.online.events import CLICK, PURCHASE
from shoptalk.online.tables import EVENTS, RECOMMENDATIONS
from shoptalk.serve.arms import Arm

#: Most bins of a period, upper ends of the bins of times in milliseconds, and most times that are read.
BINS = 48
EDGES = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)
MOST_TIMES, MOST_EVENTS = 200_000, 200_000
#: Fewest events of a drift, its parts of a period, and the draws that say what chance alone would give.
LEAST, PARTS, DRAWS = 20, 8, 200
HOUR, DAY = 3600.0, 86_400.0


@dataclass(frozen=True, slots=True)
class Period:
    """A time from ``start`` to ``end`` in seconds since 1970, in bins of ``width`` seconds."""

    start: float
    end: float
    width: float

    @property
    def bins(self) -> int:
        """The number of bins."""
        return max(1, round((self.end - self.start) / self.width))


@dataclass(frozen=True, slots=True)
class Trained:
    """What a run was trained on.

    Attributes
    ----------
    counts
        The purchases that it learned from, by item id, without products that were never bought.
    new_share
        The share of the test purchases that are of other products; None without test purchases.
    """

    counts: Mapping[str, float]
    new_share: float | None


def trained_on(arm: Arm) -> Trained:
    """What an arm's run was trained on."""
    dataset = arm.dataset
    learned = dataset.learned_purchases(refit=arm.trained.run.recipe.training.refit)
    numbers: NDArray[np.int64] = np.bincount(learned.item, minlength=len(dataset.rows.item_ids))
    counts = {dataset.rows.item_ids[item]: float(numbers[item]) for item in np.flatnonzero(numbers).tolist()}
    cases = () if dataset.sealed else dataset.split("last").test
    targets = [item for case in cases for item in case.targets]
    return Trained(counts, sum(item not in counts for item in targets) / len(targets) if targets else None)


def period_of(hours: float, now: float | None = None) -> Period:
    """The last hours, in bins of full minutes, hours or days."""
    end = time.time() if now is None else now
    widths = (60.0, 300.0, 900.0, HOUR, 3 * HOUR, 6 * HOUR, DAY, 7 * DAY, 30 * DAY, 365 * DAY)
    width = next((width for width in widths if hours * HOUR / width <= BINS), widths[-1])
    end = (end // width + 1) * width
    return Period(end - max(1, round(hours * HOUR / width)) * width, end, width)


def answers_over_time(database: Database, period: Period) -> list[dict[str, Any]]:
    """For each bin the number of answers, and of those that another method gave."""
    found = [
        {"start": period.start + number * period.width, "answers": 0, "fallbacks": 0} for number in range(period.bins)
    ]
    table = RECOMMENDATIONS.c
    number = _bin(database, table.created, period)
    fallbacks = func.sum(cast(table.fallback, Integer))
    statement = (
        select(number, func.count(), fallbacks)
        .where(table.created >= period.start, table.created < period.end)
        .group_by(number)
    )
    with database.read() as connection:
        for at, answers, fallen in connection.execute(statement):
            found[min(int(at), period.bins - 1)].update(answers=int(answers), fallbacks=int(fallen or 0))
    return found


def events_over_time(database: Database, period: Period) -> dict[str, list[int]]:
    """For each kind of event its number in each bin."""
    found: dict[str, list[int]] = {}
    number = _bin(database, EVENTS.c.received, period)
    statement = (
        select(number, EVENTS.c.kind, func.count())
        .where(EVENTS.c.received >= period.start, EVENTS.c.received < period.end)
        .group_by(number, EVENTS.c.kind)
    )
    with database.read() as connection:
        for at, kind, count in connection.execute(statement):
            found.setdefault(kind, [0] * period.bins)[min(int(at), period.bins - 1)] = int(count)
    return dict(sorted(found.items()))


def times(database: Database, period: Period) -> dict[str, Any]:
    """The histogram and the quantiles of the times to answer, in milliseconds."""
    table = RECOMMENDATIONS.c
    statement = (
        select(table.milliseconds)
        .where(table.created >= period.start, table.created < period.end, table.milliseconds.is_not(None))
        .order_by(table.created.desc())
        .limit(MOST_TIMES)
    )
    with database.read() as connection:
        values = np.array(connection.execute(statement).scalars().all(), dtype=np.float64)
    counts = np.histogram(values, bins=[0, *EDGES, np.inf])[0]
    quantiles = [None] * 3 if not len(values) else np.quantile(values, [0.5, 0.95, 0.99]).round(3).tolist()
    return {
        "edges": list(EDGES),
        "counts": counts.tolist(),
        "answers": len(values),
        "p50": quantiles[0],
        "p95": quantiles[1],
        "p99": quantiles[2],
    }


def drift(database: Database, period: Period, trained: Trained) -> dict[str, Any]:
    """How far what customers do has moved from what the run was trained on.

    Popularity: the total variation distance of the shares of the products, 0 (equal) to 1, beside the distance that as
    many draws from the training purchases have by chance. New products: the share of events with products that have no
    training purchase, beside that of the run's test purchases.
    """
    with database.read() as connection:
        for kind in (PURCHASE, CLICK):
            statement = (
                select(EVENTS.c.received, EVENTS.c.item_id)
                .where(EVENTS.c.kind == kind, EVENTS.c.received >= period.start, EVENTS.c.received < period.end)
                .order_by(EVENTS.c.received.desc())
                .limit(MOST_EVENTS)
            )
            rows = connection.execute(statement).all()
            if len(rows) >= LEAST:
                break
    counts = trained.counts
    at = np.array([row.received for row in rows], dtype=np.float64)
    items = [row.item_id for row in rows]
    parts = np.minimum(((at - period.start) / (period.end - period.start) * PARTS).astype(np.int64), PARTS - 1)
    chosen = [(part, [item for item, own in zip(items, parts, strict=True) if own == part]) for part in range(PARTS)]
    step = (period.end - period.start) / PARTS
    return {
        "kind": kind,
        "least": LEAST,
        "all": drift_of(items, counts),
        "parts": [{"start": period.start + part * step, **drift_of(own, counts)} for part, own in chosen],
        "trained_new_share": trained.new_share,
    }


def drift_of(items: Sequence[str], counts: Mapping[str, float]) -> dict[str, Any]:
    """The drift of some events; the values are null where there are fewer than `LEAST`."""
    n = len(items)
    if n < LEAST:
        return {"events": n, "distance": None, "chance": None, "new_share": None}
    names = {item: number for number, item in enumerate(dict.fromkeys([*counts, *items]))}
    trained = np.zeros(len(names))
    trained[: len(counts)] = list(counts.values())
    trained /= max(trained.sum(), 1)
    live = np.bincount([names[item] for item in items], minlength=len(names))
    draws = np.random.default_rng(0).multinomial(n, trained / max(trained.sum(), 1e-12), size=DRAWS)
    chance = np.abs(draws / n - trained).sum(axis=1) / 2
    new = sum(counts.get(item, 0) <= 0 for item in items)
    interval = binomtest(new, n).proportion_ci(method="wilson")
    return {
        "events": n,
        "distance": float(np.abs(live / n - trained).sum() / 2),
        "chance": {"low": float(np.quantile(chance, 0.025)), "high": float(np.quantile(chance, 0.975))},
        "new_share": {"value": new / n, "low": float(interval.low), "high": float(interval.high)},
    }


def _bin(database: Database, column: Column[Any], period: Period) -> Any:
    """The number of the bin of a time, in SQL. SQLite's cast cuts off, PostgreSQL's rounds."""
    number = (column - period.start) / period.width
    return cast(number if database.is_sqlite else func.floor(number), Integer)
