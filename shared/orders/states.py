"""The states of an order, why it may be cancelled, and the number by which people call it. Pure."""

from enum import StrEnum


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
    """The order's number as people read it: SO-000042."""
    return f"SO-{number:06d}"
