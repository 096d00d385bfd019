"""Load on `shoptalk serve` for a long time, with a fault every minute: what is answered, and whether anything is lost.

    python benchmarks/soak.py --minutes 30 --json

Customers ask for recommendations and report events with two worker processes; each fault breaks something for some
seconds and repairs it (see `serving.faults`). Half of the time the database is an SQLite file, half of the time a
PostgreSQL server of the test's own, where one is installed. At the end, the stored events are compared with the
acknowledged ones. The exit code is 1 where anything is wrong.

"Disk full" is a limit of 0 bytes for all files of the service's processes, which needs no rights and fails every write
("file too large" in the place of "no space left"). The clock that jumps is `time.time` of the service's processes.
"""

import argparse
import asyncio
import itertools
import json
import shutil
import signal
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import func, select

from serving.customers import Customer, Ledger
from serving.faults import FAULTS, NotNoticed, Target, clock_environment
from serving.http import Connection, Lost
from serving.process import Service
from serving.small_run import make_small_run
from shoptalk.online.database import open_database
from shoptalk.online.tables import EVENTS, RECOMMENDATIONS

ROOT = Path(__file__).parents[1]
SQLITE, POSTGRESQL = "sqlite", "postgresql"
WORKERS = 2
#: Seconds within which everything must work again after a fault, and in which customers repeat events at the end.
PATIENCE = 60.0
#: Seconds within which every client of a killed worker has asked again.
NOTICED = 10.0
#: Memory may grow by this share, and by so many megabytes, from the first third of the time to the last.
GROWTH, SLACK = 1.1, 20.0
#: Shorter tests say nothing about memory.
LEAST_MINUTES = 4.0
#: Routes that must answer at all times, except that a killed worker closes its connections.
PAGES = ("/healthz", "/", "/v1/popular?k=5", "/metrics")
#: Answers that a client can expect while something is broken; anything else is a mistake of the service.
EXPECTED = {
    "200",
    "200 popularity: timed_out",
    "200 popularity: no_history",
    "429 overloaded",
    "503 database",
    "503 timed_out",
    "connection lost",
}


@dataclass
class FaultReport:
    """What a fault did.

    Attributes
    ----------
    outcome
        What happened to it; where the service did not do what it should, that.
    seconds
        How long it lasted.
    recovery
        Seconds from its end until a recommendation of the model and an event were answered; None if that failed.
    results
        Answers by what they were, from its beginning until recovery.
    """

    name: str
    at: float
    outcome: str
    seconds: float
    recovery: float | None
    failed: bool = False
    results: dict[str, int] = field(default_factory=dict)


