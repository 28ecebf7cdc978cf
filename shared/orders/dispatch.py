"""Paid orders on their way out: how far what the warehouse has sent takes them, and what becomes of their stock.

The parcels of an order are recorded first; its tins leave the stock at the end of the transaction, because others wait
for these goods from then on.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from shared.db import Tx
from shared.messages import hook_events
from shared.orders import disputes, fulfilments, refunds, rows, telling
from shared.orders.fulfilments import LastFulfilment
from shared.orders.refund_shares import MoreThanLeft
from shared.orders.refunds import RefundReason
from shared.orders.rows import Order
from shared.orders.states import PAID, CancelReason, OrderState
from shared.values.hooks import HookKind
from shared.values.states import FULFILMENT_ENDS, FulfilmentStatus

HOOKS = {
    OrderState.FULFILLED: HookKind.ORDER_FULFILLED,
    OrderState.SHIPPED: HookKind.ORDER_SHIPPED,
    OrderState.DELIVERED: HookKind.ORDER_DELIVERED,
}


@dataclass(frozen=True)
class _Line:
    """The tins of a product in an order: those in parcels, those that are neither in a parcel nor released, and how
    many of the order were not refunded.
    """

    sku: str
    sent: int
    left: int
    unrefunded: int


@dataclass(frozen=True)
class _Journey:
    """Whether a parcel of an order may still arrive, and how many have arrived."""

    is_under_way: bool
    arrived: int


def go_out(tx: Tx, order: Order, now: datetime) -> None:
    """Take a paid order as far as its parcels go. Once a tin has left, a wish to cancel is refused, which is told; what
    the warehouse does not send of it is paid back. The rest of a disputed order waits; what the bank has got is not
    paid back again.
    """
    lines, last = _lines(tx, order.id), fulfilments.newest(tx, order.id)
    assert last, "a paid order has a fulfilment"
    left = sum(line.left for line in lines)
    if not any(line.sent for line in lines):
        _nothing_sent(tx, order, last, left, now)
        return
    if order.is_leaving:
        _refuse_cancel(tx, order.id, now)
        telling.not_cancelled(tx, order, now)
    is_over = last.status in FULFILMENT_ENDS and not (left and disputes.is_open(tx, order.id))
    if left and is_over:
        _refund_rest(tx, order, lines, now)
    journey = _journey(tx, order.id)
    reached = OrderState.FULFILLED if left and not is_over else _arrived(journey)
    if PAID.index(reached) > PAID.index(order.state):
        _move(tx, order.id, reached, now)
        if reached is OrderState.DELIVERED and journey.arrived:
            telling.delivered(tx, order, now)
    _move_stock(tx, order.id, now, release=is_over)


def _nothing_sent(tx: Tx, order: Order, last: LastFulfilment, left: int, now: datetime) -> None:
    """An order that the warehouse sends nothing of is to be cancelled; one that it has packed is fulfilled. What we had
    it stop because of a dispute is sent again, once the payment is disputed no more.
    """
    if last.status is FulfilmentStatus.SHIPPED:
        rows.want_cancelled(tx, order.id, CancelReason.SHORT, now)
    elif last.status is FulfilmentStatus.PACKED and order.state is OrderState.CONFIRMED:
        _move(tx, order.id, OrderState.FULFILLED, now)
    elif last.was_stopped_by_us and left and not order.is_leaving and not disputes.is_disputed(tx, order.id):
        fulfilments.record(tx, order.id, now)


def _refund_rest(tx: Tx, order: Order, lines: Sequence[_Line], now: datetime) -> None:
    """Pay back the tins that the warehouse does not send, unless people have done it, or a bank has the money."""
    tins = {line.sku: unsent for line in lines if (unsent := min(line.left, line.unrefunded)) > 0}
    if not tins:
        return
    payment = rows.newest_payment(tx, order.id)
    try:
        refund_id = refunds.refund_tins(tx, order, payment, tins, RefundReason.SHORT, now=now)
    except MoreThanLeft:
        return
    telling.short(tx, order, refund_id, now)


def _arrived(journey: _Journey) -> OrderState:
    """The state of an order of which nothing more will leave."""
    return OrderState.SHIPPED if journey.is_under_way else OrderState.DELIVERED


def _lines(tx: Tx, order_id: UUID) -> list[_Line]:
    """The order's lines, by SKU."""
    return tx.all(
        _Line,
        """
        SELECT item.sku, CAST(parcelled.tins AS integer) AS sent,
               CAST(item.promised - item.released - parcelled.tins AS integer) AS left,
               item.quantity - item.refunded AS unrefunded
        FROM order_items item
        CROSS JOIN LATERAL (
            SELECT coalesce(sum(line.tins), 0) AS tins
            FROM fulfilments f JOIN parcels ON parcels.fulfilment_id = f.id
            JOIN parcel_lines line ON line.parcel_id = parcels.id
            WHERE f.order_id = item.order_id AND line.sku = item.sku) parcelled
        WHERE item.order_id = :order_id ORDER BY item.sku
        """,
        order_id=order_id,
    )


def _journey(tx: Tx, order_id: UUID) -> _Journey:
    return tx.one(
        _Journey,
        """
        SELECT order_has_parcels_under_way(CAST(:order_id AS uuid)) AS is_under_way,
               (SELECT CAST(count(*) AS integer) FROM parcels JOIN fulfilments f ON f.id = fulfilment_id
                WHERE f.order_id = :order_id AND parcels.status = 'delivered') AS arrived
        """,
        order_id=order_id,
    )


def _move(tx: Tx, order_id: UUID, state: OrderState, now: datetime) -> None:
    tx.run(
        "SELECT order_takes_parcels(CAST(:id AS uuid), CAST(:state AS order_state), :now)",
        id=order_id,
        state=state,
        now=now,
    )
    hook_events.tell(tx, HOOKS[state], order_id, now)


def _refuse_cancel(tx: Tx, order_id: UUID, now: datetime) -> None:
    tx.run("UPDATE orders SET cancel_refused_at = :now WHERE id = :id", id=order_id, now=now)


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
