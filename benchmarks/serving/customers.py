"""Customers of a soak test: they ask, report what they did until it is acknowledged, and note every answer."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from serving.http import Connection, Lost, Reply

#: Seconds between two tries, where the service does not name another time, and the longest that is waited.
PAUSE, LONGEST_PAUSE = 0.2, 2.0
#: Share of the acknowledged events that are sent once more, as by a client that missed the answer.
AGAIN = 0.1


@dataclass(frozen=True, slots=True)
class Moment:
    """One answer: when it came (`time.monotonic`), to what, and what it was."""

    time: float
    route: str
    result: str
    seconds: float

    @property
    def is_error(self) -> bool:
        """Whether it is not an answer with what was asked for."""
        return not self.result.startswith("200")


@dataclass
class Ledger:
    """What customers have sent, and what they were answered.

    Attributes
    ----------
    moments
        All answers.
    sent
        Events by id, as they were sent.
    acknowledged
        Ids of events that the service said are stored.
    wrong
        Answers that contradict what was sent.
    """

    moments: list[Moment] = field(default_factory=list)
    sent: dict[str, dict[str, Any]] = field(default_factory=dict)
    acknowledged: set[str] = field(default_factory=set)
    wrong: list[str] = field(default_factory=list)

    def results(self, route: str | None = None, since: float = 0.0, until: float = float("inf")) -> Counter[str]:
        """How often each result came, of a route or of all, in a period."""
        return Counter(
            moment.result for moment in self.moments if since <= moment.time < until and route in {None, moment.route}
        )

    async def ask(self, connection: Connection, route: str, method: str, path: str, body: Any = None) -> Reply | None:
        """The answer to a request, which is noted; None if there is none."""
        begin = time.monotonic()
        try:
            reply = await connection.ask(method, path, body)
            result = _describe(reply, route)
        except Lost:
            reply, result = None, "connection lost"
        now = time.monotonic()
        self.moments.append(Moment(now, route, result, now - begin))
        return reply


def _describe(reply: Reply, route: str) -> str:
    """The status, with the kind of the error, or the reason of a fallback."""
    if reply.status != 200:
        try:
            kind = reply.json()["error"]["kind"]
        except (ValueError, KeyError, TypeError):
            kind = "no JSON"
        return f"{reply.status} {kind}"
    if route == "recommend" and (fallback := reply.json()["fallback"]):
        return f"200 popularity: {fallback}"
    return "200"


class Customer:
    """Somebody who asks for recommendations again and again, as any of the users, and reports what was done.

    Parameters
    ----------
    pause
        Mean seconds between two visits.
    """

    def __init__(self, number: int, port: int, users: Sequence[str], ledger: Ledger, pause: float) -> None:
        self._number, self._users, self._ledger, self._pause = number, users, ledger, pause
        self._random = random.Random(number)
        self._connection = Connection(port)
        self._events = 0

    async def shop(self, stop: asyncio.Event, give_up: asyncio.Event) -> None:
        """Visit until ``stop`` is set; what is not acknowledged yet is sent again until ``give_up`` is set."""
        async with self._connection:
            while not stop.is_set():
                user = self._random.choice(self._users)
                reply = await self._ledger.ask(
                    self._connection, "recommend", "POST", "/v1/recommend", {"user": user, "k": 10}
                )
                if reply is not None and reply.status == 200:
                    answer = reply.json()
                    if not answer["items"]:
                        self._ledger.wrong.append("an answer without products")
                    elif self._random.random() < 0.5:
                        await self._report(self._make_events(user, answer), give_up)
                else:
                    await asyncio.sleep(_wait(reply))
                await asyncio.sleep(self._random.expovariate(1 / self._pause))

    def _make_events(self, user: str, answer: dict[str, Any]) -> list[dict[str, Any]]:
        """One to three events about the products of an answer."""
        events = []
        for item in self._random.sample(answer["items"], min(len(answer["items"]), self._random.randint(1, 3))):
            self._events += 1
            event = {
                "event_id": f"c{self._number}-{self._events}",
                "user": user,
                "item_id": item["item_id"],
                "kind": self._random.choice(["click", "click", "basket", "purchase"]),
                "timestamp": round(time.time(), 3),
                "recommendation_id": answer["recommendation_id"],
            }
            self._ledger.sent[event["event_id"]] = event
            events.append(event)
        return events

    async def _report(self, events: list[dict[str, Any]], give_up: asyncio.Event) -> None:
        """Send events until they are acknowledged, and some once more."""
        body = events[0] if len(events) == 1 else {"events": events}
        tries = 0
        while not give_up.is_set():
            reply = await self._ledger.ask(self._connection, "events", "POST", "/v1/events", body)
            tries += 1
            if reply is not None and reply.status == 200:
                self._check(reply.json(), len(events), tries)
                self._ledger.acknowledged.update(event["event_id"] for event in events)
                break
            await asyncio.sleep(_wait(reply))
        if self._random.random() < AGAIN and tries == 1:
            reply = await self._ledger.ask(self._connection, "events", "POST", "/v1/events", body)
            if reply is not None and reply.status == 200 and reply.json()["stored"]:
                self._ledger.wrong.append("an event that was sent twice was stored twice")

    def _check(self, answer: dict[str, int], count: int, tries: int) -> None:
        """All events are stored now: by this try, or by an earlier one whose answer was lost."""
        if answer["stored"] + answer["duplicates"] != count or (tries == 1 and answer["duplicates"]):
            self._ledger.wrong.append(f"{count} events were answered with {answer}")


def _wait(reply: Reply | None) -> float:
    """Seconds until the next try."""
    if reply is None or "retry-after" not in reply.headers:
        return PAUSE
    return min(float(reply.headers["retry-after"]), LONGEST_PAUSE)
