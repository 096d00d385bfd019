"""Keeps the state up to date: new runs, rules and products are taken up, and broken ones refused, while serving."""

import asyncio
import threading
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import func, select

from shoptalk.errors import DatabaseError, ShoptalkError
from shoptalk.files import write_text
from shoptalk.online.database import Database
from shoptalk.online.events import PURCHASE
from shoptalk.online.items import changes_since
from shoptalk.online.tables import EVENTS
from shoptalk.serve.arms import Arm, load_arm, load_last_arm
from shoptalk.serve.engine import Engine
from shoptalk.serve.explore import Explorer
from shoptalk.serve.logs import log
from shoptalk.serve.metrics import Metrics
from shoptalk.serve.rules import Rule, read_rules
from shoptalk.serve.settings import ArmSettings, Settings
from shoptalk.serve.snapshot import signature
from shoptalk.serve.state import State, make_state, with_changes, with_live_counts, with_rules

#: Seconds between two counts of the purchases that events report.
COUNT_EVERY = 30.0


@dataclass
class Refused:
    """What was not taken up, with the reason.

    Attributes
    ----------
    signature
        Of the refused files, which are not read again until they change.
    message
        The error, in one line.
    since
        When, in seconds since 1970.
    """

    signature: str | None
    message: str
    since: float = field(default_factory=time.time)


