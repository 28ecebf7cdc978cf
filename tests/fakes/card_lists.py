"""The daily comparison with the card provider's list, as a test runs it, and what it has found."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from uuid import UUID, uuid4

from functions.payment_reconciliation import store
from shared import clock, db
from shared.db import Tx
from shared.ledger import journals
from shared.values.money import Usdt
from tests.fakes.order_driver import OrderDriver

ACCOUNTS = ("takings:card", "bank:operating", "fees:card")
FUNCTION, QUEUE = "payment_reconciliation", "payment-reconciliation"


@dataclass(frozen=True)
class PaymentFinding:
    """A finding, open or resolved."""

    kind: str
    ref: str
    expected: Usdt
    found: Usdt
    is_open: bool


def go_to_noon(orders: OrderDriver) -> date:
    """Move the clock to the next noon, so that no test runs over midnight; returns the day."""
    now = clock.now()
    noon = datetime.combine(now.date() + timedelta(days=1), time(12), UTC)
    orders.advance_clock((noon - now).total_seconds())
    return noon.date()


def next_day(orders: OrderDriver) -> None:
    """Let a day pass, with the job's schedule, and all that follows from it."""
    orders.advance_clock(timedelta(days=1).total_seconds())
    assert orders.invoker.schedule(FUNCTION, "daily") == 204
    assert set(orders.deliver()) == {204}


def read(orders: OrderDriver, day: date) -> int:
    """Run the comparison of one day, as on request; returns the answer's status."""
    return orders.invoker.task(FUNCTION, QUEUE, {"day": day.isoformat()})


def findings(*, only_open: bool = True) -> list[PaymentFinding]:
    """The findings, oldest first."""

    def work(tx: Tx) -> list[PaymentFinding]:
        return tx.all(
            PaymentFinding,
            """
            SELECT kind, ref, expected, found, resolved_at IS NULL AS is_open FROM payment_findings
            WHERE resolved_at IS NULL OR NOT :only_open ORDER BY found_at, kind, ref
            """,
            only_open=only_open,
        )

    return db.atomically(work)


def settled() -> Mapping[str, Usdt]:
    """The balances of the accounts that the provider's list changes."""
    return db.atomically(lambda tx: {account: journals.balance(tx, account) for account in ACCOUNTS})


def owed() -> Usdt:
    """Return what the provider owes us by its own list."""
    return db.atomically(lambda tx: store.sides(tx).owed)


def payment_finding(at: datetime | None = None, *, is_resolved: bool = False) -> UUID:
    """A finding about no operation of ours; returns its id."""
    made, found_at = uuid4(), at or clock.now()
    resolved_at, resolution = (found_at, "by hand") if is_resolved else (None, None)

    def work(tx: Tx) -> None:
        tx.run(
            """
            INSERT INTO payment_findings (id, kind, ref, expected, found, found_at, resolved_at, resolution)
            VALUES (:id, 'unknown_booking', :ref, 0, 20000, :found_at, :resolved_at, :resolution)
            """,
            id=made,
            ref=str(made),
            found_at=found_at,
            resolved_at=resolved_at,
            resolution=resolution,
        )

    db.atomically(work)
    return made
