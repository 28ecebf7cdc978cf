"""The kinds and states of an order, why it may be cancelled, and the number by which people call it. Pure."""

from datetime import UTC, datetime
from enum import StrEnum

NUMBER_PREFIX = "SO-"


class OrderKind(StrEnum):
    """The values of `orders.kind`: a member orders from the cart, or a wholesale account."""

    RETAIL = "retail"
    WHOLESALE = "wholesale"


class OrderState(StrEnum):
    """The type `order_state`: how far an order has come."""

    PENDING = "pending"
    AGE_VERIFICATION = "age_verification"
    PAYMENT_PROCESSING = "payment_processing"
    CONFIRMED = "confirmed"
    FULFILLED = "fulfilled"
    SHIPPED = "shipped"
    DELIVERED = "delivered"
    CANCELLED = "cancelled"


UNPAID = frozenset({OrderState.PENDING, OrderState.AGE_VERIFICATION, OrderState.PAYMENT_PROCESSING})
PAID = (OrderState.CONFIRMED, OrderState.FULFILLED, OrderState.SHIPPED, OrderState.DELIVERED)  # one after the other


class CancelReason(StrEnum):
    """The values of `orders.cancel_reason`."""

    MEMBER = "member"
    EXPIRED = "expired"
    AGE_DENIED = "age_denied"
    PEOPLE = "people"
    SHORT = "short"


def number_shown(number: int) -> str:
    """The number of a member's order as people read it: SO-000042."""
    return f"{NUMBER_PREFIX}{number:06d}"


def number_read(text: str) -> int:
    """The number that people read, of either kind of order; the prefix may be missing."""
    return int(text.rpartition("-")[2])


def wholesale_number_shown(number: int, placed_at: datetime) -> str:
    """The number of a wholesale order as people read it, with the year (UTC) in which it was placed: WO-2026-0042."""
    return f"WO-{placed_at.astimezone(UTC).year}-{number:04d}"


def number_of(kind: OrderKind, number: int, placed_at: datetime) -> str:
    """The number of an order of that kind as people read it."""
    return wholesale_number_shown(number, placed_at) if kind is OrderKind.WHOLESALE else number_shown(number)
