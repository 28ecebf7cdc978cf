"""A dispute acts as a refund while the money is withdrawn, and stops what would give the buyer the money twice."""

import io
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from pg8000.dbapi import Connection
from pg8000.exceptions import DatabaseError

from emulators.vendor import Fault
from emulators.vendors import Vendors
from functions.payment_watch import disputes
from functions.payment_watch.main import look_at_dispute
from shared import clock, db
from shared.events import LookAtDispute
from shared.job import Hopeless
from shared.orders import machine, rows, tasks
from shared.orders.states import CancelReason
from shared.ports import card
from shared.values.money import ZERO, Usdt
from tests import factories
from tests.fakes import order_rows, order_views
from tests.fakes.accrual_rows import Paid, give_back, is_due, pools, totals
from tests.fakes.crashes import Crash, crash
from tests.fakes.dispute_rows import DisputeStanding, capture_of, dispute, heard, journals_of_disputes
from tests.fakes.order_driver import OrderDriver
from tests.fakes.order_views import Placed, balances, bought, standing
from tests.logs import log_lines

pytest_plugins = ["tests.fakes.order_jobs_plugin", "tests.fakes.log_plugin"]

GOODS, SHIPPING, TAX = Usdt.of("9.98"), Usdt.of("2.99"), Usdt.of("0.81")
TOTAL = Usdt.of("13.78")
WHOLE = DisputeStanding("open", TOTAL, GOODS, SHIPPING, TAX, ZERO, 2, 1)
PROFIT = Usdt.of("5.98")
SOLD = {
    "takings:card": TOTAL,
    "turnover:shop": -GOODS,
    "shipping:shop": -SHIPPING,
    "sales_tax:shop": -TAX,
}
AT_ONCE = 8


@pytest.fixture
def order(orders: OrderDriver) -> Placed:
    return bought(orders)


def leave(order_id: UUID) -> None:
    db.atomically(rows.want_cancelled, order_id, CancelReason.PEOPLE, clock.now())
    db.atomically(tasks.advance_soon, order_id, clock.now())


def is_disputed(sql: Connection, order_id: UUID) -> bool:
    return bool(sql.execute_unnamed("SELECT order_is_disputed($1)", (order_id,)).rows[0][0])


def test_money_that_is_withdrawn_takes_back_sale_and_pools(
    orders: OrderDriver, order: Placed, shop_vendors: Vendors, sql: Connection
) -> None:
    made = shop_vendors.card.open_dispute(capture_of(order.id))
    heard(orders, made.id)
    assert dispute(made.id) == WHOLE
    assert (balances(), pools()) == ({}, {})
    assert totals(order.id) == [(1, GOODS, 2, PROFIT), (2, ZERO, 0, ZERO)]
    assert (is_due(order.id), is_disputed(sql, order.id)) == (False, True)
    assert standing(order.id).state == "confirmed"


def test_a_dispute_that_is_won_gives_all_of_it_again(
    orders: OrderDriver, order: Placed, shop_vendors: Vendors, sql: Connection
) -> None:
    made = shop_vendors.card.open_dispute(capture_of(order.id))
    heard(orders, made.id)
    shop_vendors.card.change_dispute(made.id, "won")
    heard(orders, made.id)
    assert dispute(made.id) == DisputeStanding("won", ZERO, ZERO, ZERO, ZERO, ZERO, 0, 2)
    assert balances() == SOLD
    assert totals(order.id)[2:] == [(3, GOODS, 2, PROFIT)]
    assert not is_disputed(sql, order.id)


def test_a_dispute_may_be_won_after_it_was_lost(orders: OrderDriver, order: Placed, shop_vendors: Vendors) -> None:
    made = shop_vendors.card.open_dispute(capture_of(order.id))
    for state in ("lost", "won"):
        heard(orders, made.id)
        shop_vendors.card.change_dispute(made.id, state)
    heard(orders, made.id)
    found = dispute(made.id)
    assert found is not None
    assert (found.state, found.withdrawn, balances()) == ("won", ZERO, SOLD)


def test_an_inquiry_takes_nothing_and_stops_nothing(
    orders: OrderDriver, order: Placed, shop_vendors: Vendors, sql: Connection
) -> None:
    made = shop_vendors.card.open_dispute(capture_of(order.id), inquiry=True)
    heard(orders, made.id)
    assert dispute(made.id) == DisputeStanding("inquiry", ZERO, ZERO, ZERO, ZERO, ZERO, 0, 0)
    assert (balances(), is_disputed(sql, order.id)) == (SOLD, False)
    shop_vendors.card.change_dispute(made.id, "open")
    heard(orders, made.id)
    assert dispute(made.id) == WHOLE


