"""Orders that are paid and then disputed, and what tests compare of them."""

from dataclasses import dataclass
from uuid import UUID, uuid4

from pg8000.dbapi import Connection

from shared import clock, db
from shared.db import Tx
from shared.orders import tasks
from shared.values.money import Usdt
from tests.factories import Somebody
from tests.fakes import order_rows
from tests.fakes.order_driver import OrderDriver


@dataclass(frozen=True)
class DisputeStanding:
    """A dispute with its movements' sums: goods, shipping, tax and excess."""

    state: str
    withdrawn: Usdt
    goods: Usdt
    shipping: Usdt
    tax: Usdt
    excess: Usdt
    tins: int
    movements: int


def opened(sql: Connection, buyer: Somebody) -> UUID:
    """An open dispute, by rows alone, of a new order of the buyer's; returns the order's id."""
    order_rows.counted(100)
    order_id = order_rows.placed(buyer)
    sql.execute_unnamed(
        """
        INSERT INTO disputes (id, payment_id, reference, state, reason, amount, evidence_by, opened_at, noticed_at,
                              looked_at)
        VALUES ($1, $2, 'dp_1', 'open', 'fraudulent', 5000000, '2026-12-08T12:00:00Z', now(), now(), now())
        """,
        (uuid4(), order_rows.paid(buyer, order_id)),
    )
    return order_id


def capture_of(order_id: UUID) -> UUID:
    """The key of the order's capture."""
    return db.atomically(
        lambda tx: tx.scalar(
            UUID,
            """
            SELECT o.id FROM payment_operations o JOIN payments p ON p.id = o.payment_id
            WHERE p.order_id = :id AND o.kind = 'capture'
            """,
            id=order_id,
        )
    )


def heard(orders: OrderDriver, reference: str) -> None:
    """Look at a dispute as after a message of the provider's."""
    db.atomically(tasks.look_at_dispute_soon, reference, clock.now())
    orders.deliver()


def dispute(reference: str) -> DisputeStanding | None:
    """The dispute as our rows have it."""

    def work(tx: Tx) -> DisputeStanding | None:
        return tx.first(
            DisputeStanding,
            """
            SELECT d.state, d.withdrawn, CAST(coalesce(sum(m.goods), 0) AS bigint) AS goods,
                   CAST(coalesce(sum(m.shipping), 0) AS bigint) AS shipping,
                   CAST(coalesce(sum(m.tax), 0) AS bigint) AS tax,
                   CAST(coalesce(sum(m.excess), 0) AS bigint) AS excess,
                   CAST(coalesce(sum(m.tins), 0) AS integer) AS tins, count(m.sequence) AS movements
            FROM disputes d LEFT JOIN dispute_movements m ON m.dispute_id = d.id
            WHERE d.reference = :reference GROUP BY d.id
            """,
            reference=reference,
        )

    return db.atomically(work)


def journals_of_disputes(sql: Connection) -> int:
    return int(sql.execute_simple("SELECT count(*) FROM ledger_journals WHERE ref LIKE 'dispute:%'").rows[0][0])
