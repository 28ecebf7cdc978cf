"""Orders and refunds as rows, for counts of them."""

from datetime import datetime
from uuid import UUID, uuid4

from pg8000.dbapi import Connection

from tests.fakes.plain_rows import put, unchecked


def sold(sql: Connection, at: datetime, *, member_id: UUID | None = None, tins: int = 1, **other: object) -> UUID:
    """An order of tins at 4.99 dollars with shipping of 5.00 and a tax of 0.40, placed and confirmed then."""
    identity, subtotal = uuid4(), 4_990_000 * tins
    ((number,),) = sql.execute_simple("SELECT coalesce(max(number), 0) + 1 FROM orders").rows
    given: dict[str, object] = {
        "id": identity, "number": number, "member_id": member_id or uuid4(), "cart_id": uuid4(), "doorstep": b"d" * 32,
        "state": "confirmed", "state_at": at, "placed_at": at, "expires_at": at, "tins": tins, "subtotal": subtotal,
        "shipping_cost": 5_000_000, "shipping_tax": 0, "tax_amount": 400_000, "total_amount": subtotal + 5_400_000,
        "cost_per_tin": 1_000_000, "tax_quote_id": uuid4(), "tax_breakdown": {}, "ship_state": "NV",
        "ship_zip": "89501", "confirmed_at": at,
    }  # fmt: skip
    with unchecked(sql):
        put(sql, "orders", **(given | other))
    return identity


def refunded(sql: Connection, order_id: UUID, at: datetime) -> None:
    """A refund of a tin, recorded then."""
    with unchecked(sql):
        put(
            sql, "refunds", id=uuid4(), order_id=order_id, goods=4_990_000, shipping=0, tax=400_000, amount=5_390_000,
            reason="faulty", recorded_at=at, tins=1,
        )  # fmt: skip
