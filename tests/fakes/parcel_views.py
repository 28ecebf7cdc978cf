"""An order at the warehouse as tests look at it: its fulfilments, parcels, and what was told of them."""

from dataclasses import dataclass
from uuid import UUID

from emulators.warehouse import WarehouseOrder, WarehouseStandIn
from shared import clock, db
from shared.db import Tx
from shared.orders import rows, tasks
from shared.orders.states import CancelReason
from tests.fakes import order_views
from tests.fakes.order_driver import OrderDriver
from tests.fakes.order_views import Placed
from tests.fakes.shop_client import COFFEE, MINT


@dataclass(frozen=True)
class ParcelView:
    """A parcel as it is recorded; `tins` are `n x sku`."""

    status: str
    tins: str


def confirmed(orders: OrderDriver) -> Placed:
    """An order of three tins of one product and two of another, paid, and taken by the warehouse."""
    return order_views.bought(orders, tins={MINT: 3, COFFEE: 2})


def sent(orders: OrderDriver, place: WarehouseStandIn, order_id: UUID) -> None:
    """Have the warehouse send all of the order that it has, and tell of it."""

    def work(tx: Tx) -> UUID:
        fulfilment = tx.scalar(UUID, "SELECT id FROM fulfilments WHERE order_id = :id", id=order_id)
        tasks.fulfil_soon(tx, fulfilment, clock.now())
        return fulfilment

    place.ship(db.atomically(work))
    orders.deliver()


def refused(orders: OrderDriver, place: WarehouseStandIn, order_id: UUID) -> UUID:
    """Have the warehouse refuse the order after all, and tell of it; returns the fulfilment's id."""

    def work(tx: Tx) -> UUID:
        fulfilment = tx.scalar(UUID, "SELECT id FROM fulfilments WHERE order_id = :id", id=order_id)
        tasks.fulfil_soon(tx, fulfilment, clock.now())
        return fulfilment

    found = db.atomically(work)
    place.refuse(found)
    orders.deliver()
    return found


def leave(order: Placed, orders: OrderDriver) -> None:
    """The buyer wants the order no more."""
    db.atomically(rows.want_cancelled, order.id, CancelReason.MEMBER, clock.now())
    orders.begin(order.id)


def at_warehouse(place: WarehouseStandIn) -> WarehouseOrder:
    """The one order that the warehouse has."""
    (order,) = place.orders()
    return order


def fulfilments(order_id: UUID) -> list[str]:
    """The statuses of the order's fulfilments, oldest first."""

    def work(tx: Tx) -> list[str]:
        return tx.column(
            str, "SELECT status FROM fulfilments WHERE order_id = :id ORDER BY recorded_at, id", id=order_id
        )

    return db.atomically(work)


def parcels(order_id: UUID) -> list[ParcelView]:
    """The order's parcels, oldest first."""

    def work(tx: Tx) -> list[ParcelView]:
        return tx.all(
            ParcelView,
            """
            SELECT p.status, (SELECT string_agg(tins || ' x ' || sku, ', ' ORDER BY sku) FROM parcel_lines
                              WHERE parcel_id = p.id) AS tins
            FROM parcels p JOIN fulfilments f ON f.id = fulfilment_id WHERE f.order_id = :id
            ORDER BY p.recorded_at, p.shipped_at, tins
            """,
            id=order_id,
        )

    return db.atomically(work)


def told(order_id: UUID) -> list[str]:
    """The codes of the notices about the order, in the order in which they were made."""

    def work(tx: Tx) -> list[str]:
        return tx.column(
            str,
            "SELECT code FROM notifications WHERE data ->> 'order_id' = :id ORDER BY created_at, code",
            id=str(order_id),
        )

    return db.atomically(work)


def refunds(order_id: UUID) -> list[str]:
    """The order's refunds, as `reason tins`."""

    def work(tx: Tx) -> list[str]:
        return tx.column(
            str,
            "SELECT reason || ' ' || tins FROM refunds WHERE order_id = :id ORDER BY recorded_at, id",
            id=order_id,
        )

    return db.atomically(work)
