"""Parcels that have left in a month for a state are exported line by line; their addresses are opened for a reason."""

import csv
from collections.abc import Callable
from uuid import UUID, uuid4

import pytest
from pg8000.dbapi import Connection

from emulators.vendors import Vendors
from functions.admin_orders import exporting, rules
from shared.auth import Role
from shared.orders.addresses import DeliveryAddress
from tests import factories
from tests.client import Answer, FunctionClient, refusal
from tests.fakes import order_views, parcel_views
from tests.fakes.order_admins import OrderAdmin, order_admin
from tests.fakes.order_driver import OrderDriver
from tests.fakes.order_views import Placed
from tests.fakes.shop_client import COFFEE, MINT

pytest_plugins = ["tests.fakes.order_jobs_plugin"]

HOME = DeliveryAddress("Test Member", "12 Main Street", "Apartment 4", "New York", "NY", "10001")
NAMES = ["recipient", "line1", "line2", "city", "state", "zip", "sku", "tins", "carrier"]
Client = Callable[..., FunctionClient]


@pytest.fixture
def admin(client: Client) -> OrderAdmin:
    return order_admin(client)


def sent(
    orders: OrderDriver, vendors: Vendors, *, at: str = "2026-03-15 12:00Z", address: DeliveryAddress = HOME
) -> Placed:
    """An order of five tins of two products that has left then."""
    order = paid(orders, address)
    parcel_views.sent(orders, vendors.warehouse, order.id)
    move(orders.sql, order, at)
    return order


def paid(orders: OrderDriver, address: DeliveryAddress = HOME) -> Placed:
    order = order_views.place(tins={MINT: 3, COFFEE: 2}, address=address)
    order_views.accept_age(order.member_id)
    orders.begin(order.id)
    return order


def move(sql: Connection, order: Placed, at: str) -> None:
    """Have the order's parcels left at that time."""
    sql.execute_simple(
        f"SET session_replication_role = replica; UPDATE parcels SET shipped_at = '{at}' WHERE fulfilment_id IN "
        f"(SELECT id FROM fulfilments WHERE order_id = '{order.id}'); SET session_replication_role = origin"
    )


def export(admin: OrderAdmin, month: object = "2026-03", state: object = "NY", **other: object) -> Answer:
    body = {"month": month, "state": state, "reason": "The report is due", **other}
    return admin.client.post("/v1/admin/order-exports", body, **{"Idempotency-Key": str(uuid4())})


def rows(answer: Answer) -> list[dict[str, str]]:
    assert answer.status == 200, answer.body
    return list(csv.DictReader(answer.body.splitlines()))


def of(answer: Answer) -> list[list[str]]:
    return [[row[name] for name in NAMES] for row in rows(answer)]


def test_each_product_of_a_parcel_is_a_line_with_its_address(
    orders: OrderDriver, admin: OrderAdmin, shop_vendors: Vendors
) -> None:
    order = sent(orders, shop_vendors)
    paid(orders)  # which has not left

    answer = export(admin)

    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    where = ["Test Member", "12 Main Street", "Apartment 4", "New York", "NY", "10001"]
    carrier = rows(answer)[0]["carrier"]
    assert of(answer) == [[*where, COFFEE, "2", carrier], [*where, MINT, "3", carrier]]
    assert {(row["sent_on"], row["order_number"]) for row in rows(answer)} == {
        ("2026-03-15", admin.order(order.id)["order_number"])
    }


@pytest.mark.parametrize(
    ("at", "month"),
    [
        ("2025-12-01 00:00:00Z", "2025-12"),
        ("2025-11-30 23:59:59.999999Z", "2025-11"),
        ("2025-12-31 23:59:59.999999Z", "2025-12"),
        ("2025-12-31 19:30:00-05", "2026-01"),  # in New York it is December still
        ("2026-02-28 23:59:59Z", "2026-02"),
    ],
)
def test_a_month_begins_and_ends_at_midnight_utc(
    orders: OrderDriver, admin: OrderAdmin, shop_vendors: Vendors, at: str, month: str
) -> None:
    sent(orders, shop_vendors, at=at)
    found = [each for each in ("2025-11", "2025-12", "2026-01", "2026-02", "2026-03") if of(export(admin, each))]
    assert found == [month]


