"""An order is paid by a transfer of the amount that it asks for, once it is final."""

from shared.values.money import Usdt
from tests.fakes.usdt_driver import EXCHANGE, WALLET, UsdtDriver, micro, wanted

pytest_plugins = ["tests.fakes.usdt_plugin"]


def test_the_order_says_what_to_send_to_where_until_when(usdt: UsdtDriver) -> None:
    order = usdt.order()

    asked = order["payment"]["usdt"]
    tail = micro(asked["amount"]) - micro(order["total"])
    assert 1 <= tail <= 9_999
    assert asked["amount"] == f"{Usdt(micro(order['total']) + tail).decimal:.6f}"
    assert (asked["address"], asked["chain_id"], asked["refund_to"]) == (usdt.key(), 137, WALLET)
    assert asked["token_address"] == usdt.one("SELECT token_address FROM treasuries WHERE name = 'shop'")
    assert (asked["seen"], asked["received"], asked["expires_at"]) == (0, 0, order["expires_at"])
    assert (order["payment"]["provider"], order["payment"]["status"]) == ("usdt", "pending")


def test_the_exact_amount_confirms_the_order_once_it_is_final(usdt: UsdtDriver) -> None:
    order = usdt.order()

    usdt.send(wanted(order), EXCHANGE)
    usdt.sweep("deposit_watch")
    waits = usdt.buyer.order(order["id"])
    usdt.watch()

    assert (waits["status"], waits["payment"]["usdt"]["seen"]) == ("payment_processing", wanted(order) / 1_000_000)
    paid = usdt.buyer.order(order["id"])
    assert (paid["status"], paid["payment"]["status"], paid["payment"]["usdt"]) == ("confirmed", "captured", None)
    assert usdt.buyer.member.get(f"/v1/orders/{order['id']}/receipt").body["provider"] == "usdt"


def test_the_books_have_the_sale_the_tail_and_the_treasury(usdt: UsdtDriver) -> None:
    order = usdt.order()
    total, tail = micro(order["total"]), wanted(order) - micro(order["total"])

    usdt.send(wanted(order))
    usdt.watch()

    assert usdt.books() == {
        "treasury:shop": total + tail, "excess:shop": -tail, "turnover:shop": -micro(order["subtotal"]),
        "shipping:shop": -micro(order["shipping"]), "sales_tax:shop": -micro(order["tax"]),
    }  # fmt: skip


def test_a_deposit_counts_once_however_often_the_job_runs(usdt: UsdtDriver) -> None:
    order = usdt.order()
    usdt.send(wanted(order))

    for _ in range(3):
        usdt.watch()

    assert usdt.one("SELECT count(*) FROM usdt_deposits") == 1
    assert usdt.one("SELECT received FROM usdt_requests") == wanted(order)
    assert usdt.one("SELECT count(*) FROM payment_operations") == 1
    assert usdt.one("SELECT count(*) FROM payouts WHERE treasury = 'shop'") == 0
