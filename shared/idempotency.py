"""Idempotency keys: the same key and body give the same answer, for ever (IETF draft idempotency-key-header).

The row is inserted first, in the request's own transaction: a twin waits on the primary key until the first one
has committed, then reads its reply.
"""

import hashlib
import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

from shared.db import Tx
from shared.problems import IdempotencyKeyReused, NotValid, Problem
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
    scope: str
    key_hash: bytes
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
    found = claim_all(tx, {0: key}, now).get(0)
    if isinstance(found, Problem):
        raise found
    return found


def claim_all(tx: Tx, keys: Mapping[int, IdempotencyKey], now: datetime) -> dict[int, Answer | Problem]:
    """The same for many different keys: what is to be answered at once, by position; the others are first."""
    if not keys:
        return {}
    scopes, hashes = _names(keys.values())
    tx.run_later(
        """
        INSERT INTO idempotency_keys (scope, key_hash, request_hash, created_at)
        SELECT scope, key_hash, request_hash, :now
        FROM unnest(CAST(:scopes AS text[]), CAST(:hashes AS bytea[]), CAST(:requests AS bytea[]))
             AS given (scope, key_hash, request_hash)
        ORDER BY scope, key_hash  -- so that two groups never wait for each other
        ON CONFLICT DO NOTHING
        """,
        scopes=scopes,
        hashes=hashes,
        requests=[key.request_hash for key in keys.values()],
        now=now,
    )
    rows = tx.all(
        _Row,
        """
        SELECT scope, key_hash, request_hash, status, reply, headers
        FROM idempotency_keys
        WHERE (scope, key_hash) IN (SELECT * FROM unnest(CAST(:scopes AS text[]), CAST(:hashes AS bytea[])))
        """,
        scopes=scopes,
        hashes=hashes,
    )
    first = {(row.scope, row.key_hash): row for row in rows}
    return {
        position: earlier
        for position, key in keys.items()
        if (earlier := _earlier(key, first[key.scope, key.key_hash])) is not None
    }


def keep(tx: Tx, key: IdempotencyKey, answer: Answer) -> None:
    """Remember the answer, in the transaction that did the work."""
    keep_all(tx, {key: answer})


def keep_all(tx: Tx, answers: Mapping[IdempotencyKey, Answer]) -> None:
    """The same for many."""
    if not answers:
        return
    scopes, hashes = _names(answers)
    tx.run_later(
        """
        UPDATE idempotency_keys k SET status = given.status, reply = given.reply, headers = given.headers
        FROM unnest(CAST(:scopes AS text[]), CAST(:hashes AS bytea[]), CAST(:statuses AS smallint[]),
                    CAST(:replies AS bytea[]), CAST(:headers AS jsonb[]))
             AS given (scope, key_hash, status, reply, headers)
        WHERE k.scope = given.scope AND k.key_hash = given.key_hash
        """,
        scopes=scopes,
        hashes=hashes,
        statuses=[answer.status for answer in answers.values()],
        replies=[_stored(key, answer) for key, answer in answers.items()],
        headers=[json.dumps(dict(answer.headers)) for answer in answers.values()],
    )


def forget_all(tx: Tx, keys: Collection[IdempotencyKey]) -> None:
    """Nothing was done for these: the same request may come again."""
    if not keys:
        return
    scopes, hashes = _names(keys)
    tx.run_later(
        """
        DELETE FROM idempotency_keys
        WHERE (scope, key_hash) IN (SELECT * FROM unnest(CAST(:scopes AS text[]), CAST(:hashes AS bytea[])))
        """,
        scopes=scopes,
        hashes=hashes,
    )


def _names(keys: Collection[IdempotencyKey]) -> tuple[list[str], list[bytes]]:
    return [key.scope for key in keys], [key.key_hash for key in keys]


def _earlier(key: IdempotencyKey, row: _Row) -> Answer | Problem | None:
    """A row without an answer can only be our own: a claim commits together with its reply."""
    if row.request_hash != key.request_hash:
        return IdempotencyKeyReused()
    if row.status is None:
        return None
    body = unseal(row.reply, key.key.encode() + key.request) if row.reply and key.sealed else row.reply
    return Answer(row.status, body, row.headers or {})


def _stored(key: IdempotencyKey, answer: Answer) -> bytes | None:
    return seal(answer.body, key.key.encode() + key.request) if answer.body and key.sealed else answer.body
