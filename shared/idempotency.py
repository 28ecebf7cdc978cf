"""Idempotency keys: the same key and body give the same answer, for ever (IETF draft idempotency-key-header).

The row is inserted first, in the request's own transaction: a twin waits on the primary key until the first one
has committed, then reads its reply.
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from shared.db import Tx
from shared.problems import IdempotencyKeyReused, NotValid
from shared.sealing import seal, unseal

_KEY = re.compile(r"[\x21-\x7e]{1,255}")


@dataclass(frozen=True)
class IdempotencyKey:
    """A client's key for one request. `sealed` replies hold secrets and are stored encrypted with the request."""

    scope: str
    key: str
    request: bytes
    sealed: bool

    @property
    def key_hash(self) -> bytes:
        """What is stored of the key: without the key itself, the stored hashes do not help to guess a password."""
        return hashlib.sha256(self.key.encode()).digest()

    @property
    def request_hash(self) -> bytes:
        """SHA-256 of key, operation and body."""
        return hashlib.sha256(self.key.encode() + b"\x00" + self.request).digest()


@dataclass(frozen=True)
class Answer:
    """What was or is to be answered: `body` is None for an empty response."""

    status: int
    body: bytes | None
    headers: Mapping[str, str]


@dataclass(frozen=True)
class _Row:
    request_hash: bytes
    status: int | None
    reply: bytes | None
    headers: dict[str, str] | None


def check(key: str) -> str:
    """Raises NotValid for a key that is no printable ASCII of 1 to 255 characters."""
    if not _KEY.fullmatch(key):
        raise NotValid(errors=[{"field": "Idempotency-Key", "message": "must be 1 to 255 printable characters"}])
    return key


def claim(tx: Tx, key: IdempotencyKey, now: datetime) -> Answer | None:
    """None when this request is the first of its key; else what the first was answered.

    Raises IdempotencyKeyReused when the first was another request.
    """
    if tx.run(
        """
        INSERT INTO idempotency_keys (scope, key_hash, request_hash, created_at)
        VALUES (:scope, :key_hash, :request_hash, :now) ON CONFLICT DO NOTHING
        """,
        scope=key.scope,
        key_hash=key.key_hash,
        request_hash=key.request_hash,
        now=now,
    ):
        return None
    row = tx.one(
        _Row,
        """
        SELECT request_hash, status, reply, headers FROM idempotency_keys
        WHERE scope = :scope AND key_hash = :key_hash
        """,
        scope=key.scope,
        key_hash=key.key_hash,
    )
    if row.request_hash != key.request_hash:
        raise IdempotencyKeyReused
    assert row.status is not None, "a claim commits together with its reply"
    body = unseal(row.reply, key.key.encode() + key.request) if row.reply and key.sealed else row.reply
    return Answer(row.status, body, row.headers or {})


def keep(tx: Tx, key: IdempotencyKey, answer: Answer) -> None:
    """Remember the answer, in the transaction that did the work."""
    body = seal(answer.body, key.key.encode() + key.request) if answer.body and key.sealed else answer.body
    tx.run_later(
        """
        UPDATE idempotency_keys SET status = :status, reply = :reply, headers = :headers
        WHERE scope = :scope AND key_hash = :key_hash
        """,
        status=answer.status,
        reply=body,
        headers=dict(answer.headers),
        scope=key.scope,
        key_hash=key.key_hash,
    )