class Soak:
    """One test with one database.

    Parameters
    ----------
    run
        A trained run, of which a copy is served.
    folder
        An empty folder.
    database
        ``sqlite`` or ``postgresql``.
    seconds, fault_every, fault_seconds
        Of the test, between the beginnings of two faults, and of a fault. A test is longer than ``seconds`` where some
        fault has not come yet.
    faults
        Their names in order; after the last one comes the first again.
    customers, pause
        Number of customers, and the mean seconds between two visits of one.
    """

    def __init__(
        self,
        run: Path,
        folder: Path,
        database: str,
        *,
        seconds: float,
        fault_every: float = 60.0,
        fault_seconds: float = 10.0,
        faults: Sequence[str] = tuple(FAULTS),
        customers: int = 8,
        pause: float = 0.1,
    ) -> None:
        self.run = Path(shutil.copytree(run, folder / "run"))
        self.folder, self.database = folder, database
        self.seconds, self.fault_every, self.fault_seconds = seconds, fault_every, fault_seconds
        self.names, self.customers, self.pause = tuple(faults), customers, pause
        self.ledger = Ledger()
        self.faults: list[FaultReport] = []
        self.begin = time.monotonic()
        self.memory: list[tuple[float, float]] = []

    def execute(self) -> dict[str, Any]:
        """The report."""
        clock = self.folder / "clock"
        environment = clock_environment(clock)
        with _database(self.database, self.folder) as (url, server):
            options = ["--workers", str(WORKERS), "--open"]
            service = Service([self.run], url, self.folder / "service.log", options, environment)
            with service:
                file = None if server is not None else self.folder / "shop.db"
                target = Target(service, self.run, clock, WORKERS, file, server)
                asyncio.run(self._soak(target))
                exit_code = service.stop()
            return self._report(url, exit_code)

    async def _soak(self, target: Target) -> None:
        users = _users(self.run)
        stop, give_up, ended = asyncio.Event(), asyncio.Event(), asyncio.Event()
        port = target.service.port
        customers = [
            asyncio.create_task(Customer(number, port, users, self.ledger, self.pause).shop(stop, give_up))
            for number in range(self.customers)
        ]
        others = [asyncio.create_task(self._look(port, ended)), asyncio.create_task(self._weigh(target, ended))]
        try:
            await self._break(target)
            stop.set()
            await asyncio.wait(customers, timeout=PATIENCE)
            give_up.set()
            await asyncio.gather(*customers)
        finally:
            ended.set()
            await asyncio.gather(*others)

    async def _break(self, target: Target) -> None:
        """One fault after the other; the last one is over before the time is."""
        begin = self.begin = time.monotonic()
        end = begin + self.seconds
        for number in itertools.count():
            start = max(time.monotonic(), begin + (number + 1) * self.fault_every)
            if start + self.fault_seconds >= end and number >= len(self.names):
                break
            await asyncio.sleep(start - time.monotonic())
            self.faults.append(await self._fault(self.names[number % len(self.names)], target, begin))
        self.seconds = max(end, time.monotonic() + self.fault_every) - begin
        await asyncio.sleep(begin + self.seconds - time.monotonic())

    async def _fault(self, name: str, target: Target, begin: float) -> FaultReport:
        """Cause a fault, and wait until everything works again."""
        start = time.monotonic()
        failed = False
        try:
            outcome = await FAULTS[name](target, self.fault_seconds)
        except NotNoticed as error:
            outcome, failed = str(error), True
        end = time.monotonic()
        recovery = await self._recover(target.service.port, f"probe-{len(self.faults)}")
        results = self.ledger.results(since=start, until=time.monotonic())
        return FaultReport(
            name, start - begin, outcome, end - start, recovery, failed or recovery is None, dict(results)
        )

    async def _recover(self, port: int, event_id: str) -> float | None:
        """Seconds until the model answers and an event is stored."""
        begin = time.monotonic()
        user = _users(self.run)[0]
        while time.monotonic() - begin < PATIENCE:
            event = {"event_id": event_id, "user": "probe", "item_id": "probe", "kind": "view", "timestamp": 1.0}
            self.ledger.sent[event_id] = {**event, "recommendation_id": None}
            with suppress(Lost):
                async with Connection(port) as connection:
                    answer = await connection.ask("POST", "/v1/recommend", {"user": user}, timeout=5)
                    stored = await connection.ask("POST", "/v1/events", event, timeout=20)
                if answer.status == stored.status == 200 and answer.json()["fallback"] is None:
                    self.ledger.acknowledged.add(event_id)
                    return time.monotonic() - begin
            await asyncio.sleep(0.1)
        return None

    async def _look(self, port: int, ended: asyncio.Event) -> None:
        """Ask for the pages twice a second, each time on a new connection."""
        missing: set[str] = set()
        async with Connection(port) as connection:
            for path in PAGES:
                if (await connection.ask("GET", path)).status == 404:
                    missing.add(path)
        while not ended.is_set():
            for path in PAGES:
                if path not in missing:
                    async with Connection(port) as connection:
                        await self.ledger.ask(connection, f"GET {path}", "GET", path)
            await asyncio.sleep(0.5)

    async def _weigh(self, target: Target, ended: asyncio.Event) -> None:
        """Note the memory of the service."""
        while not ended.is_set():
            self.memory.append((time.monotonic(), await asyncio.to_thread(target.service.memory)))
            with suppress(TimeoutError):
                await asyncio.wait_for(ended.wait(), 2)

    def _report(self, url: str, exit_code: int | None) -> dict[str, Any]:
        ledger = self.ledger
        stored, recommendations = _stored(url)
        sent = {event_id: _as_stored(event) for event_id, event in ledger.sent.items()}
        events = {
            "sent": len(sent),
            "acknowledged": len(ledger.acknowledged),
            "stored": len(stored),
            "lost": len(ledger.acknowledged - stored.keys()),
            "changed": sum(sent.get(event_id) != event for event_id, event in stored.items()),
            "stored_but_not_acknowledged": len(stored.keys() - ledger.acknowledged),
        }
        by_route: dict[str, dict[str, int]] = {}
        for moment in ledger.moments:
            counts = by_route.setdefault(moment.route, {})
            counts[moment.result] = counts.get(moment.result, 0) + 1
        times = [moment.seconds for moment in ledger.moments if moment.route == "recommend" and not moment.is_error]
        report = {
            "database": self.database,
            "minutes": self.seconds / 60,
            "requests": len(ledger.moments),
            "results": by_route,
            "milliseconds": dict(zip(("p50", "p99", "p100"), np.percentile(times, [50, 99, 100]) * 1000, strict=True)),
            "events": events,
            "recommendations_logged": recommendations,
            "faults": [vars(fault) for fault in self.faults],
            "lost_after_kill": sum(self._lost_after(fault) for fault in self.faults if fault.name == "worker killed"),
            "memory": self._memory(),
            "exit_code": exit_code,
        }
        report["mistakes"] = mistakes(report, ledger)
        return report

    def _lost_after(self, fault: FaultReport) -> int:
        """Connections lost soon after a fault: a client of a killed worker notices at its next request."""
        start = self.begin + fault.at
        return self.ledger.results(since=start, until=start + fault.seconds + NOTICED)["connection lost"]

    def _memory(self) -> dict[str, float] | None:
        """Medians of megabytes in the first and the last third of the time; None for a short test."""
        if self.seconds < LEAST_MINUTES * 60:
            return None
        third = len(self.memory) // 3
        parts = [[megabytes for _, megabytes in part] for part in (self.memory[:third], self.memory[-third:])]
        return {"first": statistics.median(parts[0]), "last": statistics.median(parts[1])}


