"""Events: what customers did, stored once each; histories of users; what is stored about a person, and its erasure."""

import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, Row, Select, bindparam, delete, func, insert, select, text
from sqlalchemy.dialects import postgresql, sqlite

from shoptalk.errors import RecordError
from shoptalk.online.database import Database
from shoptalk.online.records import check_id, check_number, check_time, chunks, now
from shoptalk.online.tables import ERASED, EVENTS, RECOMMENDATIONS, SETTINGS, SHOWN

#: Kinds of events with a meaning to shoptalk; others are stored too.
VIEW, CLICK, BASKET, PURCHASE = "view", "click", "basket", "purchase"
#: Most events in one call of `add_events`.
MOST_EVENTS = 10_000
#: The order of a history: that of the timestamps, equal ones as received.
_ORDER = (EVENTS.c.timestamp, EVENTS.c.received, EVENTS.c.event_id)


@dataclass(frozen=True, slots=True)
class Event:
    """Something that a customer did with a product.

    Attributes
    ----------
    event_id
        An id that the sender makes; a second event with the same id is ignored.
    user_id, item_id
        Who, and with which product.
    kind
        ``view``, ``click``, ``basket``, ``purchase`` or any other word.
    timestamp
        When, in seconds since 1970.
    recommendation_id
        The answer that led to it, if one did.
    value
        Such as the amount paid.
    """

    event_id: str
    user_id: str
    item_id: str
    kind: str
    timestamp: float
    recommendation_id: str | None = None
    value: float | None = None

    def checked(self) -> "Event":
        """The event with plain values.

        Raises
        ------
        RecordError
            If a value cannot be stored.
        """
        return Event(
            check_id(self.event_id, "event_id"),
            check_id(self.user_id, "user_id"),
            check_id(self.item_id, "item_id"),
            check_id(self.kind, "kind"),
            check_time(self.timestamp, "timestamp"),
            None if self.recommendation_id is None else check_id(self.recommendation_id, "recommendation_id"),
            None if self.value is None else check_number(self.value, "value"),
        )


@dataclass(frozen=True, slots=True)
class Added:
    """How many events were stored, and how many were ignored because their id was stored before.

    ``ids`` are those of the events that were stored.
    """

    stored: int
    duplicates: int
    ids: frozenset[str] = field(default=frozenset(), compare=False, repr=False)


def add_events(database: Database, events: Sequence[Event], *, received: float | None = None) -> Added:
    """Store events, all or none of them. When this returns they are on the disk.

    Of several events with one id the first is kept, also if they are written by several processes at once.

    Raises
    ------
    RecordError
        If a value cannot be stored; ``where`` is the number of the event.
    DatabaseError
        If they are not stored, or if that is unknown. Sending them again is safe.
    """
    if len(events) > MOST_EVENTS:
        raise RecordError(f"{len(events):,} events at once; at most {MOST_EVENTS:,} are stored")
    time = now() if received is None else received
    rows: dict[str, dict[str, Any]] = {}
    for number, raw in enumerate(events):
        try:
            event = raw.checked()
        except RecordError as error:
            raise RecordError(error.message, where=f"event {number}", hint=error.hint) from error
        rows.setdefault(event.event_id, {**_values(event), "received": time + number * 1e-6})
    if not rows:
        return Added(0, 0)
    # One order for all writers, so that two transactions never wait for each other's rows.
    ordered = [rows[event_id] for event_id in sorted(rows)]
    dialect = sqlite if database.is_sqlite else postgresql
    statement = dialect.insert(EVENTS).on_conflict_do_nothing(index_elements=["event_id"]).returning(EVENTS.c.event_id)
    with database.write() as connection:
        stored = frozenset(connection.execute(statement, ordered).scalars())
    return Added(len(stored), len(events) - len(stored), stored)


def history(
    database: Database, user_id: str, kinds: Sequence[str] | None = None, limit: int | None = None
) -> tuple[Event, ...]:
    """The last ``limit`` events of a user, in the order of time; of some kinds if ``kinds`` is given."""
    return histories(database, [user_id], kinds, limit).get(user_id, ())


def histories(
    database: Database, users: Sequence[str], kinds: Sequence[str] | None = None, limit: int | None = None
) -> dict[str, tuple[Event, ...]]:
    """`history` of several users; those without events are not among the keys."""
    collected: dict[str, list[Event]] = {}
    with database.read() as connection:
        for part in chunks(sorted(set(users))):
            statement = _latest(None if kinds is None else tuple(kinds), limit)
            for row in connection.execute(statement, {"users": part}):
                collected.setdefault(row.user_id, []).append(_event(row))
    return {user: tuple(events) for user, events in collected.items()}