def test_a_part_is_taken_by_largest_remainder_and_names_no_tins(
    orders: OrderDriver, order: Placed, shop_vendors: Vendors
) -> None:
    made = shop_vendors.card.open_dispute(capture_of(order.id), 1001)
    heard(orders, made.id)
    found = dispute(made.id)
    assert found is not None
    assert (found.goods, found.shipping, found.tax) == (Usdt.of("7.25"), Usdt.of("2.17"), Usdt.of("0.59"))
    assert (found.withdrawn, found.tins) == (Usdt.of("10.01"), 0)
    assert totals(order.id)[1][1:3] == (GOODS - Usdt.of("7.25"), 2)


def test_the_daily_look_finds_what_no_message_told(orders: OrderDriver, order: Placed, shop_vendors: Vendors) -> None:
    made = shop_vendors.card.open_dispute(capture_of(order.id))
    shop_vendors.card.books.page_size = 1
    other = shop_vendors.card.open_dispute(capture_of(bought(orders).id))
    assert orders.invoker.schedule("payment_watch", "disputes") == 204
    orders.deliver()
    assert [dispute(each.id) for each in (made, other)] == [WHOLE, WHOLE]


def test_a_list_of_too_many_pages_is_told(
    orders: OrderDriver,
    order: Placed,
    shop_vendors: Vendors,
    log_output: io.StringIO,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shop_vendors.card.books.page_size = 1
    first, second = (shop_vendors.card.open_dispute(capture_of(each.id)) for each in (order, bought(orders)))
    for pages, told in ((2, 0), (1, 1)):
        monkeypatch.setattr(disputes, "PAGES_MAX", pages)
        assert orders.invoker.schedule("payment_watch", "disputes") == 204
        messages = [line["message"] for line in log_lines(log_output)]
        assert messages.count("more disputes have changed than are read at once") == told
    assert [dispute(each.id) for each in (first, second)] == [WHOLE, WHOLE]


def test_an_old_undecided_dispute_is_looked_at_by_its_name(
    orders: OrderDriver, order: Placed, shop_vendors: Vendors
) -> None:
    made = shop_vendors.card.open_dispute(capture_of(order.id))
    heard(orders, made.id)
    orders.advance_clock(timedelta(days=31).total_seconds())
    shop_vendors.card.books.find(made.id).status = "lost"
    assert orders.invoker.schedule("payment_watch", "disputes") == 204
    orders.deliver()
    found = dispute(made.id)
    assert found is not None
    assert found.state == "lost"


def test_a_message_twice_and_looks_at_once_book_once(
    orders: OrderDriver, order: Placed, shop_vendors: Vendors, sql: Connection
) -> None:
    made = shop_vendors.card.open_dispute(capture_of(order.id))
    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(lambda _: disputes.look(made.id), range(AT_ONCE)))
    heard(orders, made.id)
    assert dispute(made.id) == WHOLE
    assert journals_of_disputes(sql) == 1


def test_an_older_answer_that_comes_late_changes_nothing(
    orders: OrderDriver, order: Placed, shop_vendors: Vendors
) -> None:
    made = shop_vendors.card.open_dispute(capture_of(order.id))
    asked_at, older = clock.now(), card.dispute(made.id)
    assert older is not None
    orders.advance_clock(5)
    shop_vendors.card.change_dispute(made.id, "won")
    heard(orders, made.id)
    db.atomically(disputes.record, older, asked_at, clock.now())
    found = dispute(made.id)
    assert found is not None
    assert (found.state, found.withdrawn, balances()) == ("won", ZERO, SOLD)


@pytest.mark.parametrize(("owner", "name"), [(tasks, "accrue_soon"), (machine, "advance"), (card, "dispute")])
@pytest.mark.parametrize("after", [False, True])
def test_a_look_that_dies_is_done_by_the_next(
    owner: object, name: str, after: bool, orders: OrderDriver, order: Placed, shop_vendors: Vendors
) -> None:
    made = shop_vendors.card.open_dispute(capture_of(order.id))
    with crash(owner, name, at=1, after=after) as crashed, pytest.raises(Crash):
        look_at_dispute(LookAtDispute(reference=made.id), clock.now())
    assert crashed()
    assert (dispute(made.id), balances()) == (None, SOLD)
    heard(orders, made.id)
    assert (dispute(made.id), balances()) == (WHOLE, {})


