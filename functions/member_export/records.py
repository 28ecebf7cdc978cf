"""What there is about a member, in sections of any length: each gives the rows after a key, in the order of their keys.

Amounts are micro-USDT. A contract test holds the list against the schema.
"""

from collections.abc import Mapping
from uuid import UUID

from functions.member_export import store
from functions.member_export.store import Row, Section
from shared.db import Tx


def _account(tx: Tx, member_id: UUID, after: str, limit: int) -> list[Row]:
    """The member's own row, without what proves who they are."""
    return tx.all(
        Row,
        """
        SELECT key, document FROM (
            SELECT CAST(id AS text) AS key,
                   CAST(to_jsonb(members) - 'password_hash' AS text) AS document
            FROM members WHERE id = :member_id
        ) AS found WHERE key > :after ORDER BY key LIMIT :limit
        """,
        member_id=member_id,
        after=after,
        limit=limit,
    )


def _totals(tx: Tx, member_id: UUID, after: str, limit: int) -> list[Row]:
    """What was counted."""
    return tx.all(
        Row,
        """
        SELECT key, document FROM (
            SELECT CAST(member_id AS text) AS key,
                   CAST(to_jsonb(member_totals) AS text) AS document
            FROM member_totals WHERE member_id = :member_id
        ) AS found WHERE key > :after ORDER BY key LIMIT :limit
        """,
        member_id=member_id,
        after=after,
        limit=limit,
    )


def _quarters(tx: Tx, member_id: UUID, after: str, limit: int) -> list[Row]:
    """Scans and tiers by quarter."""
    return tx.all(
        Row,
        """
        SELECT key, document FROM (
            SELECT quarter AS key,
                   CAST(to_jsonb(member_quarters) - 'member_id' AS text) AS document
            FROM member_quarters WHERE member_id = :member_id
        ) AS found WHERE key > :after ORDER BY key LIMIT :limit
        """,
        member_id=member_id,
        after=after,
        limit=limit,
    )


def _tiers(tx: Tx, member_id: UUID, after: str, limit: int) -> list[Row]:
    """How the tiers came and went; who of us set one is not the member's to know."""
    return tx.all(
        Row,
        """
        SELECT key, document FROM (
            SELECT CAST(entry_id AS text) AS key,
                   CAST(to_jsonb(tier_history) - 'member_id' - 'set_by' - 'reason' AS text) AS document
            FROM tier_history WHERE member_id = :member_id
        ) AS found WHERE key > :after ORDER BY key LIMIT :limit
        """,
        member_id=member_id,
        after=after,
        limit=limit,
    )


def _permanent_tiers(tx: Tx, member_id: UUID, after: str, limit: int) -> list[Row]:
    """What the permanent tier rests on."""
    return tx.all(
        Row,
        """
        SELECT key, document FROM (
            SELECT CAST(member_id AS text) AS key,
                   CAST(to_jsonb(permanent_tiers) - 'member_id' AS text) AS document
            FROM permanent_tiers WHERE member_id = :member_id
        ) AS found WHERE key > :after ORDER BY key LIMIT :limit
        """,
        member_id=member_id,
        after=after,
        limit=limit,
    )


def _sessions(tx: Tx, member_id: UUID, after: str, limit: int) -> list[Row]:
    """Where they were signed in."""
    return tx.all(
        Row,
        """
        SELECT key, document FROM (
            SELECT CAST(id AS text) AS key,
                   CAST(to_jsonb(sessions) - 'member_id' AS text) AS document
            FROM sessions WHERE member_id = :member_id
        ) AS found WHERE key > :after ORDER BY key LIMIT :limit
        """,
        member_id=member_id,
        after=after,
        limit=limit,
    )


def _scans(tx: Tx, member_id: UUID, after: str, limit: int) -> list[Row]:
    """Every scan; what we find suspicious about one stays with us."""
    return tx.all(
        Row,
        """
        SELECT key, document FROM (
            SELECT lpad(CAST(number AS text), 20, '0') AS key,
                   CAST(to_jsonb(scans) - 'member_id' - 'code_mac' - 'flags' AS text) AS document
            FROM scans WHERE member_id = :member_id
        ) AS found WHERE key > :after ORDER BY key LIMIT :limit
        """,
        member_id=member_id,
        after=after,
        limit=limit,
    )


