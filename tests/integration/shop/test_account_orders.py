"""A member with orders leaves: none is placed meanwhile, an open one is in the way, and addresses go."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from pg8000.dbapi import Connection

from tests.client import Answer, FunctionClient
from tests.factories import Somebody
from tests.fakes import order_rows
from tests.fakes.order_client import SERVED, OrderClient, serve
from tests.fakes.plain_rows import unchecked
from tests.fakes.profile_client import ProfileClient
from tests.fakes.shop_client import MINT

pytest_plugins = ["tests.fakes.profile_plugin"]
pytestmark = pytest.mark.usefixtures("listener_copies")

Client = Callable[..., FunctionClient]


def delete(profile_client: ProfileClient, **body: object) -> Answer:
    body = {"username": profile_client.profile()["username"], **body}
    return profile_client.member.post("/v1/users/me/deletion", body)


def test_an_order_that_has_arrived_is_not_in_the_way_unless_money_of_it_is_owed(
    profile_client: ProfileClient, somebody: Somebody, sql: Connection
) -> None:
    order_rows.counted(10, MINT)
    paid = order_rows.placed(somebody, {MINT: 1})
    payment = order_rows.paid(somebody, paid)
    way = [{"kind": "orders", "count": 1, "forfeitable": False}]
    for state in ("fulfilled", "shipped"):
        with unchecked(sql):
            sql.execute_unnamed("UPDATE orders SET state = $2 WHERE id = $1", (paid, state))
        assert delete(profile_client).body["obstacles"] == way
    with unchecked(sql):
        sql.execute_unnamed("UPDATE orders SET state = 'delivered' WHERE id = $1", (paid,))
        sql.execute_unnamed("UPDATE payments SET refund_open = 10000 WHERE id = $1", (payment,))
    assert delete(profile_client).body["obstacles"] == way
    with unchecked(sql):
        sql.execute_simple("UPDATE payments SET refund_open = 0")
    assert delete(profile_client).status == 202


def test_an_order_under_way_is_in_the_way(profile_client: ProfileClient, somebody: Somebody, sql: Connection) -> None:
    """Its address goes with the account, what was sold stays."""
    order_rows.counted(10, MINT)
    open_one, paid = (order_rows.placed(somebody, {MINT: 1}) for _ in range(2))
    order_rows.paid(somebody, paid)
    assert delete(profile_client, forfeit=True).body["obstacles"] == [
        {"kind": "orders", "count": 2, "forfeitable": False}
    ]
    order_rows.ended(open_one)
    with unchecked(sql):
        sql.execute_unnamed(
            "UPDATE orders SET state = 'cancelled', cancel_wanted_at = now(), cancel_reason = 'people' WHERE id = $1",
            (paid,),
        )
    assert delete(profile_client).status == 202
    profile_client.run_tasks(times=2)
    assert sql.execute_simple("SELECT address, tins FROM orders").rows == [[None, 1], [None, 1]]


def test_no_order_is_placed_while_the_account_is_closed(
    profile_client: ProfileClient, somebody: Somebody, client: Client, sql: Connection
) -> None:
    """Whichever comes first: the order is in the way, or there is none."""
    serve(sql, *SERVED)
    order_rows.counted(10, MINT)
    buyer = OrderClient(somebody, client(somebody.token))
    buyer.add(MINT, 1)
    total = buyer.total()
    with ThreadPoolExecutor(2) as threads:
        ordering, closing = threads.submit(buyer.create, total), threads.submit(delete, profile_client)
        ordered, closed = ordering.result().status == 201, closing.result().status == 202
    assert ordered != closed
    assert profile_client.one("SELECT count(*) FROM orders") == ordered
