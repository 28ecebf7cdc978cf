"""The reasons against the deletion of an account, and its closing: one transaction, after which nobody can sign in."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from shared.db import Tx
from shared.values.money import Usdt

# A sign-in cannot ask for this address, because it is not a valid one; no known password has the hash.
NOBODYS_EMAIL = "deleted:"
NOBODYS_HASH = "$argon2id$v=19$m=65536,t=3,p=4$1N0G6MLVOQheLmETFVqt7Q$ZD5k0V3otl1uckXWd5KCYnC3hl74CInX+LFFWHvpPKM"
FORFEITED_MAX = 1000


@dataclass(frozen=True)
class InTheWay:
    """A reason why an account cannot be deleted yet."""

    kind: Literal["payouts", "comps", "matches", "shares", "orders", "role"]
    count: int
    amount: Usdt


@dataclass(frozen=True)
class Addressee:
    """The member's address and name for the last mail, and the wallet as it was."""

    email: str
    full_name: str
    wallet_address: str | None


def in_the_way(tx: Tx, member_id: UUID) -> list[InTheWay]:
    """Payouts under way; comps, matches and shares of weeks without a payout; orders that are under way, or of which
    money is owed; the role of an admin.
    """
    return tx.all(
        InTheWay,
        """
        SELECT * FROM (
            SELECT 'payouts' AS kind, CAST(count(*) AS integer) AS count, coalesce(sum(amount), 0) AS amount
            FROM payouts WHERE member_id = :member_id AND payout_is_unfinished(state)
            UNION ALL
            SELECT 'comps', CAST(count(*) AS integer), coalesce(sum(amount), 0) FROM comps
            WHERE member_id = :member_id AND status IN ('pending', 'in_review')
              AND NOT EXISTS (SELECT FROM payouts WHERE source_kind = 'comp' AND source_id = CAST(comps.id AS text)
                                                    AND state <> 'CANCELLED')
            UNION ALL
            SELECT 'matches', CAST(count(*) AS integer), coalesce(sum(amount), 0) FROM affiliate_earnings
            WHERE affiliate_id = :member_id AND status IN ('pending', 'in_review')
              AND NOT EXISTS (SELECT FROM affiliate_payout_lines line JOIN affiliate_payouts paying
                              ON paying.id = line.payout_id AND paying.state <> 'proposed'
                              WHERE line.earning_id = affiliate_earnings.id AND line.released_at IS NULL)
            UNION ALL
            SELECT 'shares', CAST(count(*) AS integer), coalesce(sum(share), 0) FROM affiliate_week_shares shared
            JOIN affiliate_weeks USING (week_on)
            WHERE affiliate_id = :member_id AND share > 0 AND settled_at IS NULL AND approved_at IS NOT NULL
              AND NOT EXISTS (SELECT FROM affiliate_payout_lines line JOIN affiliate_payouts paying
                              ON paying.id = line.payout_id AND paying.state <> 'proposed'
                              WHERE line.share_week = shared.week_on AND line.affiliate_id = shared.affiliate_id
                                AND line.released_at IS NULL)
            UNION ALL
            SELECT 'orders', CAST(count(*) AS integer), coalesce(sum(total_amount), 0) FROM orders
            WHERE member_id = :member_id
              AND (order_is_under_way(state)
                   OR EXISTS (SELECT FROM payments WHERE order_id = orders.id AND refund_open > 0))
            UNION ALL
            SELECT 'role', 1, 0 FROM members WHERE id = :member_id AND role IS NOT NULL
        ) AS found WHERE count > 0
        """,
        member_id=member_id,
    )


def remove_cart(tx: Tx, member_id: UUID) -> None:
    """Remove the open cart. Whoever is ordering it now holds it: their order is there before this goes on."""
    tx.run("DELETE FROM carts WHERE member_id = :member_id AND status = 'open'", member_id=member_id)


def unpaid_comps(tx: Tx, member_id: UUID) -> list[UUID]:
    """The member's comps that are not paid."""
    return tx.column(
        UUID,
        """
        SELECT id FROM comps WHERE member_id = :member_id AND status IN ('pending', 'in_review')
        ORDER BY awarded_at LIMIT :limit
        """,
        member_id=member_id,
        limit=FORFEITED_MAX,
    )


def unpaid_earnings(tx: Tx, member_id: UUID) -> list[UUID]:
    """The matches and awards that the member was to get."""
    return tx.column(
        UUID,
        """
        SELECT id FROM affiliate_earnings
        WHERE affiliate_id = :member_id AND status IN ('pending', 'in_review') AND kind <> 'reversal'
        ORDER BY earned_at LIMIT :limit
        """,
        member_id=member_id,
        limit=FORFEITED_MAX,
    )


def addressee(tx: Tx, member_id: UUID) -> Addressee:
    """The member's address, name and wallet."""
    return tx.one(Addressee, "SELECT email, full_name, wallet_address FROM members WHERE id = :id", id=member_id)


def close(tx: Tx, member_id: UUID, pseudonym: str, now: datetime) -> None:
    """Erase the personal data of the member's row; ids and numbers stay, because money and scans refer to them."""
    tx.run(
        """
        UPDATE members SET status = 'deleted', username = :pseudonym, email = :nobody || CAST(id AS text),
               email_verified_at = NULL, password_hash = :hash, full_name = '', phone = NULL,
               date_of_birth = '1900-01-01', address_line1 = NULL, address_line2 = NULL, city = NULL, state = NULL,
               zip_code = NULL, country = 'US', language = 'en', bio = NULL, avatar_url = NULL, wallet_address = NULL,
               wallet_rests_until = NULL,
               oobit_card_id = NULL, oobit_card_status = NULL, last_login_at = NULL,
               updated_at = :now, profile_revision = profile_revision + 1
        WHERE id = :id
        """,
        id=member_id,
        pseudonym=pseudonym,
        nobody=NOBODYS_EMAIL,
        hash=NOBODYS_HASH,
        now=now,
    )
    tx.run_later(
        """
        UPDATE sessions SET ended_at = :now, end_reason = 'account deleted'
        WHERE member_id = :id AND ended_at IS NULL
        """,
        id=member_id,
        now=now,
    )
    tx.run_later("DELETE FROM devices WHERE member_id = :id", id=member_id)
    tx.run_later("UPDATE guarantees SET next_on = NULL WHERE member_id = :id", id=member_id)
    tx.run_later(
        "UPDATE member_quarters SET closed_at = :now WHERE member_id = :id AND closed_at IS NULL", id=member_id, now=now
    )
    tx.run_later("INSERT INTO erasures (member_id, asked_at) VALUES (:id, :now)", id=member_id, now=now)
