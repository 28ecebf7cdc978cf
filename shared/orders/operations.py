"""Operations: what the payment provider is asked for. Each is recorded first and sent under its row's id."""

from datetime import datetime
from uuid import UUID, uuid4

from shared.db import Tx
from shared.orders import tasks
from shared.values.money import Usdt
from shared.values.states import OperationKind
from shared.values.vendor_times import LOST_AFTER


def record(
    tx: Tx, payment_id: UUID, kind: OperationKind, amount: Usdt, now: datetime, *, operation_id: UUID | None = None,
    asked: bool = True,
) -> UUID:  # fmt: skip
    """Record an operation and return its id. A task asks the provider for it, unless `asked` is False.

    In USDT nobody is asked: a refund is promised as a payout, for which the task asks then.
    """
    identity = operation_id or uuid4()
    in_usdt = tx.scalar(
        bool,
        """
        INSERT INTO payment_operations (id, payment_id, kind, amount, recorded_at, look_at)
        SELECT :id, id, :kind, :amount, :now, CASE provider WHEN 'card' THEN CAST(:look_at AS timestamptz) END
        FROM payments WHERE id = :payment_id
        RETURNING look_at IS NULL AS in_usdt
        """,
        id=identity,
        payment_id=payment_id,
        kind=kind,
        amount=amount,
        now=now,
        look_at=now + LOST_AFTER,
    )
    if asked and in_usdt:
        tasks.watch_deposits(tx, now)
    elif asked:
        tasks.ask_soon(tx, identity, now)
    return identity


def never_send(tx: Tx, operation_id: UUID, now: datetime) -> bool:
    """End an operation that nobody has sent, as failed; False if it was sent or has ended."""
    ended = tx.run(
        """
        UPDATE payment_operations
        SET status = 'failed', evidence = 'never_sent', answered_at = :now, look_at = NULL
        WHERE id = :id AND status = 'recorded'
        """,
        id=operation_id,
        now=now,
    )
    return ended > 0
