"""Secrets at rest: AES-256-GCM under a data key that only KMS can unwrap, bound to the row that they belong to.

A process unwraps a data key once and keeps it. Before that, FetchFirst makes the caller fetch it outside of the
transaction, because KMS is never called with a transaction open. The stored bytes are the data key's id, the nonce, and
the ciphertext with its tag.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID, uuid4

from shared.db import FetchFirst, Tx
from shared.ports import kms
from shared.web.sealing import NONCE_BYTES

KEY_BYTES = 32
ID_BYTES = 16

_unwrapped: dict[UUID, bytes] = {}


@dataclass(frozen=True)
class DataKey:
    """A data key as it is stored: useless without KMS."""

    id: UUID
    kms_key: str
    wrapped: bytes


def new_data_key(kms_key: str) -> DataKey:
    """A new random data key, wrapped by `kms_key`."""
    identity = uuid4()
    return DataKey(identity, kms_key, kms.encrypt(kms_key, os.urandom(KEY_BYTES), identity.bytes))


def seal(tx: Tx, secret: bytes, row: str) -> bytes:
    """Encrypt a secret. `row` names its table and id, so that the secret cannot be moved to another row."""
    return seal_all(tx, {row: secret})[row]


def seal_all(tx: Tx, secrets: Mapping[str, bytes]) -> dict[str, bytes]:
    """Encrypt the secrets of many rows."""
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    newest = tx.one(DataKey, "SELECT id, kms_key, wrapped FROM data_keys ORDER BY created_at DESC, id LIMIT 1")
    cipher, nonces = AESGCM(_plain(newest)), {row: os.urandom(NONCE_BYTES) for row in secrets}
    return {
        row: newest.id.bytes + nonces[row] + cipher.encrypt(nonces[row], secret, row.encode())
        for row, secret in secrets.items()
    }


def unseal(tx: Tx, sealed: bytes, row: str) -> bytes:
    """Decrypt a secret. Raises cryptography's InvalidTag when it was sealed for another row, or changed."""
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    identity, nonce = UUID(bytes=sealed[:ID_BYTES]), sealed[ID_BYTES : ID_BYTES + NONCE_BYTES]
    key = _unwrapped.get(identity) or _plain(
        tx.one(DataKey, "SELECT id, kms_key, wrapped FROM data_keys WHERE id = :id", id=identity)
    )
    return AESGCM(key).decrypt(nonce, sealed[ID_BYTES + NONCE_BYTES :], row.encode())


def _plain(key: DataKey) -> bytes:
    if key.id not in _unwrapped:
        raise FetchFirst(lambda: _unwrap(key))
    return _unwrapped[key.id]


def _unwrap(key: DataKey) -> None:
    _unwrapped[key.id] = kms.decrypt(key.kms_key, key.wrapped, key.id.bytes)
