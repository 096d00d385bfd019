"""The outermost layer: request ids, limits of bodies, headers of every answer, logs, metrics, and the last catch."""

import asyncio
import re
import secrets
import time
from collections.abc import Mapping
from typing import Any

import numpy as np
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shoptalk.serve.errors import error_response, of_error
from shoptalk.serve.logs import REQUEST_ID, log
from shoptalk.serve.metrics import Metrics
from shoptalk.serve.settings import Settings

_REQUEST_ID = re.compile(r"^[A-Za-z0-9._-]{1,64}$")
#: Everything that a browser may load comes from the service itself; nothing may frame it.
HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "font-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}
_ENCODED = [(name.encode(), value.encode()) for name, value in {**HEADERS, "cache-control": "no-store"}.items()]
_LOCAL = {"localhost", "127.0.0.1", "[::1]"}
_WITH_BODY = {"POST", "PUT", "PATCH", "DELETE"}
_STRINGS = re.compile(rb'"(?:[^"\\]|\\.)*"', re.DOTALL)
#: Bodies with fewer opening brackets are not measured.
_SHALLOW = 12


class Refusal(Exception):
    """A request that is refused before it reaches a route."""

    def __init__(self, response: JSONResponse) -> None:
        super().__init__()
        self.response = response


class Guard:
    """Wraps the application.

    Parameters
    ----------
    app
        The application.
    settings, metrics
        Of the service.
    """

    def __init__(self, app: ASGIApp, settings: Settings, metrics: Metrics) -> None:
        self._app, self._settings, self._metrics = app, settings, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            else:  # there are no web sockets
                await send({"type": "websocket.close", "code": 1008})
            return
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        given = headers.get("x-request-id", "")
        request_id = given if _REQUEST_ID.match(given) else secrets.token_hex(8)
        token = REQUEST_ID.set(request_id)
        begin, status = time.perf_counter(), 0

        async def answer(message: Message) -> None:
            """Send on, with the headers that every answer has."""
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message = {**message, "headers": [*_added(message["headers"], request_id)]}
            await send(message)

        try:
            replay = await self._checked(scope, headers, receive)
            await self._app(scope, replay, answer)
        except Refusal as refusal:
            self._metrics.refused.labels(str(refusal.response.status_code)).inc()
            await refusal.response(scope, receive, answer)
        except Exception as error:
            response = of_error(error)
            if not status:
                await response(scope, receive, answer)
        finally:
            self._note(scope, status, time.perf_counter() - begin)
            REQUEST_ID.reset(token)

    def _note(self, scope: Scope, status: int, seconds: float) -> None:
        """Write the metrics and the line of the log; the route stands for the path, which may hold an id."""
        route = getattr(scope.get("route"), "path", "none")
        method = (
            scope["method"] if scope["method"] in {"GET", "POST", "PATCH", "DELETE", "HEAD", "OPTIONS"} else "other"
        )
        self._metrics.requests.labels(route, method, str(status)).inc()
        self._metrics.seconds.labels(route).observe(seconds)
        key = scope.get("state", {}).get("key_id")
        if route not in {"/healthz", "/readyz", "/metrics"}:
            log("request", route=route, method=method, status=status, ms=round(seconds * 1000, 2), key=key)

    async def _checked(self, scope: Scope, headers: Mapping[str, str], receive: Receive) -> Receive:
        """Refuse what no route should see; returns what gives the body to the routes."""
        self._check_origin(scope, headers)
        if scope["method"] not in _WITH_BODY:
            return receive
        limits = self._settings.limits
        if headers.get("content-encoding", "identity").strip().lower() not in {"", "identity"}:
            raise Refusal(error_response(415, "encoding", "compressed bodies are not read"))
        length = headers.get("content-length", "0")
        if not length.isascii() or not length.isdigit() or int(length[:19]) > limits.body or len(length) > 18:
            raise Refusal(_too_large(limits.body))
        try:
            body = await asyncio.wait_for(_read(receive, limits.body), limits.body_seconds)
        except TimeoutError:
            raise Refusal(
                error_response(408, "slow", "the body came too slowly", headers={"Connection": "close"})
            ) from None
        kind = headers.get("content-type", "").partition(";")[0].strip().lower()
        if body and kind != "application/json":
            raise Refusal(error_response(415, "content_type", "a body must be application/json"))
        if depth(body) > limits.depth:
            raise Refusal(error_response(400, "too_deep", f"a body may be nested {limits.depth} levels deep"))
        return _replay(body, receive)

    def _check_origin(self, scope: Scope, headers: Mapping[str, str]) -> None:
        """Refuse names of other hosts on a local service, and requests that pages of other sites send."""
        host = headers.get("host", "")
        if self._settings.local and _name(host) not in _LOCAL:
            raise Refusal(error_response(421, "host", "this service answers to its local name only"))
        origin = headers.get("origin")
        foreign = origin is not None and origin.partition("://")[2] != host
        if scope["method"] in _WITH_BODY and (foreign or headers.get("sec-fetch-site") == "cross-site"):
            raise Refusal(error_response(403, "origin", "requests of other sites are refused"))


def depth(body: bytes) -> int:
    """The deepest nesting of objects and arrays in a body, as far as it is JSON."""
    if body.count(b"[") + body.count(b"{") <= _SHALLOW:
        return 0
    plain = np.frombuffer(_STRINGS.sub(b"", body), dtype=np.uint8)
    steps = np.isin(plain, (0x5B, 0x7B)).astype(np.int32) - np.isin(plain, (0x5D, 0x7D)).astype(np.int32)
    return int(steps.cumsum().max(initial=0))


def _name(host: str) -> str:
    """The name of a ``Host`` header, without its port."""
    return host.rpartition("]")[0] + "]" if host.startswith("[") else host.partition(":")[0].lower()


def _too_large(limit: int) -> JSONResponse:
    headers = {"Connection": "close"}
    return error_response(413, "too_large", f"a body may have {limit:,} bytes", headers=headers)


async def _read(receive: Receive, limit: int) -> bytes:
    """The whole body."""
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return b""
        part = message.get("body", b"")
        size += len(part)
        if size > limit:
            raise Refusal(_too_large(limit))
        parts.append(part)
        if not message.get("more_body", False):
            return b"".join(parts)


def _replay(body: bytes, receive: Receive) -> Receive:
    """Gives a body that was read already, then what else comes."""
    given = False

    async def again() -> Message:
        """The body first."""
        nonlocal given
        if not given:
            given = True
            return {"type": "http.request", "body": body, "more_body": False}
        return await receive()

    return again


def _added(headers: Any, request_id: str) -> list[tuple[bytes, bytes]]:
    """The headers of an answer with those that every answer has."""
    own = {name.lower() for name, _ in headers}
    more = [*_ENCODED, (b"x-request-id", request_id.encode())]
    return [*headers, *((name, value) for name, value in more if name not in own)]
