"""Payouts of affiliates: the shares and earnings that are owed to one, paid in one transfer.

Each share and each earning is in one payout at most that may still pay it (`affiliate_payout_lines`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID, uuid4

from shared import settings
from shared.db import Tx
from shared.ledger import journals
from shared.messages import mails, notifications
from shared.messages.mails import Letter
from shared.payouts import batch
from shared.payouts.states import Promise
from shared.values.money import Usdt

TREASURY = "affiliate"
CHOOSING = 7_500_125_003  # any constant: whoever chooses what a payout pays must lock the same one
SOURCE = "affiliate_payout"  # payouts.source_kind; the source id is that of the row here


@dataclass(frozen=True)
class Due:
    """A row of `affiliate_payouts` that is to be promised."""

    id: UUID
    affiliate_id: UUID
    address: str
    amount: Usdt


@dataclass(frozen=True)
class _GivenUp:
    week_on: date
    share: Usdt


@dataclass(frozen=True)
class _PaidAffiliate:
    affiliate_id: UUID
    amount: Usdt
    email: str
    full_name: str


def promise(tx: Tx, due: Sequence[Due], now: datetime) -> None:
    """Have rows that are still proposed paid: each gets a payout with its terms, and the task that sends it."""
    ids = batch.request_many(
        tx,
        [
            Promise(
                treasury=TREASURY,
                source_kind=SOURCE,
                source_id=str(row.id),
                recipient_address=row.address,
                amount=row.amount,
                member_id=row.affiliate_id,
                scope="affiliates",
                idempotency_key=str(row.id),
            )
            for row in due
        ],
        now,
    )
    tx.run(
        """
        UPDATE affiliate_payouts p SET state = 'requested', state_at = :now, payout_id = made.payout_id
        FROM unnest(CAST(:ids AS uuid[]), CAST(:payouts AS uuid[])) AS made (id, payout_id)
        WHERE p.id = made.id
        """,
        ids=[row.id for row in due],
        payouts=ids,
        now=now,
    )


def lock_choice(tx: Tx) -> None:
    """Let nobody else choose what payouts pay until the commit: two would choose the same shares and earnings."""
    tx.run("SELECT pg_advisory_xact_lock(:lock)", lock=CHOOSING)


def pay_owed(tx: Tx, member_id: UUID, address: str, now: datetime) -> bool:
    """Pay an affiliate whose wallet was linked what is owed and in no other payout, if it is the least amount that
    is paid or more.

    Shares of a week that nobody has agreed to are not owed yet. The caller has locked the member's totals, so that two
    of these choose one after the other; a week that is being proposed is waited for.
    """
    tx.run("SELECT pg_advisory_xact_lock_shared(:lock)", lock=CHOOSING)
    made = tx.first(
        Due,
        """
        WITH parts AS MATERIALIZED (
            SELECT s.week_on AS share_week, CAST(NULL AS uuid) AS earning_id, s.share AS amount
            FROM affiliate_week_shares s JOIN affiliate_weeks w USING (week_on)
            WHERE s.affiliate_id = :member_id AND s.share > 0 AND s.settled_at IS NULL AND w.approved_at IS NOT NULL
              AND NOT EXISTS (SELECT FROM affiliate_payout_lines l WHERE l.share_week = s.week_on
                              AND l.affiliate_id = s.affiliate_id AND l.released_at IS NULL)
            UNION ALL
            SELECT NULL, e.id, e.amount FROM affiliate_earnings e
            WHERE e.affiliate_id = :member_id AND e.status = 'pending'
              AND NOT EXISTS (SELECT FROM affiliate_payout_lines l WHERE l.earning_id = e.id AND l.released_at IS NULL)
        ), made AS (
            INSERT INTO affiliate_payouts (id, affiliate_id, address, amount, made_at, state_at)
            SELECT :id, :member_id, :address, CAST(sum(amount) AS bigint), :now, :now FROM parts
            HAVING sum(amount) >= greatest(CAST(:least AS bigint), 1)
            RETURNING id, affiliate_id, address, amount
        ), lines AS (
            INSERT INTO affiliate_payout_lines (payout_id, affiliate_id, share_week, earning_id, amount)
            SELECT made.id, made.affiliate_id, share_week, earning_id, parts.amount FROM made, parts
        )
        SELECT id, affiliate_id, address, amount FROM made
        """,
        id=uuid4(),
        member_id=member_id,
        address=address,
        least=settings.load(tx).affiliates.payout_min,
        now=now,
    )
    if made is None:
        return False
    promise(tx, [made], now)
    return True


def withdraw_proposed(tx: Tx, member_id: UUID, now: datetime) -> None:
    """Take back what a week has proposed to pay the member, because the account is being closed."""
    withdrawn = tx.column(
        UUID,
        """
        UPDATE affiliate_payouts SET state = 'cancelled', state_at = :now
        WHERE affiliate_id = :member_id AND state = 'proposed' RETURNING id
        """,
        member_id=member_id,
        now=now,
    )
    release_lines(tx, withdrawn, now)


def release_lines(tx: Tx, ids: Sequence[UUID], now: datetime) -> None:
    """Release the shares and earnings of payouts that were just cancelled: another payout may pay them."""
    tx.run(
        "UPDATE affiliate_payout_lines SET released_at = :now WHERE payout_id = ANY(:ids) AND released_at IS NULL",
        ids=ids,
        now=now,
    )


def give_up_shares(tx: Tx, member_id: UUID, now: datetime) -> None:
    """Give up the promised shares of a member who closes the account, unless a payout may pay them: they go back to
    the pool.
    """
    given = tx.all(
        _GivenUp,
        """
        UPDATE affiliate_week_shares s SET settled_at = :now, given_up = true FROM affiliate_weeks w
        WHERE s.affiliate_id = :member_id AND s.share > 0 AND s.settled_at IS NULL
          AND w.week_on = s.week_on AND w.approved_at IS NOT NULL
          AND NOT EXISTS (SELECT FROM affiliate_payout_lines l WHERE l.share_week = s.week_on
                          AND l.affiliate_id = s.affiliate_id AND l.released_at IS NULL)
        RETURNING s.week_on, s.share
        """,
        member_id=member_id,
        now=now,
    )
    for share in given:
        ref = f"week-returned:{share.week_on}:{member_id}"
        journals.move(tx, ref, f"owed:{TREASURY}", f"pool:{TREASURY}", share.share, now=now)


def mark_paid(tx: Tx, identity: UUID, payer: str, payee: str, transaction_hash: str, now: datetime) -> None:
    """Record a final payment: the row, its shares and earnings, wallet history, notification, mail. Harmless twice."""
    paid = tx.first(
        _PaidAffiliate,
        """
        UPDATE affiliate_payouts p SET state = 'paid', state_at = :now FROM members m
        WHERE p.id = :id AND p.state = 'requested' AND m.id = p.affiliate_id
        RETURNING p.affiliate_id, p.amount, m.email, m.full_name
        """,
        id=identity,
        now=now,
    )
    if paid is None:
        return
    tx.run(
        """
        UPDATE affiliate_week_shares s SET settled_at = :now FROM affiliate_payout_lines l
        WHERE l.payout_id = :id AND s.week_on = l.share_week AND s.affiliate_id = l.affiliate_id
        """,
        id=identity,
        now=now,
    )
    tx.run(
        """
        UPDATE affiliate_earnings SET status = 'paid', paid_at = :now
        WHERE id IN (SELECT earning_id FROM affiliate_payout_lines WHERE payout_id = :id AND earning_id IS NOT NULL)
        """,
        id=identity,
        now=now,
    )
    tx.run(
        """
        INSERT INTO wallet_transactions (id, member_id, type, amount, transaction_hash, from_address, to_address,
                                         status, created_at, confirmed_at)
        VALUES (:id, :member_id, 'affiliate_deposit', :amount, :transaction_hash, :payer, :payee, 'confirmed',
                :now, :now)
        """,
        id=uuid4(),
        member_id=paid.affiliate_id,
        amount=paid.amount,
        transaction_hash=transaction_hash,
        payer=payer,
        payee=payee,
        now=now,
    )
    key = f"affiliate-paid:{identity}"
    data = {"payout_id": str(identity), "transaction_hash": transaction_hash}
    notifications.notify(
        tx, notifications.note(paid.affiliate_id, "affiliate_paid", data, key, amount=paid.amount), now
    )
    parameters = {"name": paid.full_name, "amount": str(paid.amount), "transaction_hash": transaction_hash}
    letter = Letter(paid.email, paid.full_name, "affiliate_paid", parameters, key, member_id=paid.affiliate_id)
    mails.queue(tx, letter, now)
