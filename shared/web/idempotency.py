"""Idempotency keys: the same key and body give the same answer (IETF draft idempotency-key-header).

The row is inserted first, in the request's own transaction: a second request with the key waits on the primary key
until the first one has committed, then reads its reply. shared/database/retention.py says how long rows are kept.
"""

import hashlib
import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from shared.db import Tx
from shared.values.problems import IdempotencyKeyReused, NotValid, Problem
from shared.web.sealing import seal, unseal

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
        """The hash under which the key is stored. Stored hashes alone do not help to guess a password."""
        return hashlib.sha256(self.key.encode()).digest()

    @property
    def request_hash(self) -> bytes:
        """SHA-256 of key, operation and body."""
        return hashlib.sha256(self.key.encode() + b"\x00" + self.request).digest()


@dataclass(frozen=True)
class Answer:
    """The answer to a request: `body` is None for an empty response."""

    status: int
    body: bytes | None
    headers: Mapping[str, str]


@dataclass(frozen=True)
class _KeptAnswer:
    scope: str
    key_hash: bytes
    request_hash: bytes
    status: int | None
    reply: bytes | None
    headers: dict[str, str] | None


def of_anyone(operation: str, key: str, request: bytes) -> IdempotencyKey:
    """The key of a caller who is not signed in; its scope includes the whole request.

    Such callers differ only by what they send. A caller who sends another request under the same key is somebody else,
    from whichever network, and is served as if the key were new. The answer is always sealed: only a caller who sends
    the key and the whole request again can read it.
    """
    asked = IdempotencyKey(operation, key, request, sealed=True)
    return replace(asked, scope=f"{operation} {asked.request_hash.hex()}")


def check(key: str) -> str:
    """The key itself. Raises NotValid if it is not 1 to 255 printable ASCII characters."""
    if not _KEY.fullmatch(key):
        raise NotValid(errors=[{"field": "Idempotency-Key", "message": "must be 1 to 255 printable characters"}])
    return key


def claim(tx: Tx, key: IdempotencyKey, now: datetime) -> Answer | None:
    """Claim a key; None when this request is the first with it, else the answer to the first.

    Raises IdempotencyKeyReused when the first was another request.
    """
    found = claim_all(tx, {0: key}, now).get(0)
    if isinstance(found, Problem):
        raise found
    return found


def earlier(tx: Tx, key: IdempotencyKey) -> Answer | None:
    """The answer to the first request with this key; None if there is none yet, also while it is under way.

    Raises IdempotencyKeyReused when the first was another request.
    """
    row = tx.first(
        _KeptAnswer,
        """
        SELECT scope, key_hash, request_hash, status, reply, headers
        FROM idempotency_keys WHERE scope = :scope AND key_hash = :key_hash
        """,
        scope=key.scope,
        key_hash=key.key_hash,
    )
    found = _earlier(key, row) if row else None
    if isinstance(found, Problem):
        raise found
    return found


def claim_all(tx: Tx, keys: Mapping[int, IdempotencyKey], now: datetime) -> dict[int, Answer | Problem]:
    """Claim many different keys; returns known answers (or Problems) by position. All other requests are first."""
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
        _KeptAnswer,
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
    """Store the answer, in the transaction that did the work."""
    keep_all(tx, {key: answer})


def keep_all(tx: Tx, answers: Mapping[IdempotencyKey, Answer]) -> None:
    """Store many answers, in the transaction that did the work."""
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
    """Delete the claims of requests for which nothing was done: the same requests may come again."""
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


def _earlier(key: IdempotencyKey, row: _KeptAnswer) -> Answer | Problem | None:
    """The stored answer; None for our own new row. Rows of others have answers: both are committed together."""
    if row.request_hash != key.request_hash:
        return IdempotencyKeyReused()
    if row.status is None:
        return None
    body = unseal(row.reply, key.key.encode() + key.request) if row.reply and key.sealed else row.reply
    return Answer(row.status, body, row.headers or {})


def _stored(key: IdempotencyKey, answer: Answer) -> bytes | None:
    return seal(answer.body, key.key.encode() + key.request) if answer.body and key.sealed else answer.body
