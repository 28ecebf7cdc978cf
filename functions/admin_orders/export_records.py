"""Parcels that have left for a state, as rows."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from shared.db import Tx
from shared.orders.states import OrderKind


@dataclass(frozen=True)
class SentLine:
    """A product of a parcel, and the order that it is of; `address` is sealed, and None once it was removed."""

    parcel_id: UUID
    shipped_at: datetime
    carrier: str
    sku: str
    tins: int
    order_id: UUID
    kind: OrderKind
    number: int
    placed_at: datetime
    address: bytes | None
    ship_state: str
    ship_zip: str


def has_parcel(tx: Tx, parcel_id: UUID) -> bool:
    """True if there is such a parcel."""
    return tx.scalar(bool, "SELECT EXISTS (SELECT FROM parcels WHERE id = :id)", id=parcel_id)


def sent(tx: Tx, state: str, first: datetime, end: datetime, *, after: UUID | None, limit: int) -> list[SentLine]:
    """The products of at most `limit` parcels that have left for the state from `first` to before `end`, in the order
    in which they left; those after a parcel, if one is given.
    """
    return tx.all(
        SentLine,
        """
        SELECT sent.id AS parcel_id, sent.shipped_at, sent.carrier, line.sku, line.tins, sent.order_id, sent.kind,
               sent.number, sent.placed_at, sent.address, sent.ship_state, sent.ship_zip
        FROM (SELECT parcels.id, shipped_at, carrier, order_id, kind, number, placed_at, address, ship_state, ship_zip
              FROM parcels JOIN fulfilments f ON f.id = fulfilment_id JOIN orders ON orders.id = order_id
              WHERE shipped_at >= :first AND shipped_at < :end AND ship_state = :state
                AND (CAST(:after AS uuid) IS NULL
                     OR (shipped_at, parcels.id) > (SELECT former.shipped_at, former.id FROM parcels former
                                                    WHERE former.id = :after))
              ORDER BY shipped_at, parcels.id LIMIT :limit) sent
        JOIN parcel_lines line ON line.parcel_id = sent.id
        ORDER BY sent.shipped_at, sent.id, line.sku
        """,
        state=state,
        first=first,
        end=end,
        after=after,
        limit=limit,
    )
