"""The books of the card stand-in: what it lists for a day, what it deposits, and the disputes of buyers' banks.

A dispute is `inquiry`, `open`, `won` or `lost`. Its money is withdrawn when it is opened (with a fee of 15.00), unless
it is an inquiry or `withdraw` is False, or at the latest when it is lost; a won one gives it back, also after it was
lost. The list can be spoiled: rows that are `mislaid` are missing (found again, they are late rows of their day),
`misstated` ones have another amount, and `by_hand` books a refund that nobody asked for over the API.
"""

import secrets
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from http import HTTPStatus
from typing import Any

from emulators.vendor import VendorError

PAGE_SIZE = 100
DEPOSITED_AT = timedelta(hours=6)
EVIDENCE_LIFE = timedelta(days=9)
DISPUTE_FEE = 1500
SIGNS = {"capture": 1, "refund": -1, "dispute": -1, "dispute_reversal": 1}


@dataclass(frozen=True)
class Booking:
    """A line of the processor's list; amounts are cents."""

    id: str
    key: str | None
    kind: str
    amount: int
    fee: int
    at: datetime
    dispute: str | None = None

    @property
    def net(self) -> int:
        """By how much it changes what the processor owes."""
        return SIGNS.get(self.kind, 0) * self.amount - self.fee


@dataclass
class CardDispute:
    """A dispute as the processor has it; `key` is that of the capture."""

    id: str
    key: str
    amount: int
    withdrawn: int
    status: str
    reason: str
    evidence_by: datetime
    opened_at: datetime
    changed_at: datetime


class CardBooks:
    """Disputes and the list of bookings. The caller holds the stand-in's lock."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self.now = now
        self.page_size = PAGE_SIZE
        self.mislaid: set[str] = set()
        self.misstated: dict[str, int] = {}
        self._disputes: list[CardDispute] = []
        self._extra: list[Booking] = []

    def clear(self) -> None:
        self.page_size = PAGE_SIZE
        self.mislaid.clear()
        self.misstated.clear()
        self._disputes.clear()
        self._extra.clear()

    def open(self, key: str, amount: int, *, inquiry: bool, withdraw: bool) -> CardDispute:
        """Open a dispute of a capture, or an inquiry, which may become one later."""
        at = self.now()
        status = "inquiry" if inquiry else "open"
        made = CardDispute(new_id("dp"), key, amount, 0, status, "fraudulent", at + EVIDENCE_LIFE, at, at)
        self._disputes.append(made)
        if withdraw and not inquiry:
            self._withdraw(made)
        return made

    def change(self, dispute_id: str, status: str, *, withdraw: bool = True) -> CardDispute:
        """Decide a dispute, or open an inquiry's. Raises VendorError."""
        found = self.find(dispute_id)
        found.status, found.changed_at = status, self.now()
        if status == "won":
            self._give_back(found)
        elif withdraw:
            self._withdraw(found)
        return found

    def find(self, dispute_id: str) -> CardDispute:
        """The dispute. Raises VendorError."""
        found = next((each for each in self._disputes if each.id == dispute_id), None)
        if found is None:
            raise VendorError(HTTPStatus.NOT_FOUND, "dispute_unknown")
        return found

    def all(self) -> list[CardDispute]:
        """All disputes, first to last."""
        return list(self._disputes)

    def by_hand(self, amount: int) -> Booking:
        """Book a refund that somebody made on the processor's own pages."""
        return self._book(None, "refund", amount, 0, None)

    def settlement(self, operations: Iterable[Booking], day: date, cursor: int) -> dict[str, Any]:
        """A page of what was booked on the day, and on the last page the deposit of the day before."""
        known = list(operations)
        booked = [each for each in self._booked(known, day) if each.id not in self.mislaid]
        page, after = booked[cursor : cursor + self.page_size], cursor + self.page_size
        is_last = after >= len(booked)
        return {
            "operations": [self._shown(each) for each in page],
            "deposits": self._deposits(known, day) if is_last else [],
            "next_cursor": None if is_last else str(after),
        }

    def is_disputed(self, key: str) -> bool:
        """True while a dispute of the capture is open."""
        return any(each.key == key and each.status == "open" for each in self._disputes)

    def withdrawn(self, key: str) -> int:
        """The cents that banks have taken of the capture."""
        return sum(each.withdrawn for each in self._disputes if each.key == key)

    def changed(self, since: datetime, cursor: int) -> dict[str, Any]:
        """A page of the disputes that have changed since then."""
        found = [each for each in self._disputes if each.changed_at >= since]
        page, after = found[cursor : cursor + self.page_size], cursor + self.page_size
        return {
            "disputes": [shown(each) for each in page],
            "next_cursor": str(after) if after < len(found) else None,
        }

    def _booked(self, operations: Iterable[Booking], day: date) -> list[Booking]:
        return [each for each in [*operations, *self._extra] if each.at.date() == day]

    def _deposits(self, operations: Iterable[Booking], day: date) -> list[dict[str, Any]]:
        before = day - timedelta(days=1)
        at = datetime(day.year, day.month, day.day, tzinfo=UTC) + DEPOSITED_AT
        net = sum(each.net for each in self._booked(operations, before))
        return [{"id": f"dep_{before:%Y%m%d}", "amount": net, "at": at.isoformat()}] if net and at <= self.now() else []

    def _shown(self, booking: Booking) -> dict[str, Any]:
        return {
            "id": booking.id,
            "key": booking.key,
            "kind": booking.kind,
            "amount": self.misstated.get(booking.id, booking.amount),
            "fee": booking.fee,
            "dispute": booking.dispute,
        }

    def _withdraw(self, dispute: CardDispute) -> None:
        if not dispute.withdrawn:
            dispute.withdrawn = dispute.amount
            self._book(dispute.key, "dispute", dispute.amount, DISPUTE_FEE, dispute.id)

    def _give_back(self, dispute: CardDispute) -> None:
        if dispute.withdrawn:
            self._book(dispute.key, "dispute_reversal", dispute.withdrawn, 0, dispute.id)
            dispute.withdrawn = 0

    def _book(self, key: str | None, kind: str, amount: int, fee: int, dispute: str | None) -> Booking:
        made = Booking(new_id(kind), key, kind, amount, fee, self.now(), dispute)
        self._extra.append(made)
        return made


def shown(dispute: CardDispute) -> Mapping[str, Any]:
    """The dispute as the API shows it."""
    return {
        "id": dispute.id,
        "key": dispute.key,
        "amount": dispute.amount,
        "withdrawn": dispute.withdrawn,
        "status": dispute.status,
        "reason": dispute.reason,
        "evidence_by": dispute.evidence_by.isoformat(),
        "opened_at": dispute.opened_at.isoformat(),
    }


def new_id(kind: str) -> str:
    """A name of the provider's, which begins with its kind."""
    return f"{kind}_{secrets.token_hex(12)}"