def test_a_silent_provider_is_asked_again_and_an_unknown_name_is_not(
    orders: OrderDriver, order: Placed, shop_vendors: Vendors
) -> None:
    made = shop_vendors.card.open_dispute(capture_of(order.id))
    shop_vendors.card.fail_next(1, Fault.UNANSWERED)
    assert orders.invoker.task("payment_watch", "dispute-look", {"reference": made.id}) == 503
    assert orders.invoker.task("payment_watch", "dispute-look", {"reference": made.id}) == 204
    assert dispute(made.id) == WHOLE
    with pytest.raises(Hopeless):
        disputes.look("dp_unknown")


def test_a_dispute_of_no_payment_of_ours_is_told_and_kept_nowhere(
    orders: OrderDriver, shop_vendors: Vendors, sql: Connection
) -> None:
    made = shop_vendors.card.books.open(str(uuid4()), 500, inquiry=False, withdraw=True)
    heard(orders, made.id)
    assert dispute(made.id) is None
    assert sql.execute_simple("SELECT count(*) FROM disputes").rows[0][0] == 0


# What a dispute stops


def test_a_disputed_order_is_cancelled_only_when_the_dispute_is_decided(
    orders: OrderDriver, order: Placed, shop_vendors: Vendors
) -> None:
    made = shop_vendors.card.open_dispute(capture_of(order.id))
    heard(orders, made.id)
    leave(order.id)
    orders.pass_time(2)
    assert standing(order.id).state == "confirmed"
    shop_vendors.card.change_dispute(made.id, "lost")
    heard(orders, made.id)
    assert standing(order.id).state == "cancelled"  # the buyer has the money, and the tins are free
    assert order_views.stock()[1] == 0
    assert shop_vendors.card.total("refund") == 0


def test_an_order_that_is_to_be_cancelled_is_refunded_when_its_dispute_is_won(
    orders: OrderDriver, order: Placed, shop_vendors: Vendors
) -> None:
    made = shop_vendors.card.open_dispute(capture_of(order.id))
    heard(orders, made.id)
    leave(order.id)
    shop_vendors.card.change_dispute(made.id, "won")
    heard(orders, made.id)
    assert standing(order.id).state == "cancelled"
    assert shop_vendors.card.total("refund") == 1378
    assert balances() == {}


def test_a_refund_that_was_not_sent_waits_and_what_is_withdrawn_then_is_excess(
    orders: OrderDriver, order: Placed, shop_vendors: Vendors
) -> None:
    give_back(Paid(order.id, order.payment_id))  # the refund is recorded, and its task waits
    made = shop_vendors.card.open_dispute(capture_of(order.id))
    disputes.look(made.id)
    orders.deliver()
    orders.pass_time(3)
    found = dispute(made.id)
    assert found is not None
    assert (found.goods, found.excess, found.tins) == (ZERO, TOTAL, 0)
    assert standing(order.id).operations[-1] == "refund recorded"
    assert balances() == {"owed:refunds": -TOTAL}
    shop_vendors.card.change_dispute(made.id, "won")
    heard(orders, made.id)
    orders.pass_time(61)
    assert standing(order.id).operations[-1] == "refund succeeded"
    assert (balances(), shop_vendors.card.total("refund")) == ({}, 1378)


def test_a_refund_that_the_provider_never_got_is_not_repeated_while_the_payment_is_disputed(
    orders: OrderDriver, order: Placed, shop_vendors: Vendors
) -> None:
    give_back(Paid(order.id, order.payment_id))
    shop_vendors.card.fail_next(1, Fault.UNANSWERED)
    orders.deliver()
    made = shop_vendors.card.open_dispute(capture_of(order.id))
    disputes.look(made.id)
    orders.pass_time(10)
    assert standing(order.id).operations[-1] == "refund sent"
    assert shop_vendors.card.total("refund") == 0
    shop_vendors.card.change_dispute(made.id, "won")
    heard(orders, made.id)
    orders.pass_time(61)
    assert standing(order.id).operations[-1] == "refund succeeded"
    assert (balances(), shop_vendors.card.total("refund")) == ({}, 1378)


