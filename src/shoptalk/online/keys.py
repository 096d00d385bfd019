"""Keys of the HTTP interface. Of a key only a hash is stored; it is shown once, when it is made.

A key is ``st_ID_SECRET``. The secret has 32 random bytes, so that SHA-256 needs neither salt nor slowness: there is no
list of likely secrets to try.
"""

import hashlib
import hmac
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, insert, select, update

from shoptalk.errors import RecordError
from shoptalk.online.database import Database
from shoptalk.online.records import check_id, check_integer, now
from shoptalk.online.tables import API_KEYS

SCOPES = ("read", "write", "admin")
_BEGINS = "st"
#: Compared with where there is no such key, so that unknown and wrong keys take equally long.
_NO_HASH = "0" * 64


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key without its secret.

    Attributes
    ----------
    key_id
        The public part of the key.
    name
        What it is for.
    scopes
        What it allows: ``read``, ``write``, ``admin``.
    rate_per_minute
        Most requests in a minute; None for the default of the service.
    created, revoked
        When it was made, and since when it is not valid, in seconds since 1970.
    """

    key_id: str
    name: str
    scopes: tuple[str, ...]
    rate_per_minute: int | None
    created: float
    revoked: float | None


def create_key(
    database: Database, name: str, scopes: Sequence[str] = ("read",), rate_per_minute: int | None = None
) -> tuple[ApiKey, str]:
    """Make a key; returns it and its text, which is not stored.

    Raises
    ------
    RecordError
        If a scope is unknown.
    """
    if unknown := sorted(set(scopes) - set(SCOPES)):
        raise RecordError(f"unknown scope {unknown[0]}", hint=f"one of {', '.join(SCOPES)}")
    if not scopes:
        raise RecordError("a key needs a scope", hint=f"one of {', '.join(SCOPES)}")
    if rate_per_minute is not None:
        check_integer(rate_per_minute, "rate_per_minute", least=1)
    ordered = tuple(scope for scope in SCOPES if scope in scopes)
    key = ApiKey(secrets.token_hex(8), check_id(name, "name"), ordered, rate_per_minute, now(), None)
    secret = secrets.token_urlsafe(32)
    with database.write() as connection:
        connection.execute(
            insert(API_KEYS).values(
                key_id=key.key_id,
                name=key.name,
                hash=_hash(secret),
                scopes=list(ordered),
                rate_per_minute=rate_per_minute,
                created=key.created,
            )
        )
    return key, f"{_BEGINS}_{key.key_id}_{secret}"


def verify_key(database: Database, text: str) -> ApiKey | None:
    """The key that a text is, if it is one and not revoked. The hash is compared in constant time."""
    begins, _, rest = text.partition("_")
    key_id, _, secret = rest.partition("_")
    row = None
    if begins == _BEGINS and key_id.isascii() and key_id.isalnum():
        with database.read() as connection:
            row = connection.execute(select(API_KEYS).where(API_KEYS.c.key_id == key_id)).one_or_none()
    same = hmac.compare_digest(_hash(secret), _NO_HASH if row is None else row.hash)
    return _key(row) if same and row is not None and row.revoked is None else None


def list_keys(database: Database) -> tuple[ApiKey, ...]:
    """All keys, revoked ones included, the oldest first."""
    with database.read() as connection:
        rows = connection.execute(select(API_KEYS).order_by(API_KEYS.c.created, API_KEYS.c.key_id)).all()
    return tuple(map(_key, rows))


def revoke_key(database: Database, key_id: str) -> bool:
    """Make a key invalid; False if there is no such key, or if it was revoked before."""
    with database.write() as connection:
        statement = update(API_KEYS).where(API_KEYS.c.key_id == key_id, API_KEYS.c.revoked.is_(None))
        return connection.execute(statement.values(revoked=now())).rowcount == 1


def _hash(secret: str) -> str:
    """Hex SHA-256; a secret that is no UTF-8 is hashed as well as any other."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def _key(row: Row[Any]) -> ApiKey:
    """A key from its row."""
    return ApiKey(row.key_id, row.name, tuple(row.scopes), row.rate_per_minute, row.created, row.revoked)