def mistakes(report: dict[str, Any], ledger: Ledger) -> list[str]:
    """What the service did wrong; empty if nothing."""
    found = [f"{count} times: {what}" for what, count in Counter(ledger.wrong).items()]
    events = report["events"]
    for name in ("lost", "changed", "stored_but_not_acknowledged"):
        if events[name]:
            found.append(f"{events[name]} events {name.replace('_', ' ')}")
    for route, results in report["results"].items():
        expected = EXPECTED if not route.startswith("GET") else {"200", "connection lost"}
        found += [f"{route}: {count} times {result}" for result, count in results.items() if result not in expected]
    lost = sum(results.get("connection lost", 0) for results in report["results"].values())
    killed = report["lost_after_kill"]
    if lost > killed:
        found.append(f"{lost - killed} connections were lost while no worker was killed")
    for fault in report["faults"]:
        if fault["failed"]:
            found.append(f"{fault['name']} at {fault['at']:.0f} s: {fault['outcome']}; recovery {fault['recovery']}")
    memory = report["memory"]
    if memory is not None and memory["last"] > memory["first"] * GROWTH + SLACK:
        found.append(f"memory grew from {memory['first']:.0f} to {memory['last']:.0f} MB")
    if report["exit_code"] != 0:
        found.append(f"the exit code after SIGTERM is {report['exit_code']}")
    return found