def test_other_states_are_not_in_it(orders: OrderDriver, admin: OrderAdmin, shop_vendors: Vendors) -> None:
    sent(orders, shop_vendors)
    assert of(export(admin, state="CA")) == []
    assert len(of(export(admin, state="ny"))) == 2


HOSTILE = (
    '=HYPERLINK("http://example.com")', "+1", "-1", "@SUM(A1)", "\uff1d1", " =1", "\u200b=1", '"', 'a","b', "a,b",
    "O'Hara",
)  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE)
def test_what_people_have_typed_stays_one_field_and_is_no_formula(
    orders: OrderDriver, admin: OrderAdmin, shop_vendors: Vendors, text: str
) -> None:
    sent(orders, shop_vendors, address=DeliveryAddress(text, text, text, text, "NY", "10001"))
    formula = text.strip(" \u200b")[0] in "=+-@\uff1d"
    shown = f"'{text}" if formula else text
    assert [line[:6] for line in of(export(admin))] == [[shown] * 4 + ["NY", "10001"]] * 2


def test_an_address_that_was_removed_is_empty_and_its_line_stays(
    orders: OrderDriver, admin: OrderAdmin, shop_vendors: Vendors, sql: Connection
) -> None:
    order = sent(orders, shop_vendors)
    sql.execute_unnamed("UPDATE orders SET address = NULL WHERE id = $1", (order.id,))
    assert [line[:8] for line in of(export(admin))] == [
        ["", "", "", "", "NY", "10001", COFFEE, "2"],
        ["", "", "", "", "NY", "10001", MINT, "3"],
    ]


def test_parts_follow_each_other_and_end_with_an_empty_one(
    orders: OrderDriver, admin: OrderAdmin, shop_vendors: Vendors, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = [sent(orders, shop_vendors, at=f"2026-03-{day} 12:00Z") for day in ("20", "05", "05")]
    whole = export(admin).body
    monkeypatch.setattr(exporting, "PARCELS_AT_ONCE", 1)
    parts = [export(admin).body]
    while parts[-1]:
        parts.append(export(admin, after=parts[-1].splitlines()[-1].split(",")[0]).body)
    assert (len(parts), "".join(parts)) == (len(made) + 1, whole)
    assert [line.split(",")[1] for line in whole.splitlines()[1:]] == ["2026-03-05"] * 4 + ["2026-03-20"] * 2


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("month", ["2026-13", "2026-00", "2026-1", "2026-03-01", "November", "0000-01", "9999-12", "", 202611, None]),
        ("state", ["ZZ", "N", "New York", "", 5, None, ["NY"]]),
        ("after", [str(uuid4()), "x", 1]),
        ("reason", ["", "ab", "x" * 501, None]),
        ("columns", ["recipient"]),
    ],
)
def test_what_names_no_month_or_state_is_refused_and_not_noted(
    admin: OrderAdmin, sql: Connection, field: str, values: list[object]
) -> None:
    for value in values:
        answer = export(admin, **{field: value})
        assert (answer.status, answer.body["errors"][0]["field"]) == (422, f"/{field}"), value
    assert sql.execute_simple("SELECT count(*) FROM audit_logs").rows == [[0]]


def test_who_exports_and_why_is_audited_without_addresses(
    orders: OrderDriver, admin: OrderAdmin, shop_vendors: Vendors, sql: Connection
) -> None:
    sent(orders, shop_vendors)
    export(admin)
    ((actor, resource, changes),) = sql.execute_simple(
        "SELECT actor_id, resource_id, changes FROM audit_logs WHERE action = 'order.export'"
    ).rows
    assert (UUID(str(actor)), resource) == (admin.who.id, "NY")
    assert changes == {
        "month": "2026-03-01", "state": "NY", "after": None, "reason": "The report is due", "lines": 2,
    }  # fmt: skip


def test_so_many_parts_an_hour_and_no_other_role(
    admin: OrderAdmin, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rules, "EXPORTS_PER_HOUR", 2)
    assert [export(admin).status for _ in range(2)] == [200, 200]
    assert refusal(export(admin)) == (429, "too-many-exports")
    for role in (None, Role.TREASURY):
        other = factories.member(role=role) if role else factories.member()
        asked = client(other.token).post(
            "/v1/admin/order-exports", {"month": "2026-03", "state": "NY", "reason": "The report is due"}
        )
        assert asked.status == 403
