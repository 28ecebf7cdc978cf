"""Plays orders of the shop: one is paid with the test card, gives the pools their shares of the profit, and is sent by
the warehouse; one is paid in USDT on the chain.
"""

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any
from uuid import uuid4

from emulators import cloud, scheduler
from emulators.people import Person
from emulators.process import wait_until
from emulators.stack import Stack

SKU = "MINTICE-6"
COUNTED = 1_000
TINS = 11  # the first number that ships free
ADDRESS = {"line1": "12 Main Street", "city": "New York", "state": "NY", "zip": "10001"}
ORDER_SECONDS_MAX = 60.0
USDT_TINS = 3
USDT_SECONDS_MAX = 120.0
GAS_WEI = 10**18
MICRO = 1_000_000
POOLS = ("member", "affiliate", "wholesale")


@dataclass
class Bought:
    """The order as its buyer sees it, what it gave each pool in USD, and the tins that the days' sales have in all."""

    order: dict[str, Any] = field(default_factory=dict)
    shares: dict[str, Decimal] = field(default_factory=dict)
    tins_sold: int = 0


def buy(stack: Stack, admin: Person, buyer: Person) -> Bought:
    """Count the stock, fill a cart, order it, and wait until it is paid, accrued, and sent."""
    count = {"quantity": COUNTED, "as_of": stack.now().isoformat(), "reason": "Counted for the self-check."}
    admin.client.must("PUT", f"/v1/admin/stock/{SKU}", count)
    buyer.client.must("POST", "/v1/cart/add", {"sku": SKU, "quantity": TINS})
    estimate = buyer.client.must("POST", "/v1/tax/estimate", {"shipping_address": ADDRESS})
    wanted = {
        "shipping_address": ADDRESS,
        "payment": {"provider": "card", "token": "ok"},
        "expected_total": estimate["total"],
    }
    placed = buyer.client.must("POST", "/v1/orders/create", wanted, key=str(uuid4()))
    bought = Bought()

    def confirmed() -> bool:
        bought.order = buyer.client.must("GET", f"/v1/orders/{placed['id']}")
        return bool(bought.order["confirmed_at"])

    def accrued() -> bool:
        bought.shares = _shares(stack, placed["id"])
        return bool(bought.shares)

    def sent() -> bool:
        return confirmed() and bought.order["status"] in ("shipped", "delivered")

    wait_until(confirmed, "the order's confirmation", ORDER_SECONDS_MAX)
    wait_until(accrued, "the pools' shares", ORDER_SECONDS_MAX)
    wait_until(sent, "the order's parcel", ORDER_SECONDS_MAX)
    bought.tins_sold = _counted(stack)
    return bought


def _counted(stack: Stack) -> int:
    """The tins that count as sold, after the job that counts them has run."""
    scheduler.call(stack.function_url("sales_count"), "sweep", stack.token("sales_count"))
    with cloud.superuser(stack.postgres, cloud.DATABASE) as connection:
        rows = connection.execute_simple("SELECT coalesce(sum(tins), 0)::bigint FROM tins_sold_daily").rows
    return int(rows[0][0])


def buy_in_usdt(stack: Stack, buyer: Person) -> dict[str, Any]:
    """Order tins, send what the order asks for from the buyer's own wallet, and wait until the order is confirmed."""
    assert buyer.key, "the buyer has linked a wallet"
    buyer.client.must("POST", "/v1/cart/add", {"sku": SKU, "quantity": USDT_TINS})
    estimate = buyer.client.must("POST", "/v1/tax/estimate", {"shipping_address": ADDRESS})
    wanted = {"shipping_address": ADDRESS, "payment": {"provider": "usdt"}, "expected_total": estimate["total"]}
    placed = buyer.client.must("POST", "/v1/orders/create", wanted, key=str(uuid4()))
    asked = placed["payment"]["usdt"]
    micro = int(Decimal(asked["amount"]) * MICRO)
    stack.chain.mint(buyer.wallet, micro)
    stack.chain.fund_gas(buyer.wallet, GAS_WEI)
    stack.chain.send_usdt(buyer.key, asked["address"], micro)

    def confirmed() -> bool:
        return bool(buyer.client.must("GET", f"/v1/orders/{placed['id']}")["confirmed_at"])

    wait_until(confirmed, "the confirmation of the order in USDT", USDT_SECONDS_MAX)
    return dict(buyer.client.must("GET", f"/v1/orders/{placed['id']}"))


def _shares(stack: Stack, order_id: str) -> dict[str, Decimal]:
    with cloud.superuser(stack.postgres, cloud.DATABASE) as connection:
        rows = connection.execute_unnamed(
            "SELECT account, amount FROM ledger_postings JOIN ledger_journals j ON j.id = journal_id WHERE j.ref = $1",
            (f"accrual:{order_id}:1",),
        ).rows
    given = {account: Decimal(amount) / MICRO for account, amount in rows}
    return {pool: given[f"pool:{pool}"] for pool in POOLS if f"pool:{pool}" in given}
