"""API keys: a script shows one in place of an access token, and reads the few operations that it was made for.

A key acts for the owner who has made it, as long as that is an active owner; it replaces session and second factor. It
opens nothing but operations of READABLE, all of which read.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from flask import Request

from shared import auth, db, log
from shared.auth import Admin, Claims, Role
from shared.db import Tx
from shared.values import api_keys
from shared.values.problems import NotAllowed, TokenNotValid
from shared.values.tiers import Tier

USE_NOTED_EVERY = timedelta(minutes=1)


@dataclass(frozen=True)
class KeyClaims(Claims):
    """The claims of an API key: `member_id` is the owner who has made it, `session_id` the key, which is no session."""

    hash: bytes = field(repr=False)


@dataclass(frozen=True)
class _Key:
    id: UUID
    made_by: UUID
    operations: Sequence[str]


@dataclass(frozen=True)
class _Owner:
    id: UUID
    number: int
    username: str
    status: str
    role: Role
    permanent_tier: Tier


def claims(request: Request, role: Role | None, now: datetime) -> KeyClaims | None:
    """The claims of the API key that the request shows; None if it shows none. Raises TokenNotValid, and NotAllowed
    where no role is needed: whatever is for members, no key opens.
    """
    scheme, _, token = auth.callers_header(request).partition(" ")
    if scheme.lower() != "bearer" or not token.strip().startswith(api_keys.KEY_PREFIX):
        return None
    if role is None:
        raise NotAllowed
    shown = api_keys.hash_of(token.strip())
    found = db.atomically(_good, shown, now)
    return KeyClaims(found.made_by, found.id, shown)


def admin(tx: Tx, shown: KeyClaims, operation: str, now: datetime) -> Admin:
    """The owner for whom a key reads this operation. Raises TokenNotValid, NotAllowed."""
    found = _good(tx, shown.hash, now)
    if operation not in api_keys.READABLE.intersection(found.operations):
        raise NotAllowed
    owner = tx.first(
        _Owner,
        """
        SELECT id, number, username, status, role, permanent_tier FROM members
        WHERE id = :id AND status = 'active' AND role = 'owner'
        """,
        id=found.made_by,
    )
    if owner is None:
        raise NotAllowed
    tx.run_later(
        """
        UPDATE api_keys SET last_used_at = :now
        WHERE id = :id AND (last_used_at IS NULL OR last_used_at < :before)
        """,
        id=found.id,
        now=now,
        before=now - USE_NOTED_EVERY,
    )
    log.info("an API key reads", api_key=found.id, operation=operation)
    return Admin(**vars(owner), quarter_tier=Tier.STANDARD, session_id=found.id)


def _good(tx: Tx, secret_hash: bytes, now: datetime) -> _Key:
    """The key with this hash. Raises TokenNotValid if it was never made, has expired, or was revoked."""
    found = tx.first(
        _Key,
        """
        SELECT id, made_by, operations FROM api_keys
        WHERE hash = :hash AND revoked_at IS NULL AND expires_at > :now
        """,
        hash=secret_hash,
        now=now,
    )
    if found is None:
        raise TokenNotValid(headers={"WWW-Authenticate": 'Bearer error="invalid_token"'})
    return found