class Upkeep:
    """Looks at the folders of the runs, the file of rules and the catalogue, and replaces the state of the engine.

    Parameters
    ----------
    settings, database, metrics
        Of the service.
    cache
        Folder for copies of weights, see `load_arm`.
    """

    def __init__(self, settings: Settings, database: Database, metrics: Metrics, cache: Path | None) -> None:
        self.settings, self.database, self.metrics, self.cache = settings, database, metrics, cache
        self.refused: dict[str, Refused] = {}
        self._rules_signature: tuple[int, int, int] | None = None
        self._rules: tuple[Rule, ...] = ()
        self._counted = 0.0
        self._lock = threading.Lock()
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="upkeep")
        self._task: asyncio.Task[None] | None = None
        self.engine: Engine | None = None

    def load(self) -> Engine:
        """Load everything for the first time.

        A run or a rules file that is broken by now, and that another process of this service has loaded before, is used
        as it was.

        Raises
        ------
        ShoptalkError
            If a run, the rules or the database cannot be used.
        """
        if self.settings.rules is not None:
            self._rules_signature = _file_signature(Path(self.settings.rules))
            self._rules = self._load_rules(Path(self.settings.rules))
        arms = [self._load_arm(arm) for arm in self.settings.arms]
        state = make_state(arms, self._rules, changes_since(self.database), self._count())
        explorer = None if self.settings.exploration is None else Explorer(self.settings.exploration)
        if explorer is not None:
            explorer.learn(self.database)
        self.metrics.database.set(1)
        self.engine = Engine(state, self.database, self.settings.history_kinds, explorer)
        self._note_items(state)
        return self.engine

    def _load_rules(self, path: Path) -> tuple[Rule, ...]:
        """The rules of a file, or, if that is broken, those that were in use."""
        try:
            return self._read_rules(path)
        except ShoptalkError as error:
            if self._kept_rules is None or not self._kept_rules.exists():
                raise
            self._refuse("rules", None, error)
            return read_rules(self._kept_rules)

    def _read_rules(self, path: Path) -> tuple[Rule, ...]:
        """The rules of a file, of which a copy is kept for processes that start later."""
        rules = read_rules(path)
        if self._kept_rules is not None:
            write_text(self._kept_rules, path.read_text(encoding="utf-8"))
        return rules

    @property
    def _kept_rules(self) -> Path | None:
        return None if self.cache is None else self.cache / "rules.toml"

    def _load_arm(self, settings: ArmSettings) -> Arm:
        """The arm of a folder, or, if that is broken, of the last copy that was served."""
        found = signature(Path(settings.folder))
        try:
            return load_arm(settings, self.cache)
        except ShoptalkError as error:
            last = load_last_arm(settings, self.cache)
            if last is None:
                raise
            self._refuse(settings.name, found, error)
            return last

    def start(self) -> None:
        """Begin to look, in the running event loop."""
        self._task = asyncio.create_task(self._run())

    async def refresh(self, *, again: bool = False) -> None:
        """Look now, and return when everything has been taken up.

        Parameters
        ----------
        again
            Whether to try again what was refused.
        """
        await asyncio.get_running_loop().run_in_executor(self._executor, self._look, again)

    def look_soon(self, *, again: bool = False) -> None:
        """Look as soon as possible, without waiting; for handlers of signals."""
        self._executor.submit(self._look, again)

    async def close(self) -> None:
        """Stop looking."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        self._executor.shutdown(wait=False, cancel_futures=True)

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(self.settings.poll_seconds)
            try:
                await self.refresh()
            except Exception as error:  # the old state serves on
                log("looking for changes failed", 40, error=type(error).__name__)

    def _look(self, again: bool) -> None:
        with self._lock:
            if again:
                self.refused.clear()
                self._rules_signature = None
            assert self.engine is not None
            self._look_at_rules(self.engine)
            self._look_at_runs(self.engine)
            try:
                self._look_at_items(self.engine)
                if time.monotonic() - self._counted > COUNT_EVERY:
                    self.engine.state = with_live_counts(self.engine.state, self._count())
                    if self.engine.explorer is not None:
                        self.engine.explorer.learn(self.database)
                self.metrics.database.set(1)
            except DatabaseError:
                self.metrics.database.set(0)

    def _look_at_rules(self, engine: Engine) -> None:
        if self.settings.rules is None:
            return
        path = Path(self.settings.rules)
        found = _file_signature(path)
        if found == self._rules_signature:
            return
        self._rules_signature = found
        try:
            rules = self._read_rules(path)
            engine.state = with_rules(engine.state, rules)
        except ShoptalkError as error:
            self._refuse("rules", None, error)
            return
        self._rules = rules
        self.refused.pop("rules", None)
        self.metrics.reloads.labels("rules", "taken_up").inc()
        log("rules taken up", rules=len(rules))

    def _look_at_runs(self, engine: Engine) -> None:
        for number, arm in enumerate(engine.state.arms):
            found = signature(Path(arm.settings.folder))
            refused = self.refused.get(arm.name)
            if found is None or found == arm.signature or (refused is not None and refused.signature == found):
                continue
            self._take_up(engine, number, arm, found)

    def _take_up(self, engine: Engine, number: int, arm: Arm, found: str) -> None:
        """Replace an arm by what its folder holds now, unless that is broken."""
        begin = time.perf_counter()
        try:
            new = load_arm(arm.settings, self.cache)
            arms = list(engine.state.arms)
            arms[number] = new
            # The catalogue of the runs may have changed: begin from all changes since.
            engine.state = make_state(arms, self._rules, changes_since(self.database), engine.state.live_counts)
        except Exception as error:  # whatever is broken, the old run serves on
            self._refuse(arm.name, found, error)
            return
        self.refused.pop(arm.name, None)
        self._note_items(engine.state)
        self.metrics.reloads.labels("run", "taken_up").inc()
        log("run taken up", arm=arm.name, method=new.method, seconds=round(time.perf_counter() - begin, 3))

    def _look_at_items(self, engine: Engine) -> None:
        changes = changes_since(self.database, engine.state.catalogue.revision)
        if not changes.items:
            return
        try:
            engine.state = with_changes(engine.state, changes)
        except Exception as error:  # the old catalogue serves on
            if "catalogue" not in self.refused:
                self._refuse("catalogue", None, error)
            return
        self.refused.pop("catalogue", None)
        self._note_items(engine.state)
        self.metrics.reloads.labels("catalogue", "taken_up").inc()

    def _refuse(self, what: str, found: str | None, error: Exception) -> None:
        message = str(error) if isinstance(error, ShoptalkError) else f"unexpected {type(error).__name__}"
        self.refused[what] = Refused(found, message)
        kind = what if what in {"rules", "catalogue"} else "run"
        self.metrics.reloads.labels(kind, "refused").inc()
        log("refused; the old one serves on", 40, what=what, error=message)

    def _count(self) -> Mapping[str, float]:
        """Purchases that events report, by item id."""
        self._counted = time.monotonic()
        statement = select(EVENTS.c.item_id, func.count()).where(EVENTS.c.kind == PURCHASE).group_by(EVENTS.c.item_id)
        with self.database.read() as connection:
            return {item: float(count) for item, count in connection.execute(statement).all()}

    def _note_items(self, state: State) -> None:
        self.metrics.items.set(int(state.catalogue.offered.sum()))


def _file_signature(path: Path) -> tuple[int, int, int] | None:
    try:
        about = path.stat()
    except OSError:
        return None
    return about.st_mtime_ns, about.st_size, about.st_ino
