"""The service of one process: engine, queues and upkeep, and the steps of a request."""

import asyncio
import secrets
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from shoptalk.online.assignment import Experiment
from shoptalk.online.database import Database
from shoptalk.online.events import Added, Event, add_events
from shoptalk.online.salt import experiment_salt
from shoptalk.online.shown import Recommendation, ShownItem, set_weights
from shoptalk.ranking import top_k
from shoptalk.serve.access import Access
from shoptalk.serve.batching import Batcher
from shoptalk.serve.buckets import Buckets
from shoptalk.serve.metrics import Metrics
from shoptalk.serve.query import TIMED_OUT, Answer, ItemFilters, Query
from shoptalk.serve.schemas import FiltersBody, RecommendBody
from shoptalk.serve.settings import Settings
from shoptalk.serve.shown_log import ShownLog
from shoptalk.serve.state import State
from shoptalk.serve.upkeep import Upkeep

#: Requests with events whose transactions are one; each has at most `Limits.events` of them.
EVENT_REQUESTS = 10
#: Seconds to wait for the disk when storing events.
EVENT_SECONDS = 15.0


class Service:
    """All parts of the service in one process.

    Parameters
    ----------
    settings, database
        Of the service.
    metrics
        Where requests are counted.
    cache
        Folder that the workers share; None for a process alone.
    """

    def __init__(self, settings: Settings, database: Database, metrics: Metrics, cache: Path | None) -> None:
        self.settings, self.database, self.metrics = settings, database, metrics
        self.access = Access(settings, database, Buckets(None if cache is None else cache / "rates"))
        self.upkeep = Upkeep(settings, database, metrics, cache)
        self.engine = self.upkeep.load()
        self.shown = ShownLog(database, metrics)
        self.queue: Batcher[Query, Answer] = Batcher(
            self.engine.recommend,
            size=settings.batch_size,
            milliseconds=settings.batch_milliseconds,
            limit=settings.queue,
            observe=metrics.observe_batch("recommend"),
            name="recommend",
        )
        self.events: Batcher[Sequence[Event], Added] = Batcher(
            self._store,
            size=EVENT_REQUESTS,
            milliseconds=settings.batch_milliseconds,
            limit=settings.queue,
            observe=metrics.observe_batch("events"),
            name="events",
        )
        weights = {arm.name: arm.weight for arm in settings.arms}
        self._names = list(weights)
        self._experiment = Experiment(settings.experiment, weights, experiment_salt(database))
        set_weights(database, settings.experiment, weights)

    @property
    def state(self) -> State:
        """What is served now."""
        return self.engine.state

    def start(self) -> None:
        """Begin to work, in the running event loop."""
        self.queue.start()
        self.events.start()
        self.shown.start()
        self.upkeep.start()

    async def close(self) -> None:
        """Answer what waits, store what is queued, and end."""
        await self.queue.close()
        await self.events.close()
        await self.upkeep.close()
        await self.shown.close()

    def assign(self, user: str, forced: str | None) -> int:
        """The index of the arm that answers a user.

        Raises
        ------
        UsageError
            For an arm that is not served.
        """
        return self._names.index(self._experiment.assign(user, forced).arm)

    async def recommend(self, body: RecommendBody) -> dict[str, Any]:
        """The answer to a request, as JSON; it is logged.

        Raises
        ------
        ShoptalkError
            For a request that cannot be answered, or a full queue.
        """
        begin = time.perf_counter()
        recommendation_id = secrets.token_hex(16)
        user = body.user or f"anonymous-{recommendation_id}"
        query = Query(
            recommendation_id=recommendation_id,
            arm=self.assign(user, body.arm),
            user=body.user or "",
            history=body.history,
            k=body.k,
            offset=body.offset,
            filters=item_filters(body.filters),
            exclude_history=body.exclude_history,
            explain=body.explain,
        )
        try:
            answer = await self.queue.submit(query, self.settings.timeout)
        except TimeoutError:
            answer = await asyncio.to_thread(self.engine.popular, query, TIMED_OUT)
        milliseconds = (time.perf_counter() - begin) * 1000
        self.metrics.answers.labels(answer.arm, answer.method, answer.fallback or "").inc()
        self.metrics.waiting.labels("recommend").set(self.queue.waiting)
        self._log(query, body, user, answer, milliseconds)
        return self._as_json(query, body, answer, milliseconds)

    def _log(self, query: Query, body: RecommendBody, user: str, answer: Answer, milliseconds: float) -> None:
        """Queue what was shown to be stored."""
        context: dict[str, Any] = {**body.context}
        if query.offset:
            context["offset"] = query.offset
        self.shown.add(
            Recommendation(
                recommendation_id=query.recommendation_id,
                user_id=user,
                items=tuple(ShownItem(one.item_id, one.score, one.probability) for one in answer.items),
                experiment=self.settings.experiment,
                arm=answer.arm,
                run=answer.run,
                method=answer.method,
                fallback=answer.fallback is not None,
                forced=body.arm is not None,
                created=time.time(),
                milliseconds=milliseconds,
                probability=answer.probability,
                context=context,
                alternatives=answer.alternatives,
            )
        )

    def _as_json(self, query: Query, body: RecommendBody, answer: Answer, milliseconds: float) -> dict[str, Any]:
        products = answer.products
        warnings = []
        if len(answer.items) < query.k:
            warnings.append(f"only {len(answer.items)} of {query.k}: no more may be recommended")
        if not answer.stored_history and answer.fallback != TIMED_OUT:
            warnings.append("the events of this user could not be read; the history is that of the dataset")

        def title(item_id: str) -> str:
            return products[item_id].title if item_id in products else ""

        return {
            "recommendation_id": query.recommendation_id,
            "user": body.user,
            "items": [
                {
                    "item_id": one.item_id,
                    "rank": rank,
                    "title": products[one.item_id].title,
                    "brand": products[one.item_id].brand,
                    "price": products[one.item_id].price,
                    "score": one.score,
                    "probability": one.probability,
                    "rules": list(one.rules),
                    "because": [
                        {"item_id": reason.item_id, "title": title(reason.item_id), "effect": reason.effect}
                        for reason in one.because
                    ],
                    "sources": [{"source": part.source, "effect": part.effect} for part in one.sources],
                    "reason": one.reason,
                }
                for rank, one in enumerate(answer.items, query.offset + 1)
            ],
            "method": answer.method,
            "fallback": answer.fallback,
            "arm": answer.arm,
            "experiment": self.settings.experiment,
            "run": answer.run,
            "history_length": len(answer.history),
            "unknown_in_history": answer.unknown,
            "history": [{"item_id": item, "title": title(item)} for item in answer.history[-50:]]
            if body.explain
            else None,
            "rules": [asdict(effect) for effect in answer.effects],
            "unit": answer.unit,
            "warnings": warnings,
            "milliseconds": round(milliseconds, 3),
        }

    async def store_events(self, events: Sequence[Event]) -> Added:
        """Store events; when this returns they are on the disk.

        Raises
        ------
        ShoptalkError
            For an event that cannot be stored, a full queue, or a database that does not answer.
        TimeoutError
            If the database takes too long: the events may be stored or not, and sending them again is safe.
        """
        added = await self.events.submit([event.checked() for event in events], EVENT_SECONDS)
        self.metrics.events.labels("stored").inc(added.stored)
        self.metrics.events.labels("duplicate").inc(added.duplicates)
        return added

    def _store(self, requests: Sequence[Sequence[Event]]) -> list[Added | Exception]:
        """Store the events of several requests in one transaction."""
        added = add_events(self.database, [event for events in requests for event in events])
        new = set(added.ids)
        results: list[Added | Exception] = []
        for events in requests:
            own = new.intersection(event.event_id for event in events)
            new -= own
            results.append(Added(len(own), len(events) - len(own), frozenset(own)))
        return results


def item_filters(body: FiltersBody) -> ItemFilters:
    """The conditions of a request."""
    return ItemFilters(
        categories=body.categories,
        brands=body.brands,
        min_price=body.min_price,
        max_price=body.max_price,
        allow=body.allow,
        deny=body.deny,
        include_hidden=body.include_hidden,
        in_stock=body.in_stock,
    )


def listed(state: State, scores: np.ndarray[Any, Any], k: int, offset: int, method: str) -> dict[str, Any]:
    """A list of products by scores (I,), of which minus infinity leaves a product out."""
    best = top_k(scores[None], k + offset)[0][offset:]
    best = best[np.isfinite(scores[best])]
    ids = state.catalogue.ids
    return {
        "items": [listed_item(state, ids[position], float(scores[position])) for position in best.tolist()],
        "method": method,
        "total": int(np.isfinite(scores).sum()),
    }


def listed_item(state: State, item_id: str, score: float) -> dict[str, Any]:
    """A product of a list."""
    item = state.catalogue.items[item_id]
    return {"item_id": item_id, "title": item.title, "brand": item.brand, "price": item.price, "score": score}
