"""A typed client of the service, over httpx.

Examples
--------
>>> from shoptalk.serve.client import Client
>>> with Client("http://localhost:8000") as shop:  # doctest: +SKIP
...     answer = shop.recommend(user="4711", k=5)
...     shop.event("4711", answer.items[0].item_id, "click", recommendation_id=answer.recommendation_id)
"""

import uuid
from collections.abc import Iterable, Mapping, Sequence
from types import TracebackType
from typing import Any, Self, TypeVar
from urllib.parse import quote

import httpx
from pydantic import BaseModel

from shoptalk.constants import DEFAULT_K
from shoptalk.errors import ShoptalkError
from shoptalk.serve.answers import (
    AcceptedOut,
    BatchOut,
    ErasedOut,
    ItemListOut,
    ItemOut,
    PutOut,
    ReadyOut,
    RecommendOut,
    ScoreOut,
    StatusOut,
    UserOut,
)
from shoptalk.serve.schemas import (
    BatchBody,
    EventBody,
    EventsBody,
    FiltersBody,
    ItemBody,
    ItemsBody,
    RecommendBody,
    ScoreBody,
)

M = TypeVar("M", bound=BaseModel)


class ServiceError(ShoptalkError):
    """What the service refused.

    Attributes
    ----------
    kind
        The kind of the service's error.
    status
        The status of HTTP; 0 where the service could not be reached.
    retry_after
        Seconds after which to try again; None if it makes no sense to.
    """

    def __init__(self, status: int, error: Mapping[str, Any], retry_after: float | None = None) -> None:
        super().__init__(str(error.get("message")), where=error.get("where"), hint=error.get("hint"))
        self.kind, self.status, self.retry_after = str(error.get("kind")), status, retry_after


