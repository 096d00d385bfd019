"""Visitors of the page: an id for each browser, in a signed cookie, with which the page may use part of the interface.

A visitor may ask for recommendations and store events under its own id alone. The cookie is ``HttpOnly`` and
``SameSite=Strict``, and requests of other sites are refused (`shoptalk.serve.guard`), so that another site cannot act
for a visitor.
"""

import hashlib
import hmac
import re
import secrets
import time
from collections.abc import Iterable

from sqlalchemy import select
from sqlalchemy.dialects import postgresql, sqlite
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from shoptalk.online.database import Database
from shoptalk.online.tables import SETTINGS

COOKIE = "shoptalk_visitor"
#: Seconds for which a cookie is valid.
LIFETIME = 12 * 3600
#: Most requests of a visitor in a minute, and most new visitors of an address.
RATE, NEW_RATE = 600, 60
#: What a visitor may ask for while requests need a key: method and route.
ALLOWED = {
    ("POST", "/v1/recommend"),
    ("POST", "/v1/events"),
    ("GET", "/v1/items"),
    ("GET", "/v1/items/{item_id:path}"),
    ("GET", "/v1/items/{item_id:path}/similar"),
    ("GET", "/v1/popular"),
    ("GET", "/v1/latest"),
    ("GET", "/page/users"),
    ("GET", "/page/users/{number}"),
    ("POST", "/page/items"),
    ("POST", "/page/explain"),
    ("POST", "/page/beside"),
}
_COOKIE = re.compile(r"^(page-[0-9a-f]{24})\.([0-9]{1,12})\.([0-9a-f]{64})$")
_KEY = "page_key"


class Visitors:
    """Gives out and checks cookies; all processes of a database accept each other's.

    Parameters
    ----------
    database
        Holds the key of the signatures.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._secret = b""

    def issue(self) -> tuple[str, str]:
        """The id of a new visitor, and its cookie."""
        visitor, expires = f"page-{secrets.token_hex(12)}", str(int(time.time()) + LIFETIME)
        return visitor, f"{visitor}.{expires}.{self._sign(visitor, expires)}"

    def read(self, cookie: str) -> str | None:
        """The visitor of a cookie; None if it is expired or not one of this service."""
        match = _COOKIE.match(cookie)
        if match is None:
            return None
        visitor, expires, signature = match.groups()
        genuine = hmac.compare_digest(signature, self._sign(visitor, expires))
        return visitor if genuine and int(expires) > time.time() else None

    def sign(self, purpose: str, text: str) -> str:
        """A signature of a text for one purpose, in hex."""
        return hmac.new(self._key(), f"{purpose}\n{text}".encode(), hashlib.sha256).hexdigest()

    def matches(self, purpose: str, text: str, signature: str) -> bool:
        """Whether a signature is that of a text for a purpose, compared in constant time."""
        return hmac.compare_digest(signature.encode(), self.sign(purpose, text).encode())

    def _sign(self, visitor: str, expires: str) -> str:
        return self.sign("visitor", f"{visitor}.{expires}")

    def _key(self) -> bytes:
        """The key in the database, which the first process makes."""
        if not self._secret:
            statement = select(SETTINGS.c.value).where(SETTINGS.c.name == _KEY)
            with self._database.read() as connection:
                found = connection.execute(statement).scalar()
            if found is None:
                dialect = sqlite if self._database.is_sqlite else postgresql
                insert = dialect.insert(SETTINGS).values(name=_KEY, value=secrets.token_hex(32))
                with self._database.write() as connection:
                    connection.execute(insert.on_conflict_do_nothing(index_elements=["name"]))
                    found = connection.execute(statement).scalar_one()
            self._secret = bytes.fromhex(found)
        return self._secret


def set_cookie(response: Response, cookie: str, *, secure: bool) -> None:
    """Give a visitor its cookie."""
    response.set_cookie(COOKIE, cookie, max_age=LIFETIME, path="/", secure=secure, httponly=True, samesite="strict")


def check_own(request: Request, users: Iterable[str | None]) -> None:
    """Refuse a visitor that names somebody else; requests with a key may name anybody.

    Raises
    ------
    HTTPException
        403.
    """
    visitor = getattr(request.state, "visitor", None)
    if visitor is not None and any(user not in (None, visitor) for user in users):
        raise HTTPException(403, "a visitor of the page may only ask for itself")
