"""Signing keys and their stages, as rows."""

from datetime import datetime

from shared.db import Tx


def versions(tx: Tx) -> list[str]:
    """The KMS versions of all keys that were ever published."""
    return tx.column(str, "SELECT kms_version FROM signing_keys")


def newest_created_at(tx: Tx) -> datetime:
    """When the newest key was published; its age says whether the next one is due."""
    return tx.scalar(datetime, "SELECT created_at FROM signing_keys ORDER BY created_at DESC LIMIT 1")


def retire(tx: Tx, superseded_before: datetime, now: datetime) -> list[str]:
    """Retire the keys whose successor has signed for so long that none of their tokens is valid any more."""
    return tx.column(
        str,
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


def retired_versions(tx: Tx) -> list[str]:
    """The KMS versions of retired keys, which need not sign any more."""
    return tx.column(str, "SELECT kms_version FROM signing_keys WHERE retired_at IS NOT NULL")
