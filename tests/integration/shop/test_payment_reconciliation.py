"""Every payment is compared with the provider's own list, in both directions, and what it owes us to the cent."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from uuid import UUID

import pytest
from pg8000.dbapi import Connection
from pg8000.exceptions import DatabaseError

from emulators.card_books import Booking, CardDispute
from emulators.vendor import Fault
from emulators.vendors import Vendors
from functions.payment_reconciliation import compare, main, store
from shared import clock, db
from shared.events import ReconcilePayments
from shared.ledger import journals
from shared.orders import rows, tasks
from shared.orders.states import CancelReason
from shared.ports import card
from shared.values.money import ZERO, Usdt
from tests import factories
from tests.client import FunctionClient
from tests.fakes.card_lists import PaymentFinding, findings, go_to_noon, next_day, owed, read, settled
from tests.fakes.crashes import Crash, crash
from tests.fakes.dispute_rows import capture_of, dispute, heard
from tests.fakes.order_admins import order_admin
from tests.fakes.order_driver import OrderDriver
from tests.fakes.order_views import Placed, bought

pytest_plugins = ["tests.fakes.order_jobs_plugin"]
pytestmark = pytest.mark.usefixtures("order")

TOTAL, FEE = Usdt.of("13.78"), Usdt.of("0.70")  # 2.9 % and 30 cents
AT_ONCE = 6
BOTH_AGREE = ({"takings:card": ZERO, "bank:operating": TOTAL - FEE, "fees:card": FEE}, ZERO)


@pytest.fixture
def today(orders: OrderDriver) -> date:
    return go_to_noon(orders)


@pytest.fixture
def order(orders: OrderDriver, today: date) -> Placed:
    assert today
    return bought(orders)


def reference_of(vendors: Vendors, key: UUID) -> str:
    return vendors.card.find(str(key)).id


def count(sql: Connection, what: str) -> int:
    return int(sql.execute_simple(f"SELECT count(*) FROM {what}").rows[0][0])


def explain_findings() -> None:
    """Have a person explain every open finding."""
    someone = factories.member().id
    db.atomically(
        lambda tx: tx.run(
            "UPDATE payment_findings SET resolved_at = :now, resolved_by = :by, resolution = 'Known' "
            "WHERE resolved_at IS NULL",
            now=clock.now(),
            by=someone,
        )
    )


def give_back_unbooked(orders: OrderDriver, vendors: Vendors, made: CardDispute) -> None:
    """Have the provider give back what it took for a dispute, without a row in its list; two days pass."""
    vendors.card.change_dispute(made.id, "won")
    (given,) = [each for each in vendors.card.books._extra if each.kind == "dispute_reversal"]
    vendors.card.books.mislaid.add(given.id)
    heard(orders, made.id)
    for _ in range(3):
        next_day(orders)


def test_a_sale_is_booked_and_deposited_and_nothing_is_owed_any_more(orders: OrderDriver) -> None:
    assert settled()["takings:card"] == TOTAL
    next_day(orders)
    assert (settled(), owed()) == ({"takings:card": TOTAL - FEE, "bank:operating": ZERO, "fees:card": FEE}, TOTAL - FEE)
    next_day(orders)
    assert (settled(), owed()) == BOTH_AGREE
    assert findings(only_open=False) == []


def test_each_fee_and_deposit_is_booked_once_however_often_a_day_is_read(
    orders: OrderDriver, today: date, sql: Connection
) -> None:
    for _ in range(3):
        next_day(orders)
    for day in (today, today + timedelta(days=1), today):
        assert read(orders, day) == 204
    assert (settled(), owed()) == BOTH_AGREE
    assert count(sql, "card_bookings") == 2
    assert count(sql, "card_deposits") == count(sql, "ledger_journals WHERE ref LIKE 'fee:%'") == 1


def test_runs_at_once_book_once(orders: OrderDriver, today: date, shop_vendors: Vendors) -> None:
    shop_vendors.card.books.page_size = 1
    bought(orders)
    orders.advance_clock(timedelta(days=2).total_seconds())
    tomorrow = today + timedelta(days=1)

    def run(number: int) -> None:
        main.reconcile(ReconcilePayments(day=tomorrow if number % 2 else today), clock.now())

    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(run, range(AT_ONCE)))
    for day in (today, tomorrow):
        read(orders, day)
    twice = {"takings:card": ZERO, "bank:operating": (TOTAL - FEE) * 2, "fees:card": FEE * 2}
    assert (settled(), owed()) == (twice, ZERO)
    assert findings() == []


def test_a_run_that_dies_goes_on_from_its_page(
    orders: OrderDriver, today: date, shop_vendors: Vendors, sql: Connection
) -> None:
    shop_vendors.card.books.page_size = 1
    for _ in range(2):
        bought(orders)
    orders.advance_clock(timedelta(days=1).total_seconds())
    with crash(store, "keep", at=3, after=True), pytest.raises(Crash):
        main.reconcile(ReconcilePayments(day=today), clock.now())
    assert count(sql, "card_bookings") == 2
    assert sql.execute_simple("SELECT cursor, read_at FROM card_days").rows == [["2", None]]
    assert read(orders, today) == 204
    assert count(sql, "card_bookings") == 6
    assert (owed(), findings()) == ((TOTAL - FEE) * 3, [])


@pytest.mark.parametrize(("owner", "name"), [(compare, "everything"), (card, "settled"), (journals, "move")])
def test_a_run_that_dies_anywhere_is_repeated(owner: object, name: str, orders: OrderDriver, today: date) -> None:
    orders.advance_clock(timedelta(days=1).total_seconds())
    with crash(owner, name, at=1, after=True) as crashed, pytest.raises(Crash):
        main.reconcile(ReconcilePayments(day=today), clock.now())
    assert crashed()
    assert read(orders, today) == 204
    assert (settled()["fees:card"], owed(), findings()) == (FEE, TOTAL - FEE, [])


def test_a_silent_provider_is_asked_again_and_a_page_that_it_refuses_begins_anew(
    orders: OrderDriver, today: date, shop_vendors: Vendors, sql: Connection
) -> None:
    orders.advance_clock(timedelta(days=1).total_seconds())
    shop_vendors.card.fail_next(1, Fault.NONSENSE)
    assert read(orders, today) == 503
    sql.execute_simple("UPDATE card_days SET cursor = 'gone'")
    assert read(orders, today) == 503
    assert sql.execute_simple("SELECT cursor, read_at FROM card_days").rows == [[None, None]]
    assert read(orders, today) == 204
    assert owed() == TOTAL - FEE


def test_days_that_nobody_read_are_read_later(orders: OrderDriver, sql: Connection) -> None:
    next_day(orders)
    orders.advance_clock(timedelta(days=12).total_seconds())
    next_day(orders)
    assert (settled(), owed()) == BOTH_AGREE
    assert count(sql, "card_days WHERE read_at IS NULL") == 0


# What is found


def test_what_the_provider_has_not_booked_is_found_and_closed_when_its_row_comes_late(
    orders: OrderDriver, order: Placed, shop_vendors: Vendors
) -> None:
    capture = capture_of(order.id)
    shop_vendors.card.books.mislaid.add(reference_of(shop_vendors, capture))
    next_day(orders)
    assert findings() == []  # a row may come a day late
    next_day(orders)
    missing = PaymentFinding("missing_booking", str(capture), TOTAL, ZERO, is_open=True)
    assert findings() == [missing]
    next_day(orders)
    assert findings(only_open=False) == [missing]
    shop_vendors.card.books.mislaid.clear()
    next_day(orders)
    assert findings() == []
    assert (settled(), owed()) == BOTH_AGREE


def test_what_we_have_not_done_is_found(orders: OrderDriver, shop_vendors: Vendors) -> None:
    by_hand = shop_vendors.card.books.by_hand(200)
    next_day(orders)
    assert findings() == [PaymentFinding("unknown_booking", by_hand.id, ZERO, Usdt.of("2.00"), is_open=True)]
    assert owed() == TOTAL - FEE - Usdt.of("2.00")


def test_an_operation_that_the_provider_did_twice_is_found(
    orders: OrderDriver, order: Placed, shop_vendors: Vendors
) -> None:
    key = str(capture_of(order.id))
    shop_vendors.card.books._extra.append(Booking("capture_again", key, "capture", 1378, 70, clock.now()))
    next_day(orders)
    assert findings() == [PaymentFinding("unknown_booking", "capture_again", ZERO, TOTAL, is_open=True)]


def test_another_amount_is_found(orders: OrderDriver, order: Placed, shop_vendors: Vendors) -> None:
    reference = reference_of(shop_vendors, capture_of(order.id))
    shop_vendors.card.books.misstated[reference] = 1377
    next_day(orders)
    differs = PaymentFinding("amount_differs", reference, TOTAL, TOTAL - Usdt.of("0.01"), is_open=True)
    assert findings() == [differs]
    next_day(orders)
    assert findings() == [differs]  # and neither a missing booking nor another balance


def test_an_operation_that_is_not_decided_is_no_finding(
    orders: OrderDriver, order: Placed, shop_vendors: Vendors
) -> None:
    db.atomically(rows.want_cancelled, order.id, CancelReason.MEMBER, clock.now())
    db.atomically(tasks.advance_soon, order.id, clock.now())
    shop_vendors.card.fail_next(1, Fault.DONE_UNANSWERED)
    orders.deliver()
    next_day(orders)
    assert (shop_vendors.card.total("refund"), findings()) == (1378, [])
    orders.pass_time(2)
    next_day(orders)
    assert findings() == []
    assert settled()["takings:card"] == owed()


def test_a_row_that_says_something_else_later_is_found_and_changes_no_books(
    orders: OrderDriver, order: Placed, shop_vendors: Vendors
) -> None:
    next_day(orders)
    reference = reference_of(shop_vendors, capture_of(order.id))
    shop_vendors.card.books.misstated[reference] = 1300
    next_day(orders)
    changed = PaymentFinding("booking_changed", reference, TOTAL - FEE, Usdt.of("12.30"), is_open=True)
    assert (findings(), settled(), owed()) == ([changed], *BOTH_AGREE)
    shop_vendors.card.books.misstated.clear()
    next_day(orders)
    assert findings() == []


def test_what_the_books_say_the_provider_owes_is_compared_to_the_cent(orders: OrderDriver) -> None:
    next_day(orders)
    lines = {"takings:card": -Usdt.of("0.01"), "bank:operating": Usdt.of("0.01")}
    db.atomically(journals.post, "by hand", lines, clock.now())
    next_day(orders)
    (found,) = findings()
    assert (found.kind, found.ref, found.found - found.expected) == ("balance_differs", "-10000", Usdt.of("0.01"))
    back = {account: -amount for account, amount in lines.items()}
    db.atomically(journals.post, "by hand again", back, clock.now())
    next_day(orders)
    assert findings() == []


def test_a_changed_row_that_people_have_explained_is_named_again_only_when_it_changes_again(
    orders: OrderDriver, order: Placed, shop_vendors: Vendors
) -> None:
    next_day(orders)
    reference = reference_of(shop_vendors, capture_of(order.id))
    shop_vendors.card.books.misstated[reference] = 1300
    next_day(orders)
    explain_findings()
    next_day(orders)
    assert findings() == []
    shop_vendors.card.books.misstated[reference] = 1200
    next_day(orders)
    assert [(found.kind, found.found) for found in findings()] == [("booking_changed", Usdt.of("11.30"))]


def test_a_difference_of_the_balances_that_people_have_explained_is_not_named_again(orders: OrderDriver) -> None:
    next_day(orders)
    for number in (1, 2):
        lines = {"takings:card": -Usdt.of("0.01"), "bank:operating": Usdt.of("0.01")}
        db.atomically(journals.post, f"by hand {number}", lines, clock.now())
        next_day(orders)
        assert [found.ref for found in findings()] == [str(-10_000 * number)]
        explain_findings()
        bought(orders)  # the balances are others now, their difference is the same
        next_day(orders)
        assert findings() == []


# Disputes and refunds in the list


def test_refunds_and_disputes_of_the_list_agree_with_ours(
    orders: OrderDriver, order: Placed, shop_vendors: Vendors
) -> None:
    made = shop_vendors.card.open_dispute(capture_of(order.id))
    heard(orders, made.id)
    other = bought(orders)
    db.atomically(rows.want_cancelled, other.id, CancelReason.MEMBER, clock.now())
    db.atomically(tasks.advance_soon, other.id, clock.now())
    orders.deliver()
    for _ in range(2):
        next_day(orders)
    shop_vendors.card.change_dispute(made.id, "won")
    for _ in range(3):
        next_day(orders)
    assert findings(only_open=False) == []
    fees = FEE * 2 + Usdt.of("15.00")
    assert settled() == {"takings:card": ZERO, "bank:operating": TOTAL - fees, "fees:card": fees}


def test_a_refund_that_people_paid_from_our_bank_is_not_looked_for_in_the_list(
    client: Callable[..., FunctionClient], orders: OrderDriver, order: Placed, shop_vendors: Vendors, sql: Connection
) -> None:
    shop_vendors.card.decline_next("refund")
    db.atomically(rows.want_cancelled, order.id, CancelReason.MEMBER, clock.now())
    db.atomically(tasks.advance_soon, order.id, clock.now())
    orders.deliver()
    orders.pass_time(2)
    ((refund,),) = sql.execute_simple("SELECT id FROM payment_operations WHERE kind = 'refund'").rows
    for _ in range(2):
        order_admin(client).resolve(order.id, refund, "paid_elsewhere", "Check 1042")
    for _ in range(3):
        next_day(orders)
    assert findings(only_open=False) == []
    assert (settled()["takings:card"], owed()) == (ZERO, ZERO)


def test_a_dispute_that_no_message_told_is_found_by_the_list(
    orders: OrderDriver, order: Placed, shop_vendors: Vendors
) -> None:
    made = shop_vendors.card.open_dispute(capture_of(order.id))
    next_day(orders)
    found = dispute(made.id)
    assert found is not None
    assert (found.state, found.withdrawn) == ("open", TOTAL)
    next_day(orders)
    assert findings() == []


def test_a_dispute_of_another_amount_than_the_lists_is_found(
    orders: OrderDriver, order: Placed, shop_vendors: Vendors
) -> None:
    made = shop_vendors.card.open_dispute(capture_of(order.id))
    heard(orders, made.id)
    (taken,) = [each for each in shop_vendors.card.books._extra if each.kind == "dispute"]
    shop_vendors.card.books.mislaid.add(taken.id)
    for _ in range(2):
        next_day(orders)
    assert findings() == [PaymentFinding("dispute_differs", made.id, TOTAL, ZERO, is_open=True)]
    shop_vendors.card.books.mislaid.clear()
    next_day(orders)
    assert findings() == []


@pytest.fixture
def differing(orders: OrderDriver, order: Placed, shop_vendors: Vendors) -> tuple[CardDispute, str]:
    """A dispute that is found to differ from the list, with the name of its booking, which the list does not show."""
    made = shop_vendors.card.open_dispute(capture_of(order.id))
    heard(orders, made.id)
    (taken,) = [each for each in shop_vendors.card.books._extra if each.kind == "dispute"]
    shop_vendors.card.books.mislaid.add(taken.id)
    for _ in range(2):
        next_day(orders)
    assert [found.ref for found in findings()] == [made.id]
    return made, taken.id


def test_a_dispute_that_agreed_meanwhile_and_differs_again_is_found_again(
    orders: OrderDriver, differing: tuple[CardDispute, str], shop_vendors: Vendors
) -> None:
    made, _ = differing
    shop_vendors.card.books.mislaid.clear()
    next_day(orders)
    assert findings() == []
    give_back_unbooked(orders, shop_vendors, made)
    assert findings() == [PaymentFinding("dispute_differs", made.id, ZERO, TOTAL, is_open=True)]


def test_a_dispute_that_people_have_explained_is_found_again_only_with_another_difference(
    orders: OrderDriver, differing: tuple[CardDispute, str], shop_vendors: Vendors
) -> None:
    made, booking = differing
    explain_findings()
    next_day(orders)
    assert findings() == []
    shop_vendors.card.books.mislaid.discard(booking)
    give_back_unbooked(orders, shop_vendors, made)
    assert findings() == [PaymentFinding("dispute_differs", made.id, ZERO, TOTAL, is_open=True)]


# What the schema refuses


@pytest.mark.parametrize(
    ("statement", "refusal"),
    [
        ("UPDATE card_bookings SET amount = amount + 10000", "booking_fixed"),
        ("UPDATE card_bookings SET operation_id = NULL WHERE operation_id IS NOT NULL", "booking_fixed"),
        ("DELETE FROM card_bookings", "never_deleted"),
        (
            "INSERT INTO card_bookings VALUES ('x', 'capture', NULL, NULL, 0, 10000, '2026-11-30', now())",
            "settlement_booked",
        ),
        ("INSERT INTO card_deposits VALUES ('x', 10000, now(), now())", "settlement_booked"),
    ],
)
def test_a_booking_is_what_the_provider_said_and_is_in_the_ledger(
    statement: str, refusal: str, orders: OrderDriver, sql: Connection
) -> None:
    next_day(orders)
    with pytest.raises(DatabaseError, match=refusal):
        sql.execute_simple(statement)


def test_a_booking_is_matched_with_its_own_operation_only(
    orders: OrderDriver, order: Placed, shop_vendors: Vendors, sql: Connection
) -> None:
    shop_vendors.card.books.misstated[reference_of(shop_vendors, capture_of(order.id))] = 1300
    next_day(orders)
    with pytest.raises(DatabaseError, match="booking_differs"):
        sql.execute_simple("UPDATE card_bookings SET operation_id = key WHERE operation_id IS NULL")
