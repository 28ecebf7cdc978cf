"""A resale certificate frees an account from one state's tax, from its record on and until its last day is over."""

from datetime import timedelta
from typing import Any

import pytest
from pg8000.dbapi import Connection

from functions.wholesale import order_store
from shared import clock, db
from tests.client import Client, refusal
from tests.fakes.order_driver import OrderDriver
from tests.fakes.wholesale_buyer import CALIFORNIA, WholesaleBuyer, wholesale_buyer
from tests.fakes.wholesale_rows import wholesale_account

pytest_plugins = ["tests.fakes.wholesale_order_plugin"]


def is_exempt(trade: WholesaleBuyer, **body: Any) -> bool:
    return bool(trade.estimate(**body).body["is_exempt"])


def test_a_certificate_is_for_its_state_alone(trade: WholesaleBuyer) -> None:
    assert not is_exempt(trade)
    assert trade.certify("NV").status == 201
    assert is_exempt(trade)
    assert not is_exempt(trade, delivery_address=CALIFORNIA)
    assert trade.estimate(delivery_address=CALIFORNIA).body["tax"] > 0


@pytest.mark.parametrize(("days", "exempt"), [(0, True), (1, False)])
def test_it_ends_with_its_last_day(trade: WholesaleBuyer, days: int, exempt: bool) -> None:
    last = clock.now().date()
    trade.certify(valid_until=f"{last}")
    found = db.atomically(order_store.certificate, trade.account, "NV", last + timedelta(days=days))
    assert (found is not None) is exempt


def test_the_newest_of_a_state_counts(trade: WholesaleBuyer, orders: OrderDriver) -> None:
    trade.certify(number="RS-1")
    orders.advance_clock(1)
    trade.certify(number="RS-2", valid_until="2020-01-01")
    assert not is_exempt(trade)
    listed = trade.staff.get(f"/v1/admin/wholesale/{trade.account}/certificates").body["items"]
    assert [(item["state"], item["number"], item["valid_until"]) for item in listed] == [("NV", "RS-2", "2020-01-01")]


def test_who_recorded_it_and_why_is_audited(trade: WholesaleBuyer, sql: Connection) -> None:
    made = trade.certify().body
    ((action, changes),) = sql.execute_simple("SELECT action, changes FROM audit_logs").rows
    assert action == "wholesale.certificate"
    assert changes == {"state": "NV", "number": "RS-1", "valid_until": "2027-12-31", "reason": "The register knows it"}
    assert made["reason"] == "The register knows it"


@pytest.mark.parametrize("statuses", [(), ("rejected",)])
def test_an_account_that_was_never_approved_has_none(
    client: Client, sql: Connection, orders: OrderDriver, statuses: tuple[str, ...]
) -> None:
    assert orders
    buyer = wholesale_buyer(client, sql)
    account = wholesale_account(*statuses)
    body = {"state": "NV", "number": "RS-1", "valid_until": "2027-12-31", "reason": "The register knows it"}
    answer = buyer.staff.post(f"/v1/admin/wholesale/{account}/certificates", body)
    assert refusal(answer) == (409, "account-never-approved")
    assert answer.body["account_status"] == (statuses[-1] if statuses else "pending")


@pytest.mark.parametrize(
    ("said", "field"),
    [({"state": "Nevada"}, "/state"), ({"valid_until": "31.12.2027"}, "/valid_until"), ({"number": ""}, "/number"),
     ({"reason": ""}, "/reason"), ({"account": "x"}, "/account")],
)  # fmt: skip
def test_what_is_no_certificate_is_refused(trade: WholesaleBuyer, said: dict[str, object], field: str) -> None:
    body = {"state": "NV", "number": "RS-1", "valid_until": "2027-12-31", "reason": "The register knows it"} | said
    answer = trade.staff.post(f"/v1/admin/wholesale/{trade.account}/certificates", body)
    assert answer.status == 422
    assert answer.body["errors"][0]["field"] == field
