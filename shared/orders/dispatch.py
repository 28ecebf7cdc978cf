"""Paid orders on their way out: how far what the warehouse has sent takes them, and what becomes of their stock.

The parcels of an order are recorded first; its tins leave the stock at the end of the transaction, because others wait
for these goods from then on.
"""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from shared.db import Tx
from shared.orders import disputes, fulfilments, refunds, rows, telling
from shared.orders.refunds import RefundReason
from shared.orders.rows import Order
from shared.orders.states import PAID, CancelReason, OrderState
from shared.values.states import FULFILMENT_ENDS, FulfilmentStatus


@dataclass(frozen=True)
class Progress:
    """How far a paid order has come: tins in parcels, tins that are neither in a parcel nor released, the status of its
    last fulfilment and whether we have had it cancelled, whether a parcel may still arrive, and how many have arrived.
    """

    sent: int
    left: int
    fulfilment: FulfilmentStatus
    is_stopped: bool
    is_under_way: bool
    arrived: int


@dataclass(frozen=True)
class _Unsent:
    sku: str
    tins: int


def go_out(tx: Tx, order: Order, now: datetime) -> None:
    """Take a paid order as far as its parcels go. Once a tin has left, a wish to cancel is refused, which is told; what
    the warehouse does not send of it is paid back; when it sends nothing at all, the order is to be cancelled. The rest
    of a disputed order waits; once the bank has the money, it is not paid back again. What was stopped by a dispute is
    sent after all once it is disputed no more.
    """
    found = _progress(tx, order.id)
    if not found.sent:
        if found.fulfilment is FulfilmentStatus.SHIPPED:
            rows.want_cancelled(tx, order.id, CancelReason.SHORT, now)
        elif found.fulfilment is FulfilmentStatus.PACKED and order.state is OrderState.CONFIRMED:
            _move(tx, order.id, OrderState.FULFILLED, now)
        elif found.is_stopped and not order.is_leaving and not disputes.is_disputed(tx, order.id):
            fulfilments.record(tx, order.id, now)
        return
    if order.is_leaving:
        _refuse_cancel(tx, order.id, now)
        telling.not_cancelled(tx, order, now)
    is_over = found.fulfilment in FULFILMENT_ENDS and not (found.left and disputes.is_open(tx, order.id))
    if found.left and is_over and not disputes.is_disputed(tx, order.id):
        _refund_rest(tx, order, now)
    reached = _reached(found, is_over=is_over)
    if PAID.index(reached) > PAID.index(order.state):
        _move(tx, order.id, reached, now)
        if reached is OrderState.DELIVERED and found.arrived:
            telling.delivered(tx, order, now)
    _move_stock(tx, order.id, now, release=is_over)


def _refund_rest(tx: Tx, order: Order, now: datetime) -> None:
    """Pay back the tins that the warehouse does not send, unless people have done it."""
    tins = {line.sku: line.tins for line in _unsent(tx, order.id)}
    if tins:
        payment = rows.newest_payment(tx, order.id)
        refund_id = refunds.refund_tins(tx, order, payment, tins, RefundReason.SHORT, now=now)
        telling.short(tx, order, refund_id, now)


def _reached(found: Progress, *, is_over: bool) -> OrderState:
    """The state that an order of which something has left has reached."""
    if found.left and not is_over:
        return OrderState.FULFILLED
    return OrderState.SHIPPED if found.is_under_way else OrderState.DELIVERED


def _progress(tx: Tx, order_id: UUID) -> Progress:
    return tx.one(
        Progress,
        """
        SELECT CAST(sum(parcelled.tins) AS integer) AS sent,
               CAST(sum(item.promised - item.released - parcelled.tins) AS integer) AS left,
               last.status AS fulfilment, last.status = 'cancelled' AND last.cancel_wanted_at IS NOT NULL AS is_stopped,
               order_has_parcels_under_way(CAST(:order_id AS uuid)) AS is_under_way,
               (SELECT CAST(count(*) AS integer) FROM parcels JOIN fulfilments f ON f.id = fulfilment_id
                WHERE f.order_id = :order_id AND parcels.status = 'delivered') AS arrived
        FROM order_items item
        CROSS JOIN LATERAL (
            SELECT coalesce(sum(line.tins), 0) AS tins
            FROM fulfilments f JOIN parcels ON parcels.fulfilment_id = f.id
            JOIN parcel_lines line ON line.parcel_id = parcels.id
            WHERE f.order_id = item.order_id AND line.sku = item.sku) parcelled
        CROSS JOIN (SELECT status, cancel_wanted_at FROM fulfilments WHERE order_id = :order_id
                    ORDER BY recorded_at DESC, id DESC LIMIT 1) last
        WHERE item.order_id = :order_id GROUP BY last.status, last.cancel_wanted_at
        """,
        order_id=order_id,
    )


def _move(tx: Tx, order_id: UUID, state: OrderState, now: datetime) -> None:
    tx.run("UPDATE orders SET state = :state, state_at = :now WHERE id = :id", id=order_id, state=state, now=now)


def _refuse_cancel(tx: Tx, order_id: UUID, now: datetime) -> None:
    tx.run("UPDATE orders SET cancel_refused_at = :now WHERE id = :id", id=order_id, now=now)


def _unsent(tx: Tx, order_id: UUID) -> list[_Unsent]:
    """The tins of an order that are in no parcel and were not refunded, by SKU."""
    return tx.all(
        _Unsent,
        """
        SELECT item.sku, CAST(least(item.promised - item.released - parcelled.tins, item.quantity - item.refunded)
                              AS integer) AS tins
        FROM order_items item
        CROSS JOIN LATERAL (
            SELECT coalesce(sum(line.tins), 0) AS tins
            FROM fulfilments f JOIN parcels ON parcels.fulfilment_id = f.id
            JOIN parcel_lines line ON line.parcel_id = parcels.id
            WHERE f.order_id = item.order_id AND line.sku = item.sku) parcelled
        WHERE item.order_id = :order_id
          AND least(item.promised - item.released - parcelled.tins, item.quantity - item.refunded) > 0
        ORDER BY item.sku
        """,
        order_id=order_id,
    )


def _move_stock(tx: Tx, order_id: UUID, now: datetime, *, release: bool) -> None:
    """Move what is in parcels out of the stock, each line once, and release the rest if that is wanted. Others wait for
    these goods until the commit.
    """
    tx.run(
        """
        WITH parcelled AS (
            SELECT parcels.id, parcels.shipped_at, line.sku, line.tins
            FROM fulfilments f JOIN parcels ON parcels.fulfilment_id = f.id
            JOIN parcel_lines line ON line.parcel_id = parcels.id WHERE f.order_id = :order_id
        )
        INSERT INTO stock_moves (sku, kind, quantity, order_id, parcel_id, moved_at, recorded_at)
        SELECT sku, 'ship', tins, CAST(:order_id AS uuid), id, shipped_at, CAST(:now AS timestamptz) FROM parcelled
        WHERE NOT EXISTS (SELECT FROM stock_moves m WHERE m.parcel_id = parcelled.id AND m.sku = parcelled.sku)
        UNION ALL
        SELECT sku, 'release', CAST(left_over AS integer), CAST(:order_id AS uuid), NULL, :now, :now
        FROM (SELECT item.sku, item.promised - item.released - (SELECT coalesce(sum(tins), 0) FROM parcelled
                                                                WHERE parcelled.sku = item.sku) AS left_over
              FROM order_items item WHERE item.order_id = CAST(:given_up AS uuid)) rest
        WHERE left_over > 0
        """,
        order_id=order_id,
        now=now,
        given_up=order_id if release else None,
    )
