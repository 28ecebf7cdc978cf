"""Disputes of payments as rows."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid4

from functions.payment_watch.dispute_shares import Taken
from shared.db import Tx
from shared.ports.card import Dispute
from shared.values.money import Usdt
from shared.values.states import DisputeState


@dataclass(frozen=True)
class Disputed:
    """A payment that was captured, and its order."""

    payment_id: UUID
    order_id: UUID


@dataclass(frozen=True)
class Known:
    """A dispute as we know it."""

    id: UUID
    state: DisputeState
    withdrawn: Usdt
    looked_at: datetime


def of_capture(tx: Tx, key: UUID) -> Disputed | None:
    """The payment whose capture has this key; None if there is none."""
    return tx.first(
        Disputed,
        """
        SELECT p.id AS payment_id, p.order_id FROM payment_operations o JOIN payments p ON p.id = o.payment_id
        WHERE o.id = :key AND o.kind = 'capture' AND o.status = 'succeeded'
        """,
        key=key,
    )


def known(tx: Tx, reference: str) -> Known | None:
    """The dispute of this name; None if it is new. Its order is locked by the caller."""
    return tx.first(
        Known,
        "SELECT id, state, withdrawn, looked_at FROM disputes WHERE reference = :reference",
        reference=reference,
    )


def insert(tx: Tx, payment_id: UUID, told: Dispute, asked_at: datetime, now: datetime) -> Known:
    """Keep a new dispute, of which nothing was booked yet."""
    identity = uuid4()
    tx.run(
        """
        INSERT INTO disputes (id, payment_id, reference, state, reason, amount, evidence_by, opened_at, noticed_at,
                              looked_at, decided_at)
        VALUES (:id, :payment_id, :reference, :state, :reason, :amount, :evidence_by, :opened_at, :now, :asked_at,
                CASE WHEN :state IN ('won', 'lost') THEN CAST(:now AS timestamptz) END)
        """,
        id=identity,
        payment_id=payment_id,
        reference=told.reference,
        state=told.state,
        reason=told.reason,
        amount=told.amount,
        evidence_by=told.evidence_by,
        opened_at=told.opened_at,
        asked_at=asked_at,
        now=now,
    )
    return Known(identity, told.state, Usdt(0), asked_at)


def update(tx: Tx, dispute_id: UUID, told: Dispute, asked_at: datetime, now: datetime) -> None:
    """Keep what the provider says of a dispute by now."""
    tx.run(
        """
        UPDATE disputes
        SET state = :state, reason = :reason, amount = :amount, evidence_by = :evidence_by, looked_at = :asked_at,
            decided_at = CASE WHEN :state IN ('won', 'lost') THEN coalesce(decided_at, :now) END
        WHERE id = :id
        """,
        id=dispute_id,
        state=told.state,
        reason=told.reason,
        amount=told.amount,
        evidence_by=told.evidence_by,
        asked_at=asked_at,
        now=now,
    )


def taken(tx: Tx, dispute_id: UUID) -> Taken:
    """Return what the dispute has taken from its order."""
    return tx.one(
        Taken,
        """
        SELECT CAST(coalesce(sum(goods), 0) AS bigint) AS goods, CAST(coalesce(sum(shipping), 0) AS bigint) AS shipping,
               CAST(coalesce(sum(tax), 0) AS bigint) AS tax, CAST(coalesce(sum(excess), 0) AS bigint) AS excess,
               CAST(coalesce(sum(tins), 0) AS integer) AS tins
        FROM dispute_movements WHERE dispute_id = :id
        """,
        id=dispute_id,
    )


def left(tx: Tx, order_id: UUID) -> Taken:
    """Return what the order was charged and has not given back."""
    return tx.one(
        Taken,
        """
        SELECT o.subtotal - given.goods AS goods, o.shipping_cost - given.shipping AS shipping,
               o.tax_amount - given.tax AS tax, CAST(0 AS bigint) AS excess, o.tins - given.tins AS tins
        FROM orders o CROSS JOIN LATERAL order_given_back(o.id) given WHERE o.id = :order_id
        """,
        order_id=order_id,
    )


def move(tx: Tx, dispute_id: UUID, moved: Taken, now: datetime) -> int:
    """Record what the dispute takes now, or, negative, gives back; returns the movement's number."""
    return tx.scalar(
        int,
        """
        INSERT INTO dispute_movements (dispute_id, sequence, goods, shipping, tax, excess, amount, tins, moved_at)
        SELECT :id, count(*) + 1, :goods, :shipping, :tax, :excess, :amount, :tins, :now
        FROM dispute_movements WHERE dispute_id = :id
        RETURNING sequence
        """,
        id=dispute_id,
        goods=moved.goods,
        shipping=moved.shipping,
        tax=moved.tax,
        excess=moved.excess,
        amount=moved.amount,
        tins=moved.tins,
        now=now,
    )


def undecided(tx: Tx, before: datetime, limit: int) -> list[str]:
    """The names of disputes that are not decided and that nobody has asked about since that time, longest first."""
    return tx.column(
        str,
        """
        SELECT reference FROM disputes WHERE decided_at IS NULL AND looked_at < :before ORDER BY looked_at LIMIT :limit
        """,
        before=before,
        limit=limit,
    )
