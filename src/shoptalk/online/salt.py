"""The salt of the assignment of users to arms: a secret of the database, the same for all processes that use it."""

import hmac

from sqlalchemy import select

from shoptalk.online.database import Database
from shoptalk.online.tables import SETTINGS


def experiment_salt(database: Database) -> str:
    """A text that nobody knows who does not read the database, derived from its key."""
    with database.read() as connection:
        key = connection.execute(select(SETTINGS.c.value).where(SETTINGS.c.name == "erasure_key")).scalar_one()
    return hmac.digest(bytes.fromhex(key), b"assignment to arms", "sha256").hex()
