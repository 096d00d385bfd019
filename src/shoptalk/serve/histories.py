"""Live histories: what the dataset holds of a user, followed by what the user did since."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from shoptalk.errors import DatabaseError
from shoptalk.online.database import Database
from shoptalk.online.events import PURCHASE, Event, histories

#: Latest events of a user that are read.
LATEST = 200


@dataclass(frozen=True, slots=True)
class LiveEvents:
    """Events of a user.

    Attributes
    ----------
    items
        The items, in the order of the last event with each.
    purchases
        When each item was last bought, in seconds since 1970.
    """

    items: tuple[str, ...] = ()
    purchases: Mapping[str, float] = field(default_factory=dict)


def live_events(database: Database, users: Sequence[str], kinds: Sequence[str]) -> tuple[dict[str, LiveEvents], bool]:
    """The events of some users, and whether the database could be read; without it nobody has events."""
    if not users:
        return {}, True
    try:
        found = histories(database, users, (*dict.fromkeys((*kinds, PURCHASE)),), LATEST)
    except DatabaseError:
        return {}, False
    return {user: _summary(events, kinds) for user, events in found.items()}, True


def _summary(events: Sequence[Event], kinds: Sequence[str]) -> LiveEvents:
    items: dict[str, None] = {}
    purchases: dict[str, float] = {}
    for event in events:
        if event.kind in kinds:
            items.pop(event.item_id, None)  # its last event counts
            items[event.item_id] = None
        if event.kind == PURCHASE:
            purchases[event.item_id] = event.timestamp
    return LiveEvents(tuple(items), purchases)