def _comps(tx: Tx, member_id: UUID, after: str, limit: int) -> list[Row]:
    """Everything they have won."""
    return tx.all(
        Row,
        """
        SELECT key, document FROM (
            SELECT CAST(id AS text) AS key,
                   CAST(to_jsonb(comps) - 'member_id' - 'notes' AS text) AS document
            FROM comps WHERE member_id = :member_id
        ) AS found WHERE key > :after ORDER BY key LIMIT :limit
        """,
        member_id=member_id,
        after=after,
        limit=limit,
    )


def _milestones(tx: Tx, member_id: UUID, after: str, limit: int) -> list[Row]:
    """The prizes that their scans reached, awarded or not."""
    return tx.all(
        Row,
        """
        SELECT key, document FROM (
            SELECT lpad(CAST(scan_number AS text), 20, '0') || type AS key,
                   CAST(to_jsonb(milestones) - 'member_id' AS text) AS document
            FROM milestones WHERE member_id = :member_id
        ) AS found WHERE key > :after ORDER BY key LIMIT :limit
        """,
        member_id=member_id,
        after=after,
        limit=limit,
    )


def _trips(tx: Tx, member_id: UUID, after: str, limit: int) -> list[Row]:
    """What they chose."""
    return tx.all(
        Row,
        """
        SELECT key, document FROM (
            SELECT CAST(comp_id AS text) AS key,
                   CAST(to_jsonb(trips) AS text) AS document
            FROM trips JOIN comps ON comps.id = comp_id WHERE member_id = :member_id
        ) AS found WHERE key > :after ORDER BY key LIMIT :limit
        """,
        member_id=member_id,
        after=after,
        limit=limit,
    )


def _guarantee(tx: Tx, member_id: UUID, after: str, limit: int) -> list[Row]:
    """The new member guarantee."""
    return tx.all(
        Row,
        """
        SELECT key, document FROM (
            SELECT CAST(member_id AS text) AS key,
                   CAST(to_jsonb(guarantees) - 'member_id' AS text) AS document
            FROM guarantees WHERE member_id = :member_id
        ) AS found WHERE key > :after ORDER BY key LIMIT :limit
        """,
        member_id=member_id,
        after=after,
        limit=limit,
    )


def _payouts(tx: Tx, member_id: UUID, after: str, limit: int) -> list[Row]:
    """What was promised and paid to them."""
    return tx.all(
        Row,
        """
        SELECT key, document FROM (
            SELECT CAST(id AS text) AS key,
                   CAST(to_jsonb(payouts) - 'member_id' - 'body_hash' - 'idempotency_key' - 'scope' - 'hold_reason'
                        - 'requested_by' - 'postponed_until' - 'counted_on' AS text) AS document
            FROM payouts WHERE member_id = :member_id
        ) AS found WHERE key > :after ORDER BY key LIMIT :limit
        """,
        member_id=member_id,
        after=after,
        limit=limit,
    )


def _wallet_transactions(tx: Tx, member_id: UUID, after: str, limit: int) -> list[Row]:
    """What moved in and out of their wallet."""
    return tx.all(
        Row,
        """
        SELECT key, document FROM (
            SELECT CAST(id AS text) AS key,
                   CAST(to_jsonb(wallet_transactions) - 'member_id' AS text) AS document
            FROM wallet_transactions WHERE member_id = :member_id
        ) AS found WHERE key > :after ORDER BY key LIMIT :limit
        """,
        member_id=member_id,
        after=after,
        limit=limit,
    )


def _withdrawals(tx: Tx, member_id: UUID, after: str, limit: int) -> list[Row]:
    """What they sent out of their wallet; the signed bytes are for the chain alone."""
    return tx.all(
        Row,
        """
        SELECT key, document FROM (
            SELECT CAST(id AS text) AS key,
                   CAST(to_jsonb(withdrawals) - 'member_id' - 'raw' - 'checked_at' AS text) AS document
            FROM withdrawals WHERE member_id = :member_id
        ) AS found WHERE key > :after ORDER BY key LIMIT :limit
        """,
        member_id=member_id,
        after=after,
        limit=limit,
    )


