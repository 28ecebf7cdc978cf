"""Operations admins see the orders of all wholesale accounts, with what is paid and which invoice is overdue."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from pg8000.dbapi import Connection

from shared import clock
from tests import factories
from tests.client import Client
from tests.fakes import order_rows, wholesale_order_rows
from tests.fakes.order_driver import OrderDriver
from tests.fakes.wholesale_buyer import WholesaleBuyer
from tests.fakes.wholesale_order_rows import INVOICE_LIFE

pytest_plugins = ["tests.fakes.wholesale_order_plugin"]

PATH = "/v1/admin/wholesale/orders"


def listed(trade: WholesaleBuyer, query: str = "") -> list[dict[str, Any]]:
    answer = trade.staff.get(f"{PATH}?{query}")
    assert answer.status == 200, answer.body
    return list(answer.body["items"])


def found(trade: WholesaleBuyer, query: str) -> list[UUID]:
    return [UUID(item["id"]) for item in listed(trade, query)]


def due_in(trade: WholesaleBuyer, **life: float) -> UUID:
    """An order whose invoice is due after so long, or was."""
    placed_at = clock.now() + timedelta(**life) - INVOICE_LIFE
    return wholesale_order_rows.placed(trade.somebody, trade.account, at=placed_at)


def at(moment: str) -> datetime:
    return datetime.fromisoformat(moment)


def test_an_order_by_invoice_shows_its_account_its_sum_and_when_it_is_due(
    trade: WholesaleBuyer, orders: OrderDriver
) -> None:
    trade.certify()
    order_id = trade.ordered(200)
    orders.deliver()
    (order,) = listed(trade)
    shown = trade.shown(order_id)
    account = trade.staff.get(f"/v1/admin/wholesale/{trade.account}").body

    assert (order["id"], order["order_number"]) == (str(order_id), shown["order_number"])
    assert order["order_number"].startswith(f"WO-{clock.now().astimezone(UTC).year}-")
    assert (order["account_id"], order["account_number"]) == (str(trade.account), account["number"])
    assert order["company_name"] == account["company_name"]
    assert (order["tins"], order["total"], order["status"]) == (200, 420, "payment_processing")
    assert (order["payment_kind"], order["payment"]) == ("invoice", "pending")
    assert order["invoice_number"] == shown["invoice"]["number"]
    assert order["invoice_due_at"] == shown["invoice"]["due_at"]
    assert at(order["invoice_due_at"]) - at(order["placed_at"]) == INVOICE_LIFE
    assert (order["is_overdue"], order["cancel_wanted"]) == (False, False)


def test_an_invoice_is_overdue_from_the_moment_at_which_it_is_due_until_its_order_ends(
    trade: WholesaleBuyer, orders: OrderDriver
) -> None:
    waiting, late = due_in(trade, minutes=1), due_in(trade, seconds=0)
    assert {order["id"]: order["is_overdue"] for order in listed(trade)} == {str(waiting): False, str(late): True}

    orders.sweep()

    ended = next(order for order in listed(trade) if order["id"] == str(late))
    assert (ended["status"], ended["payment"], ended["is_overdue"]) == ("cancelled", "failed", False)


def test_an_invoice_that_was_paid_is_never_overdue(
    trade: WholesaleBuyer, orders: OrderDriver, advance_clock: Callable[[float], None]
) -> None:
    order_id = due_in(trade, minutes=1)
    orders.sweep()
    assert trade.book(order_id).status == 200
    orders.deliver()
    advance_clock(60)
    (order,) = listed(trade)
    assert (order["payment"], order["is_overdue"]) == ("captured", False)


def test_an_order_by_card_has_no_invoice(trade: WholesaleBuyer, orders: OrderDriver) -> None:
    trade.ordered(card="ok")
    orders.deliver()
    (order,) = listed(trade)
    assert (order["payment_kind"], order["payment"], order["status"]) == ("card", "captured", "confirmed")
    assert (order["invoice_number"], order["invoice_due_at"], order["is_overdue"]) == (None, None, False)


def test_an_order_whose_card_was_declined_is_of_the_card_that_followed(
    trade: WholesaleBuyer, orders: OrderDriver
) -> None:
    order_id = trade.ordered(card="declined")
    orders.deliver()
    assert [order["payment"] for order in listed(trade)] == ["failed"]
    assert trade.pay(order_id).status == 200
    orders.deliver()
    assert [(order["id"], order["payment"]) for order in listed(trade)] == [(str(order_id), "captured")]


def test_every_given_filter_has_to_match(trade: WholesaleBuyer, orders: OrderDriver) -> None:
    other = factories.member()
    others = wholesale_order_rows.placed(other, wholesale_order_rows.account_of(other))
    waiting, paid = trade.ordered(), trade.ordered(card="ok")
    orders.deliver()
    mine = f"account_id={trade.account}"

    assert set(found(trade, "")) == {others, waiting, paid}
    assert set(found(trade, mine)) == {waiting, paid}
    assert found(trade, f"{mine}&payment=captured") == found(trade, f"{mine}&status=confirmed") == [paid]
    assert found(trade, f"{mine}&payment=pending&status=payment_processing") == [waiting]
    assert found(trade, f"{mine}&payment=captured&status=payment_processing") == []
    assert found(trade, f"account_id={uuid4()}") == []


def test_the_orders_of_members_are_not_among_them(trade: WholesaleBuyer) -> None:
    order_rows.placed(trade.somebody)
    assert listed(trade) == []


@pytest.mark.parametrize(
    "query",
    [
        "account_id=WP-2026-0001", "status=paid", "status=", "payment=overdue", "payment=captured&payment=failed",
        "limit=0", "limit=101", "limit=x", "cursor=%00", "cursor=%FF", "overdue=true",
    ],
)  # fmt: skip
def test_what_is_no_filter_is_refused(trade: WholesaleBuyer, query: str) -> None:
    answer = trade.staff.get(f"{PATH}?{query}")
    assert (answer.status, answer.body["type"].rsplit("/", 1)[-1]) == (422, "not-valid"), answer.body


def test_an_account_that_was_erased_keeps_its_orders_without_its_name(
    trade: WholesaleBuyer, orders: OrderDriver, sql: Connection
) -> None:
    order_id = trade.ordered(card="ok")
    orders.deliver()
    sql.execute_unnamed(
        """
        UPDATE wholesale_accounts SET company_name = NULL, contact_name = NULL, email = NULL, phone = NULL,
               business_address = NULL, tax_id = NULL, tax_id_last4 = NULL WHERE id = $1
        """,
        (trade.account,),
    )
    assert [(order["id"], order["company_name"]) for order in listed(trade)] == [(str(order_id), None)]


def test_members_and_other_admins_do_not_see_them(trade: WholesaleBuyer, client: Client) -> None:
    for who in (trade.somebody, factories.member()):
        assert client(who.token).get(PATH).status == 403
    assert trade.treasurer.client.get(PATH).status == 403