def _users(run: Path) -> list[str]:
    """Users of the dataset of a run, and some that it does not know."""
    from shoptalk.runs import open_run
    from shoptalk.stages.load_dataset import open_run_dataset

    rows = open_run_dataset(open_run(run)).rows
    known = np.unique(np.asarray(rows.users, dtype=object)).tolist()
    return [*known[:500], *(f"new-{number}" for number in range(len(known[:500]) // 5))]


def _as_stored(event: dict[str, Any]) -> tuple[Any, ...]:
    names = ("user", "item_id", "kind", "timestamp", "recommendation_id")
    return tuple(event[name] for name in names)


def _stored(url: str) -> tuple[dict[str, tuple[Any, ...]], int]:
    """The stored events by id, and the number of logged answers."""
    database = open_database(url, create=False)
    columns = EVENTS.c
    statement = select(
        columns.event_id, columns.user_id, columns.item_id, columns.kind, columns.timestamp, columns.recommendation_id
    )
    try:
        with database.read() as connection:
            events = {row[0]: tuple(row[1:]) for row in connection.execute(statement)}
            count = connection.execute(select(func.count()).select_from(RECOMMENDATIONS)).scalar() or 0
        return events, count
    finally:
        database.close()


@contextmanager
def _database(kind: str, folder: Path) -> Iterator[tuple[str, Any]]:
    """The URL of an empty database, and its server if it has one."""
    if kind == SQLITE:
        yield str(folder / "shop.db"), None
        return
    from tests.online import postgres

    with postgres.server() as server:
        yield server.empty_database(), server


def why_not(kind: str) -> str | None:
    """Why a database cannot be used here; None if it can be."""
    if kind == SQLITE:
        return None
    sys.path.append(str(ROOT))
    from tests.online import postgres

    return postgres.why_not()


def markdown(report: dict[str, Any]) -> str:
    """A report as Markdown."""
    times, events = report["milliseconds"], report["events"]
    lines = [
        f"{report['database']}, {report['minutes']:.1f} minutes: {report['requests']:,} requests; recommendations: p50 "
        f"{times['p50']:.0f} ms, p99 {times['p99']:.0f} ms, longest {times['p100']:.0f} ms",
        f"events: {events['sent']:,} sent, {events['acknowledged']:,} acknowledged, {events['stored']:,} stored, "
        f"{events['lost']} lost, {events['changed']} changed",
        "",
        "| answers | " + " | ".join(report["results"]) + " |",
        "|---|" + "---|" * len(report["results"]),
    ]
    for result in sorted({result for counts in report["results"].values() for result in counts}):
        counts = (f"{counts.get(result, 0):,}" for counts in report["results"].values())
        lines.append(f"| {result} | " + " | ".join(counts) + " |")
    lines += [
        "",
        "| fault | at s | lasted s | recovery s | outcome | answers other than 200 |",
        "|---|---|---|---|---|---|",
    ]
    for fault in report["faults"]:
        recovery = "never" if fault["recovery"] is None else f"{fault['recovery']:.2f}"
        others = ", ".join(f"{count} {name}" for name, count in fault["results"].items() if name != "200")
        figures = f"{fault['at']:.0f} | {fault['seconds']:.1f} | {recovery}"
        lines.append(f"| {fault['name']} | {figures} | {fault['outcome']} | {others} |")
    memory = report["memory"]
    if memory is not None:
        lines += ["", f"memory: {memory['first']:.0f} MB in the first third, {memory['last']:.0f} MB in the last"]
    lines += ["", "mistakes: " + ("; ".join(report["mistakes"]) or "none")]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, help="a trained run; default: a small one is made")
    parser.add_argument("--minutes", type=float, default=30.0, help="of all databases together")
    parser.add_argument("--databases", nargs="+", choices=(SQLITE, POSTGRESQL), default=[SQLITE, POSTGRESQL])
    parser.add_argument("--fault-every", type=float, default=60.0, metavar="SECONDS")
    parser.add_argument("--fault-seconds", type=float, default=10.0, metavar="SECONDS")
    parser.add_argument("--customers", type=int, default=8)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # the service must end too
    left_out = {kind: reason for kind in options.databases if (reason := why_not(kind)) is not None}
    for kind, reason in left_out.items():
        print(f"{kind} is left out: {reason}", file=sys.stderr)
    kinds = [kind for kind in options.databases if kind not in left_out]
    reports = []
    with tempfile.TemporaryDirectory() as temporary:
        run = options.run or make_small_run(Path(temporary) / "shop", users=300, items=200)
        for kind in kinds:
            folder = Path(temporary) / kind
            folder.mkdir()
            soak = Soak(
                run.resolve(),
                folder,
                kind,
                seconds=options.minutes * 60 / len(kinds),
                fault_every=options.fault_every,
                fault_seconds=options.fault_seconds,
                customers=options.customers,
            )
            reports.append(soak.execute())
    print(json.dumps(reports, indent=2) if options.json else "\n\n".join(map(markdown, reports)))
    sys.exit(any(report["mistakes"] for report in reports))


if __name__ == "__main__":
    main()