def _wallet_balance(tx: Tx, member_id: UUID, after: str, limit: int) -> list[Row]:
    """What their wallet held when we looked last."""
    return tx.all(
        Row,
        """
        SELECT key, document FROM (
            SELECT CAST(member_id AS text) AS key,
                   CAST(to_jsonb(wallet_balances) - 'member_id' AS text) AS document
            FROM wallet_balances WHERE member_id = :member_id
        ) AS found WHERE key > :after ORDER BY key LIMIT :limit
        """,
        member_id=member_id,
        after=after,
        limit=limit,
    )


def _wallets(tx: Tx, member_id: UUID, after: str, limit: int) -> list[Row]:
    """The wallets they have linked."""
    return tx.all(
        Row,
        """
        SELECT key, document FROM (
            SELECT CAST(id AS text) AS key,
                   CAST(to_jsonb(wallet_links) - 'member_id' AS text) AS document
            FROM wallet_links WHERE member_id = :member_id
        ) AS found WHERE key > :after ORDER BY key LIMIT :limit
        """,
        member_id=member_id,
        after=after,
        limit=limit,
    )


def _affiliate_earnings(tx: Tx, member_id: UUID, after: str, limit: int) -> list[Row]:
    """What they earned by others, who stay unnamed."""
    return tx.all(
        Row,
        """
        SELECT key, document FROM (
            SELECT CAST(id AS text) AS key,
                   CAST(to_jsonb(affiliate_earnings) - 'affiliate_id' - 'referred_id' AS text) AS document
            FROM affiliate_earnings WHERE affiliate_id = :member_id
        ) AS found WHERE key > :after ORDER BY key LIMIT :limit
        """,
        member_id=member_id,
        after=after,
        limit=limit,
    )


def _chips(tx: Tx, member_id: UUID, after: str, limit: int) -> list[Row]:
    """Chips from the scans of others."""
    return tx.all(
        Row,
        """
        SELECT key, document FROM (
            SELECT CAST(id AS text) AS key,
                   CAST(to_jsonb(affiliate_chips) - 'affiliate_id' AS text) AS document
            FROM affiliate_chips WHERE affiliate_id = :member_id
        ) AS found WHERE key > :after ORDER BY key LIMIT :limit
        """,
        member_id=member_id,
        after=after,
        limit=limit,
    )


def _chip_balance(tx: Tx, member_id: UUID, after: str, limit: int) -> list[Row]:
    """Their sum."""
    return tx.all(
        Row,
        """
        SELECT key, document FROM (
            SELECT CAST(affiliate_id AS text) AS key,
                   CAST(to_jsonb(chip_balances) - 'affiliate_id' AS text) AS document
            FROM chip_balances WHERE affiliate_id = :member_id
        ) AS found WHERE key > :after ORDER BY key LIMIT :limit
        """,
        member_id=member_id,
        after=after,
        limit=limit,
    )


def _downline(tx: Tx, member_id: UUID, after: str, limit: int) -> list[Row]:
    """Tins bought by those they referred, who stay unnamed."""
    return tx.all(
        Row,
        """
        SELECT key, document FROM (
            SELECT source_id AS key,
                   CAST(to_jsonb(downline_entries) - 'affiliate_id' - 'buyer_id' AS text) AS document
            FROM downline_entries WHERE affiliate_id = :member_id
        ) AS found WHERE key > :after ORDER BY key LIMIT :limit
        """,
        member_id=member_id,
        after=after,
        limit=limit,
    )


ALL: Mapping[str, Section] = {
    "account": _account,
    "totals": _totals,
    "quarters": _quarters,
    "tiers": _tiers,
    "permanent_tiers": _permanent_tiers,
    "sessions": _sessions,
    "second_factor": store.second_factor,
    "known_devices": store.known_devices,
    "referral_codes": store.referral_codes,
    "scans": _scans,
    "comps": _comps,
    "milestones": _milestones,
    "trips": _trips,
    "guarantee": _guarantee,
    "payouts": _payouts,
    "wallet_transactions": _wallet_transactions,
    "withdrawals": _withdrawals,
    "wallet_balance": _wallet_balance,
    "wallets": _wallets,
    "affiliate_earnings": _affiliate_earnings,
    "chips": _chips,
    "chip_balance": _chip_balance,
    "downline": _downline,
    "notifications": store.notifications,
    "notification_preferences": store.notification_preferences,
    "devices": store.devices,
    "mails": store.mails,
    "pictures": store.pictures,
    "email_changes": store.email_changes,
    "exports": store.exports,
}
