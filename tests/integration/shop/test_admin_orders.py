"""Admins find orders, see everything around them, and have them cancelled."""

from collections.abc import Callable
from uuid import UUID, uuid4

import pytest
from pg8000.dbapi import Connection

from emulators.vendors import Vendors
from functions.admin_orders import records, rules
from shared import clock, db
from shared.auth import Role
from shared.orders import tasks
from tests import factories
from tests.client import FunctionClient
from tests.fakes import order_views, parcel_views
from tests.fakes.order_admins import PATH, OrderAdmin, order_admin
from tests.fakes.order_driver import OrderDriver
from tests.fakes.order_views import bought
from tests.fakes.shop_client import MINT

pytest_plugins = ["tests.fakes.order_jobs_plugin"]

Client = Callable[..., FunctionClient]


@pytest.fixture
def admin(client: Client, orders: OrderDriver) -> OrderAdmin:
    assert orders
    return order_admin(client)


def found(admin: OrderAdmin, query: str) -> list[str]:
    answer = admin.client.get(f"{PATH}?{query}")
    assert answer.status == 200, answer.body
    return [item["id"] for item in answer.body["items"]]


def test_orders_are_found_by_state_payment_number_and_buyer(
    admin: OrderAdmin, orders: OrderDriver, sql: Connection
) -> None:
    waiting, paid, declined = order_views.place(), bought(orders), bought(orders, card="declined")
    assert found(admin, "") == [str(each.id) for each in (declined, paid, waiting)]
    assert found(admin, "status=pending") == [str(waiting.id)]
    assert found(admin, "payment=captured") == [str(paid.id)]
    assert found(admin, "payment=failed&status=payment_processing") == [str(declined.id)]
    number = admin.order(paid.id)["order_number"]
    assert found(admin, f"number={number}") == found(admin, f"number={number[3:]}") == [str(paid.id)]
    ((email,),) = sql.execute_unnamed("SELECT upper(email) FROM members WHERE id = $1", (paid.member_id,)).rows
    assert found(admin, f"email={email}") == [str(paid.id)]
    assert found(admin, "email=nobody@example.com") == []
    assert admin.client.get(f"{PATH}?number=SO-x").status == 422


def test_an_order_shows_everything_around_it(admin: OrderAdmin, orders: OrderDriver) -> None:
    placed = bought(orders)
    admin.refund(placed.id, amount=1)
    orders.deliver()
    order = admin.order(placed.id)

    assert (order["status"], order["payment"], order["total"], order["left"]) == ("confirmed", "captured", 13.78, 12.78)
    assert [(line["sku"], line["quantity"]) for line in order["items"]] == [(MINT, 2)]
    assert order["age_check"]["status"] == "accepted"
    (payment,) = order["payments"]
    assert [(each["kind"], each["status"]) for each in payment["operations"]] == [
        ("authorize", "succeeded"),
        ("capture", "succeeded"),
        ("refund", "succeeded"),
    ]
    (refund,) = order["refunds"]
    assert (refund["amount"], refund["paid_at"] is not None, refund["lines"][0]["tins"]) == (1, True, 0)
    assert [each["status"] for each in order["refund_requests"]] == ["recorded"]
    assert "line1" not in str(order)
    assert [entry["what"] for entry in order["diary"]] == [
        "pending",
        "payment_processing",
        "authorize succeeded",
        "capture succeeded",
        "confirmed",
        "order.refund",
        "refund succeeded",
    ]


def test_a_wish_to_cancel_is_noted_and_the_machine_does_it(
    admin: OrderAdmin, orders: OrderDriver, shop_vendors: Vendors, sql: Connection
) -> None:
    placed = bought(orders)
    answer = admin.cancel(placed.id)
    assert (answer.status, answer.body["status"], answer.body["cancel_wanted"]) == (200, "confirmed", True)
    assert admin.cancel(placed.id).status == 200

    orders.deliver()

    assert order_views.standing(placed.id).state == "cancelled"
    assert shop_vendors.card.total("refund") == 1378
    assert order_views.stock() == (100, 0)
    assert sql.execute_simple("SELECT action, changes ->> 'reason' FROM audit_logs").rows == [
        ["order.cancel", "The buyer has called"]
    ]
    assert admin.cancel(placed.id).problem == "order-not-cancellable"
    (event,) = [entry for entry in admin.order(placed.id)["diary"] if entry["what"] == "cancelled"]
    assert event["reason"] == "people"