class Client:
    """Asks a service.

    Parameters
    ----------
    url
        Where it listens, such as ``http://localhost:8000``.
    key
        A key of ``shoptalk keys add``.
    timeout
        Seconds for a request.
    transport
        Another transport of httpx, for tests.
    """

    def __init__(
        self, url: str, key: str | None = None, *, timeout: float = 30.0, transport: httpx.BaseTransport | None = None
    ) -> None:
        headers = {} if key is None else {"Authorization": f"Bearer {key}"}
        self._http = httpx.Client(base_url=url, headers=headers, timeout=timeout, transport=transport)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def recommend(
        self,
        user: str | None = None,
        *,
        history: Sequence[str] | None = None,
        k: int = DEFAULT_K,
        offset: int = 0,
        filters: FiltersBody | None = None,
        exclude_history: bool = True,
        explain: bool = False,
        context: Mapping[str, str | bool | int | float | None] | None = None,
        arm: str | None = None,
    ) -> RecommendOut:
        """The best products for a user, or for a history (see ``POST /v1/recommend``).

        Raises
        ------
        ServiceError
            If the service refuses, or cannot be reached.
        """
        body = RecommendBody(
            user=user,
            history=None if history is None else tuple(history),
            k=k,
            offset=offset,
            filters=filters or FiltersBody(),
            exclude_history=exclude_history,
            explain=explain,
            context=dict(context or {}),
            arm=arm,
        )
        return self._ask(RecommendOut, "POST", "/v1/recommend", body)

    def recommend_batch(self, requests: Iterable[RecommendBody]) -> BatchOut:
        """Several requests at once; where one fails, its error is among the answers."""
        return self._ask(BatchOut, "POST", "/v1/recommend/batch", BatchBody(requests=tuple(requests)))

    def score(
        self, options: Sequence[str], user: str | None = None, *, history: Sequence[str] | None = None
    ) -> ScoreOut:
        """The scores of some products."""
        body = ScoreBody(user=user, history=None if history is None else tuple(history), options=tuple(options))
        return self._ask(ScoreOut, "POST", "/v1/score", body)

    def search(self, query: str = "", *, k: int = DEFAULT_K, offset: int = 0) -> ItemListOut:
        """Products by words."""
        return self._ask(ItemListOut, "GET", "/v1/items", q=query, k=k, offset=offset)

    def similar(self, item_id: str, *, k: int = DEFAULT_K) -> ItemListOut:
        """The products that are most similar to one."""
        return self._ask(ItemListOut, "GET", f"{_item(item_id)}/similar", k=k)

    def popular(self, *, k: int = DEFAULT_K, days: float | None = None) -> ItemListOut:
        """The products that were bought most often; of the last days, if ``days`` is given."""
        query: dict[str, Any] = {"k": k} if days is None else {"k": k, "days": days}
        return self._ask(ItemListOut, "GET", "/v1/popular", **query)

    def latest(self, *, k: int = DEFAULT_K) -> ItemListOut:
        """The newest products."""
        return self._ask(ItemListOut, "GET", "/v1/latest", k=k)

    def item(self, item_id: str) -> ItemOut:
        """One product."""
        return self._ask(ItemOut, "GET", _item(item_id))

    def put_items(self, items: Iterable[ItemBody]) -> PutOut:
        """Add products, or replace them."""
        return self._ask(PutOut, "POST", "/v1/items", ItemsBody(items=tuple(items)))

    def patch_item(self, item_id: str, **changes: Any) -> ItemOut:
        """Change some values of a product, such as ``stock=0``."""
        return self._ask(ItemOut, "PATCH", _item(item_id), changes)

    def delete_item(self, item_id: str) -> None:
        """Delete a product."""
        self._send("DELETE", _item(item_id))

    def event(
        self,
        user: str,
        item_id: str,
        kind: str,
        *,
        event_id: str | None = None,
        timestamp: float | None = None,
        recommendation_id: str | None = None,
        value: float | None = None,
    ) -> AcceptedOut:
        """Store one event; without an id it gets a new one, with which it is sent again if the connection breaks."""
        body = EventBody(
            event_id=event_id or uuid.uuid4().hex,
            user=user,
            item_id=item_id,
            kind=kind,
            timestamp=timestamp,
            recommendation_id=recommendation_id,
            value=value,
        )
        return self.events([body])

    def events(self, events: Iterable[EventBody]) -> AcceptedOut:
        """Store several events, all or none; sent once more if the connection breaks, which is safe."""
        body = EventsBody(events=tuple(events))
        try:
            return self._ask(AcceptedOut, "POST", "/v1/events", body)
        except ServiceError as error:
            if error.status:
                raise
        return self._ask(AcceptedOut, "POST", "/v1/events", body)

    def user(self, user: str) -> UserOut:
        """What is stored about a person."""
        return self._ask(UserOut, "GET", f"/v1/users/{quote(user, safe='')}")

    def erase(self, user: str) -> ErasedOut:
        """Erase what is stored about a person."""
        return self._ask(ErasedOut, "DELETE", f"/v1/users/{quote(user, safe='')}")

    def ready(self) -> bool:
        """Whether the service can answer."""
        try:
            return self._ask(ReadyOut, "GET", "/readyz").ready
        except ServiceError:
            return False

    def status(self) -> StatusOut:
        """What is served."""
        return self._ask(StatusOut, "GET", "/v1/admin/status")

    def reload(self) -> StatusOut:
        """Look for new runs, rules and products now."""
        return self._ask(StatusOut, "POST", "/v1/admin/reload")

    def _ask(
        self, model: type[M], method: str, path: str, body: BaseModel | Mapping[str, Any] | None = None, **query: Any
    ) -> M:
        """The answer as an object."""
        return model.model_validate_json(self._send(method, path, body, query).content)

    def _send(
        self, method: str, path: str, body: BaseModel | Mapping[str, Any] | None = None, query: Any = None
    ) -> httpx.Response:
        content = body.model_dump(mode="json") if isinstance(body, BaseModel) else body
        try:
            answer = self._http.request(method, path, json=content, params=query or None)
        except httpx.HTTPError as error:
            about = {"kind": "unreachable", "message": f"the service does not answer: {type(error).__name__}"}
            raise ServiceError(0, about) from error
        if answer.is_success:
            return answer
        try:
            about = answer.json()["error"]
        except (ValueError, KeyError, TypeError):
            about = {"kind": "http", "message": f"status {answer.status_code}"}
        after = answer.headers.get("retry-after", "")
        raise ServiceError(answer.status_code, about, float(after) if after.isdigit() else None)


def _item(item_id: str) -> str:
    return f"/v1/items/{quote(item_id, safe='')}"
