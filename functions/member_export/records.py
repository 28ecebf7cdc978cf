"""The sections of the export, each of any length: a section returns the rows after a key, in the order of their keys.

Amounts are micro-USDT. A contract test compares the list with the schema.
"""

from collections.abc import Mapping
from uuid import UUID

from functions.member_export import store
from functions.member_export.store import Row, Section
from shared.db import Tx


def _account(tx: Tx, member_id: UUID, after: str, limit: int) -> list[Row]:
    """The member's own row, without the password hash and the sign-up ticket."""
    return tx.all(
        Row,
        """
        SELECT key, document FROM (
            SELECT CAST(id AS text) AS key,
                   CAST(to_jsonb(members) - 'password_hash' - 'sign_up_ticket' AS text) AS document
            FROM members WHERE id = :member_id
        ) AS found WHERE key > :after ORDER BY key LIMIT :limit
        """,
        member_id=member_id,
        after=after,
        limit=limit,
    )


def _totals(tx: Tx, member_id: UUID, after: str, limit: int) -> list[Row]:
    """The totals of the member's scans and comps."""
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
    """The member's scans and tier in each quarter."""
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
    """The history of the member's tiers, without the admin who set one and without the reason."""
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
    """The figures behind the permanent tier."""
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
    """The sessions in which the member was signed in."""
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
    """The member's scans, without the flags of our fraud checks."""
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
    """The comps that the member was awarded."""
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
    """The prizes that the member's scans reached, awarded or not."""
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
    """The trips that the member has chosen."""
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
    """The member's payouts, without the policy's internal fields."""
    return tx.all(
        Row,
        """
        SELECT key, document FROM (
            SELECT CAST(id AS text) AS key,
                   CAST(to_jsonb(payouts) - 'member_id' - 'body_hash' - 'idempotency_key' - 'scope' - 'hold_reason'
                        - 'requested_by' - 'postponed_until' - 'counted_on' - 'people_agreed'
                        AS text) AS document
            FROM payouts WHERE member_id = :member_id
        ) AS found WHERE key > :after ORDER BY key LIMIT :limit
        """,
        member_id=member_id,
        after=after,
        limit=limit,
    )


def _wallet_transactions(tx: Tx, member_id: UUID, after: str, limit: int) -> list[Row]:
    """The transfers into and out of the member's wallet."""
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
    """The member's withdrawals, without the signed transaction."""
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
    """The last read balance of the member's wallet."""
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
    """The wallets that the member has linked."""
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
    """The affiliate earnings, without the names of the referred members."""
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
    """The chips that the member has earned by scans of others."""
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
    """The number of the member's chips."""
    return tx.all(
        Row,
        """
        SELECT key, document FROM (
            SELECT CAST(affiliate_id AS text) AS key,
                   CAST(to_jsonb(chip_counts) - 'affiliate_id' AS text) AS document
            FROM chip_counts WHERE affiliate_id = :member_id
        ) AS found WHERE key > :after ORDER BY key LIMIT :limit
        """,
        member_id=member_id,
        after=after,
        limit=limit,
    )


def _downline(tx: Tx, member_id: UUID, after: str, limit: int) -> list[Row]:
    """The tins bought by referred members, who stay unnamed."""
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


def _cart(tx: Tx, member_id: UUID, after: str, limit: int) -> list[Row]:
    """The items in the member's carts."""
    return tx.all(
        Row,
        """
        SELECT key, document FROM (
            SELECT CAST(cart_items.id AS text) AS key,
                   CAST(to_jsonb(cart_items) - 'id' AS text) AS document
            FROM cart_items JOIN carts ON carts.id = cart_id WHERE member_id = :member_id
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
    "former_usernames": store.former_usernames,
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
    "cart": _cart,
    "notifications": store.notifications,
    "notification_preferences": store.notification_preferences,
    "devices": store.devices,
    "mails": store.mails,
    "pictures": store.pictures,
    "email_changes": store.email_changes,
    "exports": store.exports,
}
