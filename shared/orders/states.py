"""The states of an order, why it may be cancelled, and the number by which people call it. Pure."""

from enum import StrEnum

from shared.values.problems import Problem

NUMBER_PREFIX = "SO-"


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


class OrderNotCancellable(Problem):
    """The order is cancelled already, or it is too late for it."""

    status, title = 409, "This order cannot be cancelled."


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
    return f"{NUMBER_PREFIX}{number:06d}"


def number_read(text: str) -> int:
    """The number that people read; the prefix may be missing."""
    return int(text.removeprefix(NUMBER_PREFIX))
