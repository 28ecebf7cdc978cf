"""Fulfilments: what the warehouse is asked to send of an order. Each is recorded first and sent under its row's id."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid4

from shared.db import Tx
from shared.orders import tasks
from shared.values.states import FULFILMENT_ENDS, FulfilmentStatus
from shared.values.vendor_times import LOST_AFTER, REST_AWAITED


@dataclass(frozen=True)
class LastFulfilment:
    """The last fulfilment of an order. `cancel_wanted_at` is when we noted that the warehouse is to cancel it."""

    id: UUID
    by_hand: bool
    status: FulfilmentStatus
    cancel_wanted_at: datetime | None

    @property
    def is_off(self) -> bool:
        """True if the warehouse sends nothing of it: by its own word, or because it was never asked."""
        return not self.by_hand and self.status in (FulfilmentStatus.CANCELLED, FulfilmentStatus.REFUSED)

    @property
    def was_stopped_by_us(self) -> bool:
        """True if the warehouse sends nothing of it because we wanted it cancelled."""
        return self.is_off and self.cancel_wanted_at is not None

    @property
    def is_for_people(self) -> bool:
        """True if people may send what is left: the warehouse does not, or they have begun to."""
        return self.is_off or (self.by_hand and self.status is FulfilmentStatus.PACKED)


def record(tx: Tx, order_id: UUID, now: datetime) -> UUID:
    """Record that everything is to be sent that the order waits for; returns the id. A task asks the warehouse for it.

    Raises ConstraintViolated (fulfilments_live) while another fulfilment of the order may be sent.
    """
    identity = uuid4()
    tx.run(
        "INSERT INTO fulfilments (id, order_id, recorded_at, look_at) VALUES (:id, :order_id, :now, :look_at)",
        id=identity,
        order_id=order_id,
        now=now,
        look_at=now + LOST_AFTER,
    )
    _insert_lines(tx, identity, order_id)
    tasks.fulfil_soon(tx, identity, now)
    return identity


def record_by_hand(tx: Tx, order_id: UUID, now: datetime) -> UUID:
    """Record that people send by hand what the order waits for, beginning now; returns the id. The warehouse is not
    told. What they have not sent after REST_AWAITED is given up.

    Raises ConstraintViolated (fulfilments_live) while another fulfilment of the order may be sent.
    """
    identity = uuid4()
    tx.run(
        """
        INSERT INTO fulfilments (id, order_id, by_hand, status, evidence, recorded_at, sent_at, answered_at, look_at)
        VALUES (:id, :order_id, true, 'packed', 'person', :now, :now, :now, :look_at)
        """,
        id=identity,
        order_id=order_id,
        now=now,
        look_at=now + REST_AWAITED,
    )
    _insert_lines(tx, identity, order_id)
    return identity


def end_by_hand(tx: Tx, fulfilment_id: UUID, status: FulfilmentStatus, now: datetime) -> None:
    """Note that people send no more by hand: everything has left (SHIPPED), or the rest is given up (CANCELLED)."""
    tx.run(
        "UPDATE fulfilments SET status = :status, answered_at = :now, look_at = NULL WHERE id = :id",
        id=fulfilment_id,
        status=status,
        now=now,
    )


def newest(tx: Tx, order_id: UUID) -> LastFulfilment | None:
    """The order's last fulfilment, if it has one. The order is locked by the caller."""
    return tx.first(
        LastFulfilment,
        """
        SELECT id, by_hand, status, cancel_wanted_at FROM fulfilments WHERE order_id = :order_id
        ORDER BY recorded_at DESC, id DESC LIMIT 1
        """,
        order_id=order_id,
    )


def withdraw(tx: Tx, order_id: UUID, now: datetime) -> bool:
    """True if the warehouse will send nothing of the order any more. Otherwise it is asked to cancel: what was sent to
    it ends by its word alone.
    """
    found = newest(tx, order_id)
    if found is None or found.by_hand or found.status in FULFILMENT_ENDS:
        return True
    if found.status is FulfilmentStatus.RECORDED:
        _never_send(tx, found.id, now)
        return True
    want_cancelled(tx, found.id, now)
    return False


def want_cancelled(tx: Tx, fulfilment_id: UUID, now: datetime) -> None:
    """Note once that the warehouse is to cancel what has not left yet, with a task that asks for it."""
    noted = tx.run(
        "UPDATE fulfilments SET cancel_wanted_at = :now WHERE id = :id AND cancel_wanted_at IS NULL",
        id=fulfilment_id,
        now=now,
    )
    if noted:
        tasks.fulfil_soon(tx, fulfilment_id, now)


def _insert_lines(tx: Tx, fulfilment_id: UUID, order_id: UUID) -> None:
    """Record that the fulfilment is of everything that the order waits for."""
    tx.run(
        """
        INSERT INTO fulfilment_lines (fulfilment_id, sku, tins)
        SELECT :id, sku, promised - released - shipped FROM order_items
        WHERE order_id = :order_id AND promised > released + shipped
        """,
        id=fulfilment_id,
        order_id=order_id,
    )


def _never_send(tx: Tx, fulfilment_id: UUID, now: datetime) -> None:
    tx.run(
        """
        UPDATE fulfilments SET status = 'cancelled', evidence = 'never_sent', answered_at = :now, look_at = NULL
        WHERE id = :id
        """,
        id=fulfilment_id,
        now=now,
    )
