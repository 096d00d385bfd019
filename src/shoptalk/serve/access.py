"""Who may do what: keys with scopes, and how often."""

import asyncio
import hashlib
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Literal

from starlette.exceptions import HTTPException
from starlette.requests import Request

from shoptalk.errors import DatabaseError, UsageError
from shoptalk.online.database import Database
from shoptalk.online.keys import ApiKey, list_keys, verify_key
from shoptalk.serve.batching import Overloaded
from shoptalk.serve.buckets import Buckets
from shoptalk.serve.settings import Settings

Scope = Literal["read", "write", "admin"]
#: Seconds for which a key is remembered, and for which while the database does not answer.
REMEMBER, REMEMBER_WITHOUT_DATABASE = 5.0, 600.0
#: Most keys remembered, and most failed attempts of an address in a minute.
MOST_KEYS, MOST_FAILURES = 1_000, 60


class Access:
    """Checks the key of a request.

    Parameters
    ----------
    settings, database
        Of the service.
    buckets
        The rates.
    """

    def __init__(self, settings: Settings, database: Database, buckets: Buckets) -> None:
        self._settings, self._database, self._buckets = settings, database, buckets
        self._known: OrderedDict[str, tuple[ApiKey, float]] = OrderedDict()
        self._required, self._asked = settings.open_access is not True, -REMEMBER

    def check_start(self) -> None:
        """Refuse to serve other machines without any key.

        Raises
        ------
        UsageError
            Saying what to do.
        """
        if self._settings.open_access is None and not self._settings.local and not self._has_keys():
            raise UsageError(
                f"{self._settings.host} can be reached by other machines, and the database holds no key",
                hint="make one with shoptalk keys add DATABASE --name shop, or give --open to serve without keys",
            )

    async def key(self, request: Request, scope: Scope) -> ApiKey | None:
        """The key of a request that allows ``scope``; None where no key is needed.

        Raises
        ------
        HTTPException
            401 without a valid key, 403 where it does not allow this, 503 while it cannot be checked.
        Overloaded
            Where the key has asked too often.
        """
        text = _text(request)
        if not text and not await self._needs_key():
            return None
        address = request.client.host if request.client else ""
        if not text:
            raise _unauthorised("this needs a key")
        key = await self._verified(text, address)
        request.state.key_id = key.key_id
        if scope not in key.scopes and "admin" not in key.scopes:
            raise HTTPException(403, f"this key has no scope {scope}")
        rate = key.rate_per_minute or self._settings.rate_per_minute
        if rate is not None and (wait := self._buckets.take(key.key_id, rate)):
            raise Overloaded(wait)
        return key

    async def _needs_key(self) -> bool:
        """Whether requests need a key: unless access is open, as soon as there is one."""
        if self._settings.open_access is not None:
            return not self._settings.open_access
        if not self._settings.local:
            return True
        if time.monotonic() - self._asked > REMEMBER:
            try:
                self._required = await asyncio.to_thread(self._has_keys)
            except DatabaseError as error:
                if self._asked < 0:
                    raise HTTPException(503, "keys cannot be checked", {"Retry-After": "2"}) from error
            self._asked = time.monotonic()
        return self._required

    def _has_keys(self) -> bool:
        return any(key.revoked is None for key in list_keys(self._database))

    async def _verified(self, text: str, address: str) -> ApiKey:
        """The key that a text is; remembered by its hash for a few seconds."""
        digest, now = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest(), time.monotonic()
        known = self._known.get(digest)
        if known is not None and now - known[1] < REMEMBER:
            return known[0]
        try:
            key = await asyncio.to_thread(verify_key, self._database, text)
        except DatabaseError as error:
            if known is not None and now - known[1] < REMEMBER_WITHOUT_DATABASE:
                return known[0]
            raise HTTPException(503, "keys cannot be checked", {"Retry-After": "2"}) from error
        if key is None:
            self._known.pop(digest, None)
            if wait := self._buckets.take(f"failures {address}", MOST_FAILURES):
                raise Overloaded(wait)
            raise _unauthorised("this key is not valid")
        self._known[digest] = key, now
        while len(self._known) > MOST_KEYS:
            self._known.popitem(last=False)
        return key


def needs(scope: Scope) -> Callable[[Request], Awaitable[ApiKey | None]]:
    """A dependency of routes: the request needs a key with this scope."""

    async def check(request: Request) -> ApiKey | None:
        key: ApiKey | None = await request.app.state.service.access.key(request, scope)
        return key

    return check


def _text(request: Request) -> str:
    """The key in ``Authorization: Bearer`` or ``X-API-Key``; empty without one."""
    scheme, _, text = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return text.strip()[:500]
    return request.headers.get("x-api-key", "").strip()[:500]


def _unauthorised(message: str) -> HTTPException:
    return HTTPException(401, message, {"WWW-Authenticate": "Bearer"})
