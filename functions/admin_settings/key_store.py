"""API keys as rows: made, listed and revoked. shared/web/keys.py admits those who show one."""

import base64
import os
from collections.abc import Sequence
from datetime import datetime
from uuid import UUID, uuid4

from shared.db import Tx
from shared.values import api_keys
from shared.values.fields import Reply
from shared.values.problems import NotFound, Problem
from shared.web.paging import Position

ONE_AT_A_TIME = 7_208_004  # an advisory lock: keys are counted while nobody else makes one


class TooManyApiKeys(Problem):
    """As many keys are good now as there may be; revoke one first."""

    status, title = 409, "There are 20 keys already."


class ApiKey(Reply):
    """A key without itself: what it may read, by whom it was made, until when it is good, and when it was used last."""

    id: UUID
    name: str
    operations: list[str]
    made_by: UUID
    made_at: datetime
    expires_at: datetime
    revoked_by: UUID | None
    revoked_at: datetime | None
    last_used_at: datetime | None


class ApiKeySecret(Reply):
    """A new key, which is shown this once."""

    api_key: ApiKey
    secret: str


def make(tx: Tx, owner_id: UUID, name: str, operations: Sequence[str], now: datetime) -> ApiKeySecret:
    """Make a key. Raises TooManyApiKeys."""
    tx.run("SELECT pg_advisory_xact_lock(:lock)", lock=ONE_AT_A_TIME)
    good = tx.scalar(int, "SELECT count(*) FROM api_keys WHERE revoked_at IS NULL AND expires_at > :now", now=now)
    if good >= api_keys.API_KEYS_MAX:
        raise TooManyApiKeys
    identity = uuid4()
    secret = api_keys.KEY_PREFIX + base64.urlsafe_b64encode(os.urandom(api_keys.RANDOM_BYTES)).decode().rstrip("=")
    tx.run(
        """
        INSERT INTO api_keys (id, hash, name, operations, made_by, made_at, expires_at)
        VALUES (:id, :hash, :name, CAST(:operations AS text[]), :made_by, :now, :expires_at)
        """,
        id=identity,
        hash=api_keys.hash_of(secret),
        name=name,
        operations=sorted(operations),
        made_by=owner_id,
        now=now,
        expires_at=now + api_keys.KEY_LIFE,
    )
    return ApiKeySecret(api_key=one(tx, identity), secret=secret)


def revoke(tx: Tx, key_id: UUID, owner_id: UUID, now: datetime) -> bool:
    """Revoke a key; False if there is none, or it was revoked before."""
    return bool(
        tx.run(
            "UPDATE api_keys SET revoked_by = :owner_id, revoked_at = :now WHERE id = :id AND revoked_at IS NULL",
            id=key_id,
            owner_id=owner_id,
            now=now,
        )
    )


def one(tx: Tx, key_id: UUID) -> ApiKey:
    """One key. Raises NotFound."""
    found = tx.first(
        ApiKey,
        """
        SELECT id, name, operations, made_by, made_at, expires_at, revoked_by, revoked_at, last_used_at
        FROM api_keys WHERE id = :id
        """,
        id=key_id,
    )
    if found is None:
        raise NotFound
    return found


def listed(tx: Tx, after: Position | None, limit: int) -> list[ApiKey]:
    """The keys after a position, the newest first."""
    return tx.all(
        ApiKey,
        """
        SELECT id, name, operations, made_by, made_at, expires_at, revoked_by, revoked_at, last_used_at FROM api_keys
        WHERE CAST(:at AS timestamptz) IS NULL OR (made_at, id) < (:at, CAST(:id AS uuid))
        ORDER BY made_at DESC, id DESC LIMIT :limit
        """,
        at=after.at if after else None,
        id=after.id if after else None,
        limit=limit,
    )
