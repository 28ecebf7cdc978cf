"""The days to read, the findings that unmatched bookings are, and whether the balances agree. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum

from shared.values.money import ZERO, Usdt
from shared.values.states import OperationStatus

READ_AGAIN_DAYS = 7  # rows of a day may come so late
DAYS_MAX = 60  # about so many in one run; the next one reads the rest


class Kind(StrEnum):
    """The values of `payment_findings.kind`."""

    UNKNOWN_BOOKING = "unknown_booking"  # the provider has booked what we have not done
    MISSING_BOOKING = "missing_booking"  # we have done what the provider has not booked
    AMOUNT_DIFFERS = "amount_differs"
    BOOKING_CHANGED = "booking_changed"  # the list says something else than it said before
    DISPUTE_DIFFERS = "dispute_differs"  # other amounts were withdrawn than the list says
    BALANCE_DIFFERS = "balance_differs"  # none of these explains the difference of the balances


@dataclass(frozen=True)
class Unmatched:
    """A booking that is no operation of ours as it is, with our operation of its key, if there is one."""

    reference: str
    amount: Usdt
    operation_id: object  # UUID, or None
    status: OperationStatus | None
    is_same: bool  # of the same kind and name
    operation_amount: Usdt | None


@dataclass(frozen=True)
class Sides:
    """The provider's debt to us by our books and by its list, and what of the difference is known.

    `unbooked` is what we have done and it has not booked yet, `unmatched` what it has booked and we have not done,
    `disputed` what was withdrawn for disputes by our rows and not by its list.
    """

    books: Usdt
    owed: Usdt
    unbooked: Usdt
    unmatched: Usdt
    disputed: Usdt

    @property
    def unexplained(self) -> Usdt:
        """The books less the list, less what is known of it."""
        return self.books - self.owed - (self.unbooked - self.unmatched - self.disputed)


def days(unread: Sequence[date], today: date) -> list[date]:
    """The days to read, oldest first: yesterday and the oldest that are over and were not read, each with some days
    before it, whose rows may have come late. `unread` has the oldest first.
    """
    found = _with_days_before(today - timedelta(days=1))
    for day in unread:
        if len(found) < DAYS_MAX:
            found |= _with_days_before(day)
    return sorted(found)


def _with_days_before(day: date) -> set[date]:
    return {day - timedelta(days=number) for number in range(READ_AGAIN_DAYS + 1)}


def kind_of(booking: Unmatched) -> Kind | None:
    """The finding that a booking is; None while our operation is not decided, which payment_watch looks after, or was
    decided a moment ago.
    """
    if booking.is_same and booking.status is OperationStatus.SUCCEEDED:
        return Kind.AMOUNT_DIFFERS if booking.amount != booking.operation_amount else None
    if booking.status in (OperationStatus.RECORDED, OperationStatus.SENT):
        return None
    return Kind.UNKNOWN_BOOKING


def expected(booking: Unmatched) -> Usdt:
    """The amount that the provider should have booked."""
    return booking.operation_amount or ZERO if kind_of(booking) is Kind.AMOUNT_DIFFERS else ZERO