@lru_cache(maxsize=64)
def _latest(kinds: tuple[str, ...] | None, limit: int | None) -> Select[Any]:
    """The statement for the latest events of ``users``; it is kept, as making it takes longer than running it."""
    statement = select(EVENTS).where(EVENTS.c.user_id.in_(bindparam("users", expanding=True)))
    if kinds is not None:
        statement = statement.where(EVENTS.c.kind.in_(kinds))
    if limit is not None:
        latest = tuple(column.desc() for column in _ORDER)
        place = func.row_number().over(partition_by=EVENTS.c.user_id, order_by=latest).label("place")
        ranked = statement.add_columns(place).subquery()
        columns = ranked.c
        return select(ranked).where(columns.place <= limit).order_by(*(columns[column.name] for column in _ORDER))
    return statement.order_by(*_ORDER)


def stored_about(database: Database, user_id: str) -> dict[str, Any]:
    """Everything that is stored about a person, as JSON: events, and the answers with what they showed."""
    with database.read() as connection:
        events = connection.execute(_latest(None, None), {"users": [user_id]}).mappings().all()
        answers = (
            connection.execute(
                select(RECOMMENDATIONS)
                .where(RECOMMENDATIONS.c.user_id == user_id)
                .order_by(RECOMMENDATIONS.c.created, RECOMMENDATIONS.c.recommendation_id)
            )
            .mappings()
            .all()
        )
        shown: dict[str, list[dict[str, Any]]] = {}
        for part in chunks([answer["recommendation_id"] for answer in answers]):
            items = select(SHOWN).where(SHOWN.c.recommendation_id.in_(part)).order_by(SHOWN.c.rank)
            for row in connection.execute(items).mappings():
                entry = dict(row)
                shown.setdefault(entry.pop("recommendation_id"), []).append(entry)
    return {
        "user_id": user_id,
        "events": [dict(row) for row in events],
        "recommendations": [{**row, "shown": shown.get(row["recommendation_id"], [])} for row in answers],
    }


@dataclass(frozen=True, slots=True)
class Erased:
    """How many events and answers of a person were erased."""

    events: int
    recommendations: int


def erase_user(database: Database, user_id: str) -> Erased:
    """Erase everything about a person, and record the erasure under a keyed hash of the id.

    In SQLite the content is overwritten, in the file and in its journal. PostgreSQL overwrites it at its next VACUUM.
    """
    with database.write() as connection:
        events = connection.execute(delete(EVENTS).where(EVENTS.c.user_id == user_id)).rowcount
        answers = connection.execute(delete(RECOMMENDATIONS).where(RECOMMENDATIONS.c.user_id == user_id)).rowcount
        user_hash = _user_hash(connection, user_id)
        connection.execute(delete(ERASED).where(ERASED.c.user_hash == user_hash))
        connection.execute(insert(ERASED).values(user_hash=user_hash, erased=now()))
    database.checkpoint()
    return Erased(events, answers)


def was_erased(database: Database, user_id: str) -> float | None:
    """When the data of a person were erased last; None if never."""
    with database.read() as connection:
        user_hash = _user_hash(connection, user_id)
        return connection.execute(select(ERASED.c.erased).where(ERASED.c.user_hash == user_hash)).scalar()


def _user_hash(connection: Connection, user_id: str) -> str:
    """HMAC-SHA256 of a user's id, with the key of this database."""
    key = connection.execute(select(SETTINGS.c.value).where(SETTINGS.c.name == "erasure_key")).scalar_one()
    return hmac.new(bytes.fromhex(key), user_id.encode(), hashlib.sha256).hexdigest()


def count_events(database: Database) -> int:
    """The number of stored events."""
    with database.read() as connection:
        return int(connection.execute(select(func.count()).select_from(EVENTS)).scalar_one())


def check_alive(database: Database) -> None:
    """Raise a `DatabaseError` if the database does not answer."""
    with database.read() as connection:
        connection.execute(text("SELECT 1"))


def _values(event: Event) -> dict[str, Any]:
    """The columns of an event."""
    return {name: getattr(event, name) for name in Event.__slots__}


def _event(row: Row[Any]) -> Event:
    """An event from its row."""
    return Event(row.event_id, row.user_id, row.item_id, row.kind, row.timestamp, row.recommendation_id, row.value)
