"""Refunds for which an operations admin has asked, and which another has approved."""

from collections.abc import Mapping
from uuid import UUID, uuid4

from shared import clock, db
from shared.auth import Role
from shared.db import Tx
from shared.orders import refund_shares, refunds, rows
from shared.orders.refunds import RefundReason
from tests import factories


def refund_tins(order_id: UUID, tins: Mapping[str, int], reason: RefundReason) -> None:
    """Refund so many tins of each product."""
    admin, second, made = factories.member(role=Role.OPERATIONS), factories.member(role=Role.OPERATIONS), uuid4()

    def work(tx: Tx) -> None:
        now, order = clock.now(), rows.lock(tx, order_id)
        assert order is not None
        share = refund_shares.of_tins(refunds.charge(tx, order_id), tins)
        tx.run(
            """
            INSERT INTO refund_requests (id, order_id, kind, tins, amount, reason, note, requested_by, requested_at)
            VALUES (:id, :order_id, 'tins', :tins, :amount, :reason, 'It came so', :admin, :now)
            """,
            id=made, order_id=order_id, tins=dict(tins), amount=share.amount, reason=reason, admin=admin.id, now=now,
        )  # fmt: skip
        refunds.record(tx, order, rows.newest_payment(tx, order_id), share, reason, now=now, refund_id=made)
        tx.run(
            """
            UPDATE refund_requests
            SET status = 'recorded', decided_at = :now, decided_by = :second, decision_note = 'It did' WHERE id = :id
            """,
            id=made, second=second.id, now=now,
        )  # fmt: skip

    db.atomically(work)
