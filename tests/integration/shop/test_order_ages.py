"""An order goes on to its payment only with an accepted check of its buyer's age, in the provider's own word."""

from uuid import uuid4

import pytest
from pg8000.dbapi import Connection

from emulators.ages import AgeStandIn
from emulators.vendor import Fault
from emulators.vendors import Vendors
from shared.orders.addresses import DeliveryAddress
from tests import factories
from tests.fakes import order_views
from tests.fakes.order_driver import OrderDriver
from tests.fakes.order_views import standing

pytest_plugins = ["tests.fakes.order_jobs_plugin"]


def named(last_name: str) -> DeliveryAddress:
    """An address whose recipient the stand-in decides about by name."""
    return DeliveryAddress(f"Ann {last_name}", "12 Main Street", "", "Springfield", "IL", "62704")


def ordered_by(last_name: str) -> order_views.Placed:
    return order_views.place(address=named(last_name))


@pytest.fixture
def ages(shop_vendors: Vendors) -> AgeStandIn:
    return shop_vendors.ages


def checks(sql: Connection) -> list[list[object]]:
    return list(sql.execute_simple("SELECT status, reference IS NOT NULL FROM age_checks ORDER BY recorded_at").rows)


def test_a_person_of_age_is_checked_once_and_the_order_is_paid(
    orders: OrderDriver, ages: AgeStandIn, sql: Connection
) -> None:
    order = ordered_by("Accepted")

    orders.begin(order.id)

    assert standing(order.id).state == "confirmed"
    assert checks(sql) == [["accepted", True]]
    assert len(ages.checks()) == 1
    history = "SELECT state FROM order_events ORDER BY id"
    assert sql.execute_simple(history).rows == [
        ["pending"], ["age_verification"], ["payment_processing"], ["confirmed"],
    ]  # fmt: skip


def test_an_accepted_check_serves_the_members_next_order(orders: OrderDriver, ages: AgeStandIn) -> None:
    member = factories.member()
    first = order_views.place(member, address=named("Accepted"))
    orders.begin(first.id)
    second = order_views.place(member, address=named("Accepted"))

    orders.begin(second.id)

    assert standing(second.id).state == "confirmed"
    assert len(ages.checks()) == 1


def test_a_denied_person_is_charged_nothing(orders: OrderDriver, shop_vendors: Vendors, sql: Connection) -> None:
    order = ordered_by("Denied")

    orders.begin(order.id)

    assert standing(order.id).state == "cancelled"
    assert shop_vendors.card.operations() == []
    assert order_views.stock() == (100, 0)
    assert sql.execute_simple("SELECT code FROM notifications").rows == [["order_age_denied"]]


def test_a_person_who_must_send_a_photo_has_an_hour_and_is_asked_about(
    orders: OrderDriver, ages: AgeStandIn, sql: Connection
) -> None:
    order = ordered_by("Photo")
    orders.begin(order.id)
    assert standing(order.id).state == "age_verification"
    orders.pass_time(40)
    assert standing(order.id).state == "age_verification"

    (check,) = ages.checks()
    ages.decide(check.uuid, "accepted")
    orders.pass_time(1)

    assert standing(order.id).state == "confirmed"
    assert checks(sql) == [["accepted", True]]


def test_a_photo_that_comes_too_late_serves_the_next_order(
    orders: OrderDriver, ages: AgeStandIn, shop_vendors: Vendors, sql: Connection
) -> None:
    member = factories.member()
    order = order_views.place(member, address=named("Photo"))
    orders.begin(order.id)
    orders.pass_time(61)
    assert standing(order.id).state == "cancelled"
    (check,) = ages.checks()
    ages.decide(check.uuid, "accepted")

    sql.execute_simple("DELETE FROM carts WHERE status = 'open'")  # it was filled again with what was not bought
    following = order_views.place(member, address=named("Photo"))
    orders.begin(following.id)

    assert standing(following.id).state == "confirmed"
    assert standing(order.id).state == "cancelled"
    assert shop_vendors.card.total("capture") == 1378
    assert len(ages.checks()) == 1


@pytest.mark.parametrize("fault", [Fault.UNANSWERED, Fault.DONE_UNANSWERED, Fault.NONSENSE, Fault.INTERNAL_ERROR])
def test_a_provider_that_does_not_answer_is_asked_again(orders: OrderDriver, ages: AgeStandIn, fault: Fault) -> None:
    ages.fail_next(2, fault)
    order = ordered_by("Accepted")

    orders.begin(order.id)
    assert standing(order.id).state == "age_verification"
    orders.pass_time(4)

    assert standing(order.id).state == "confirmed"


def test_a_check_of_somebody_else_under_our_reference_is_not_believed(
    orders: OrderDriver, ages: AgeStandIn, sql: Connection
) -> None:
    order = ordered_by("Photo")
    orders.begin(order.id)
    (check,) = ages.checks()
    ages.decide(check.uuid, "accepted")
    check.metadata = {"check_id": str(uuid4())}  # what AgeChecker keeps for somebody else's order

    orders.pass_time(3)

    assert standing(order.id).state == "age_verification"
    assert checks(sql) == [["pending", True]]


def test_two_orders_of_one_member_wait_for_one_check(orders: OrderDriver, ages: AgeStandIn) -> None:
    member = factories.member()
    both = [order_views.place(member, address=named("Photo")) for _ in range(2)]
    for order in both:
        orders.begin(order.id)
    (check,) = ages.checks()
    ages.decide(check.uuid, "accepted")

    orders.pass_time(2)

    assert [standing(order.id).state for order in both] == ["confirmed"] * 2