def test_a_long_diary_ends_with_what_happened_last(admin: OrderAdmin, orders: OrderDriver, sql: Connection) -> None:
    placed = bought(orders)
    sql.execute_unnamed(
        """
        INSERT INTO audit_logs (actor_id, action, resource_type, resource_id, changes, created_at)
        SELECT $1, 'order.address', 'order', CAST($2 AS text), '{"reason": "Once more"}', now() - interval '1 hour'
        FROM generate_series(1, CAST($3 AS integer))
        """,
        (admin.who.id, placed.id, records.DIARY_MAX),
    )
    diary = admin.order(placed.id)["diary"]
    assert len(diary) == records.DIARY_MAX
    assert [entry["what"] for entry in diary if entry["kind"] == "state"][-1] == "confirmed"
    assert [entry["at"] for entry in diary] == sorted(entry["at"] for entry in diary)


def test_an_order_that_the_warehouse_refused_is_given_to_it_again(
    admin: OrderAdmin, orders: OrderDriver, shop_vendors: Vendors, sql: Connection
) -> None:
    placed = bought(orders)
    again = {"reason": "It is there again"}
    assert admin.client.post(f"{PATH}/{placed.id}/resend", again).problem == "order-not-resendable"
    ((first,),) = sql.execute_simple("SELECT id FROM fulfilments").rows
    shop_vendors.warehouse.refuse(first)
    db.atomically(tasks.fulfil_soon, first, clock.now())
    orders.deliver()

    answer = admin.client.post(f"{PATH}/{placed.id}/resend", again)
    orders.deliver()

    assert answer.status == 200
    shown = admin.order(placed.id)
    assert [each["status"] for each in shown["fulfilments"]] == ["refused", "accepted"]
    assert sorted(order.external_id for order in shop_vendors.warehouse.orders()) == sorted(
        each["id"] for each in shown["fulfilments"]
    )
    assert admin.client.post(f"{PATH}/{placed.id}/resend", again).problem == "order-not-resendable"
    admin.cancel(placed.id)
    orders.pass_time(3)
    assert admin.client.post(f"{PATH}/{placed.id}/resend", again).problem == "order-not-resendable"


def test_an_order_that_was_sent_shows_its_parcels_and_is_not_cancelled(
    admin: OrderAdmin, orders: OrderDriver, shop_vendors: Vendors
) -> None:
    placed = bought(orders)
    parcel_views.sent(orders, shop_vendors.warehouse, placed.id)
    order = admin.order(placed.id)
    ((parcel,),) = [each["parcels"] for each in order["fulfilments"]]
    assert (order["status"], parcel["status"], parcel["lines"]) == ("shipped", "shipped", [{"sku": MINT, "tins": 2}])
    assert order["items"][0]["shipped"] == 2
    assert admin.cancel(placed.id).problem == "order-not-cancellable"


def test_people_set_no_other_state(admin: OrderAdmin, orders: OrderDriver) -> None:
    placed = bought(orders)
    for status in ("confirmed", "pending", "shipped"):
        answer = admin.client.put(f"{PATH}/{placed.id}", {"status": status, "reason": "By hand"})
        assert answer.status == 422


def test_an_address_is_shown_for_a_reason_that_is_kept(
    admin: OrderAdmin, sql: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    placed = order_views.place()
    shown = admin.client.post(f"{PATH}/{placed.id}/address", {"reason": "It came back"})
    assert (shown.status, shown.body["line1"], shown.body["zip"]) == (200, "12 Main Street", "10001")
    assert sql.execute_simple("SELECT action, resource_id, changes FROM audit_logs").rows == [
        ["order.address", str(placed.id), {"reason": "It came back"}]
    ]
    monkeypatch.setattr(rules, "ADDRESSES_PER_HOUR", 1)
    assert admin.client.post(f"{PATH}/{placed.id}/address", {"reason": "Again"}).status == 429


def test_an_address_that_was_erased_is_not_shown(admin: OrderAdmin, sql: Connection) -> None:
    placed = order_views.place()
    sql.execute_unnamed("UPDATE orders SET address = NULL WHERE id = $1", (placed.id,))
    assert admin.client.post(f"{PATH}/{placed.id}/address", {"reason": "It came back"}).problem == "address-erased"


def test_an_unknown_order_is_not_found(admin: OrderAdmin) -> None:
    nowhere: UUID = uuid4()
    assert admin.client.get(f"{PATH}/{nowhere}").status == 404
    assert admin.cancel(nowhere).status == 404
    assert admin.client.post(f"{PATH}/{nowhere}/address", {"reason": "It came back"}).status == 404


@pytest.mark.parametrize("role", [Role.SUPPORT, Role.TREASURY])
def test_other_roles_see_nothing(client: Client, orders: OrderDriver, role: Role) -> None:
    placed = bought(orders)
    other = client(factories.member(role=role).token)
    assert other.get(f"{PATH}/{placed.id}").status == 403
