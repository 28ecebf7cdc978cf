"""The signing keys and how far each has come."""

from dataclasses import dataclass
from datetime import datetime

from shared.db import Tx


@dataclass(frozen=True)
class _Version:
    kms_version: str


@dataclass(frozen=True)
class Newest:
    """The key that was published last."""

    created_at: datetime


def versions(tx: Tx) -> list[str]:
    """All that were ever published."""
    return [row.kms_version for row in tx.all(_Version, "SELECT kms_version FROM signing_keys")]


def newest(tx: Tx) -> Newest:
    """Its age says whether another is due."""
    return tx.one(Newest, "SELECT created_at FROM signing_keys ORDER BY created_at DESC LIMIT 1")


def retire(tx: Tx, superseded_before: datetime, now: datetime) -> list[str]:
    """Keys whose successor has signed alone for so long that no token of theirs is left."""
    rows = tx.all(
        _Version,
        """
        UPDATE signing_keys AS old SET retired_at = :now
        WHERE old.retired_at IS NULL AND EXISTS (
            SELECT FROM signing_keys AS successor
            WHERE successor.retired_at IS NULL AND successor.active_from > old.active_from
              AND successor.active_from <= :superseded_before
        )
        RETURNING old.kms_version
        """,
        superseded_before=superseded_before,
        now=now,
    )
    return [row.kms_version for row in rows]


def retired_versions(tx: Tx) -> list[str]:
    """They need not be able to sign any more."""
    return [
        row.kms_version for row in tx.all(_Version, "SELECT kms_version FROM signing_keys WHERE retired_at IS NOT NULL")
    ]