def test_a_refund_that_the_provider_refuses_for_a_dispute_that_we_do_not_know_is_sent_when_it_is_won(
    orders: OrderDriver, order: Placed, shop_vendors: Vendors
) -> None:
    made = shop_vendors.card.open_dispute(capture_of(order.id))
    give_back(Paid(order.id, order.payment_id))
    orders.deliver()
    assert standing(order.id).operations[-1] == "refund recorded"
    assert balances()["owed:refunds"] == -TOTAL
    heard(orders, made.id)
    orders.advance_clock(timedelta(days=40).total_seconds())
    orders.sweep()
    assert standing(order.id).operations[-1] == "refund recorded"
    shop_vendors.card.change_dispute(made.id, "won")
    heard(orders, made.id)
    orders.pass_time(61)
    assert standing(order.id).operations[-1] == "refund succeeded"
    assert (balances(), shop_vendors.card.total("refund")) == ({}, 1378)


def test_an_operation_that_was_sent_is_recorded_again_only_as_a_refund_that_was_refused_for_a_dispute(
    orders: OrderDriver, order: Placed, shop_vendors: Vendors, sql: Connection
) -> None:
    give_back(Paid(order.id, order.payment_id))
    shop_vendors.card.fail_next(1, Fault.UNANSWERED)
    orders.deliver()
    back = "UPDATE payment_operations SET status = 'recorded', sent_at = NULL{} WHERE status = 'sent'"
    for wrong in ("", ", reason = 'silent'"):
        with pytest.raises(DatabaseError, match="operation_t"):
            sql.execute_simple(back.format(wrong))
    with pytest.raises(DatabaseError, match="operation_terms"):
        sql.execute_simple("UPDATE payment_operations SET sent_at = NULL, reason = 'charge_disputed'")


def test_an_order_that_is_charged_and_not_confirmed_yet_is_confirmed_before_its_dispute_is_kept(
    orders: OrderDriver, shop_vendors: Vendors
) -> None:
    who = factories.member()
    order_id = order_rows.placed(who, at=clock.now())
    order_rows.taken_further(who, order_id)
    order_rows.captured(order_id)
    made = shop_vendors.card.books.open(str(capture_of(order_id)), 1378, inquiry=False, withdraw=True)
    heard(orders, made.id)
    found = dispute(made.id)
    assert found is not None
    assert (standing(order_id).state, found.state) == ("confirmed", "open")


def refund(sql: Connection, order: Placed) -> None:
    sql.execute_unnamed(
        "INSERT INTO payment_operations (id, payment_id, kind, amount, recorded_at, look_at) "
        "VALUES ($1, $2, 'refund', 10000, now(), now())",
        (uuid4(), order.payment_id),
    )


def test_the_schema_refuses_a_refund_while_a_dispute_is_open(
    orders: OrderDriver, order: Placed, shop_vendors: Vendors, sql: Connection
) -> None:
    heard(orders, shop_vendors.card.open_dispute(capture_of(order.id), withdraw=False).id)
    with pytest.raises(DatabaseError, match="payment_disputed"):
        refund(sql, order)


def test_no_more_is_refunded_and_disputed_than_was_captured(
    orders: OrderDriver, order: Placed, shop_vendors: Vendors, sql: Connection
) -> None:
    heard(orders, shop_vendors.card.open_dispute(capture_of(order.id)).id)
    with pytest.raises(DatabaseError, match="payments_refunds"):
        refund(sql, order)


def test_the_schema_cancels_no_order_while_a_dispute_is_open(
    orders: OrderDriver, order: Placed, shop_vendors: Vendors, sql: Connection
) -> None:
    heard(orders, shop_vendors.card.open_dispute(capture_of(order.id)).id)
    db.atomically(rows.release_stock, order.id, clock.now())
    with pytest.raises(DatabaseError, match="order_disputed"):
        sql.execute_unnamed(
            "UPDATE orders SET state = 'cancelled', cancel_wanted_at = now(), cancel_reason = 'people' WHERE id = $1",
            (order.id,),
        )


def test_no_movement_is_kept_without_its_journal(
    orders: OrderDriver, order: Placed, shop_vendors: Vendors, sql: Connection
) -> None:
    made = shop_vendors.card.open_dispute(capture_of(order.id), inquiry=True)
    heard(orders, made.id)
    with pytest.raises(DatabaseError, match="dispute_booked"):
        sql.execute_unnamed(
            "INSERT INTO dispute_movements (dispute_id, sequence, goods, shipping, tax, excess, amount, tins, "
            "moved_at) SELECT id, 1, 10000, 0, 0, 0, 10000, 0, now() FROM disputes WHERE reference = $1",
            (made.id,),
        )
