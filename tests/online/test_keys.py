"""Keys of the HTTP interface."""

import pytest
from sqlalchemy import select

from shoptalk.errors import RecordError
from shoptalk.online.database import Database
from shoptalk.online.keys import create_key, list_keys, revoke_key, verify_key
from shoptalk.online.tables import API_KEYS


def test_a_key_is_verified_until_it_is_revoked(database: Database) -> None:
    key, text = create_key(database, "shop", ["write", "read"], rate_per_minute=60)
    assert key.scopes == ("read", "write")
    assert verify_key(database, text) == key
    assert revoke_key(database, key.key_id)
    assert verify_key(database, text) is None
    assert not revoke_key(database, key.key_id)
    (listed,) = list_keys(database)
    assert listed.revoked is not None


def test_the_secret_is_not_stored(database: Database) -> None:
    key, text = create_key(database, "shop")
    secret = text.split("_", 2)[2]
    with database.read() as connection:
        row = connection.execute(select(API_KEYS)).one()
    assert secret not in str(row)
    assert key.key_id in text


def test_other_texts_are_no_keys(database: Database) -> None:
    key, text = create_key(database, "shop")
    other, _ = create_key(database, "other")
    secret = text.split("_", 2)[2]
    for wrong in ("", "st", "st_", f"st_{key.key_id}", f"st_{key.key_id}_", text + "x", text[:-1], text[1:],
                  f"st_{other.key_id}_{secret}", f"xx_{key.key_id}_{secret}", "st_\0_x", "st_' OR 1=1 --_x",
                  f"st_{key.key_id}_\ud800"):  # fmt: skip
        assert verify_key(database, wrong) is None


def test_unknown_scopes_are_refused(database: Database) -> None:
    for scopes in (["root"], []):
        with pytest.raises(RecordError, match="scope"):
            create_key(database, "shop", scopes)
    with pytest.raises(RecordError):
        create_key(database, "shop", rate_per_minute=0)
