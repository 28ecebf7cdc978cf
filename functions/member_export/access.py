"""How members sign in and are found, without what proves who they are."""

from uuid import UUID

from functions.member_export.store import Row
from shared.db import Tx


def second_factor(tx: Tx, member_id: UUID, after: str, limit: int) -> list[Row]:
    """Since when they have an authenticator app."""
    return tx.all(
        Row,
        """
        SELECT key, document FROM (
            SELECT CAST(member_id AS text) AS key,
                   CAST(jsonb_build_object('created_at', created_at, 'enabled_at', enabled_at) AS text) AS document
            FROM second_factors WHERE member_id = :member_id
        ) AS found WHERE key > :after ORDER BY key LIMIT :limit
        """,
        member_id=member_id,
        after=after,
        limit=limit,
    )


def known_devices(tx: Tx, member_id: UUID, after: str, limit: int) -> list[Row]:
    """Devices that they have signed in on."""
    return tx.all(
        Row,
        """
        SELECT key, document FROM (
            SELECT encode(token_hash, 'hex') AS key,
                   CAST(jsonb_build_object('created_at', created_at, 'last_used_at', last_used_at) AS text) AS document
            FROM known_devices WHERE member_id = :member_id
        ) AS found WHERE key > :after ORDER BY key LIMIT :limit
        """,
        member_id=member_id,
        after=after,
        limit=limit,
    )


def referral_codes(tx: Tx, member_id: UUID, after: str, limit: int) -> list[Row]:
    """Names that they chose for their link."""
    return tx.all(
        Row,
        """
        SELECT key, document FROM (
            SELECT code AS key,
                   CAST(to_jsonb(referral_codes) - 'member_id' AS text) AS document
            FROM referral_codes WHERE member_id = :member_id
        ) AS found WHERE key > :after ORDER BY key LIMIT :limit
        """,
        member_id=member_id,
        after=after,
        limit=limit,
    )
