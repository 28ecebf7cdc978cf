"""Buys in USDT: orders through the API, transfers on a chain that the test controls, and the jobs that follow them."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

from pg8000.dbapi import Connection

from functions.orders import reads
from shared import db
from shared.values import encoding
from tests.client import Answer
from tests.fakes.invoker import FunctionInvoker
from tests.fakes.nodes import FakeNodes
from tests.fakes.order_client import ADDRESS, OrderClient
from tests.fakes.payout_driver import PayoutDriver
from tests.fakes.shop_client import MINT

WALLET = "0x8617E340B3D01FA5F11F306F4090FD50E238070D"
EXCHANGE = "0x" + "ab" * 20
MICRO = 1_000_000
ROUNDS_MAX = 50
JOBS = ("deposit_watch", "order_advance", "payment_watch", "sale_accrue", "payout_send")


@dataclass(frozen=True)
class UsdtDriver:
    """One buyer with a linked wallet, two nodes, and the jobs; tasks that are for later wait for the clock."""

    buyer: OrderClient
    invoker: FunctionInvoker
    sql: Connection
    nodes: FakeNodes
    payouts: PayoutDriver
    advance_clock: Callable[[float], None]

    def key(self) -> str:
        """The address of the shop's treasury."""
        return str(self.one("SELECT address FROM signers WHERE treasury = 'shop' AND status = 'active'"))

    def one(self, query: str) -> Any:
        return self.sql.execute_simple(query).rows[0][0]

    def ask(self, tins: int = 3, buyer: OrderClient | None = None) -> Answer:
        """Order tins, to be paid in USDT."""
        who = buyer or self.buyer
        who.add(MINT, tins)
        return who.send(
            {"shipping_address": dict(ADDRESS), "payment": {"provider": "usdt"}, "expected_total": who.total()}
        )

    def order(self, tins: int = 3, buyer: OrderClient | None = None) -> dict[str, Any]:
        """An order that waits for its USDT, with its buyer's age checked."""
        answer = self.ask(tins, buyer)
        assert answer.status == 201, answer.body
        self.deliver()
        return (buyer or self.buyer).order(answer.body["id"])

    def seen(self, order: dict[str, Any]) -> dict[str, Any]:
        """The order as its buyer sees it now, also when the session has ended meanwhile."""
        view = db.atomically(lambda tx: reads.order(tx, self.buyer.who.id, UUID(order["id"])))
        return dict(json.loads(encoding.dump(view.model_dump())))

    def send(self, micro: int, sender: str = WALLET, to: str | None = None) -> str:
        """Somebody sends USDT to the shop's key; returns the hash."""
        return self.nodes.pay_in(to or self.key(), micro, sender)

    def watch(self) -> None:
        """Make everything on the chain final, and have the jobs look."""
        self.nodes.finish()
        self.sweep("deposit_watch")

    def sweep(self, *jobs: str) -> None:
        for job in jobs or JOBS[:4]:
            assert self.invoker.schedule(job, "sweep") == 204
        self.deliver()

    def pass_minutes(self, minutes: int) -> None:
        """Let minutes pass; the chain goes on, the schedules fire at their end."""
        self.advance_clock(60 * minutes)
        self.nodes.chain.mine(12)
        self.sweep()

    def deliver(self) -> None:
        """Deliver every task that is due, and those that they queue."""
        for _ in range(ROUNDS_MAX):
            waiting = self.sql.execute_unnamed(
                "UPDATE outbox SET published_at = created_at WHERE kind = 'task' AND published_at IS NULL "
                "AND deliver_at IS NULL AND function = ANY($1) RETURNING id, destination, function, body",
                (list(JOBS),),
            ).rows
            if not waiting:
                return
            for _, queue, function, body in sorted(waiting, key=lambda row: row[0]):
                said = body if isinstance(body, dict) else json.loads(body)
                done = self.invoker.task(function, queue, said)
                assert done == 204 or (function, done) == ("payout_send", 503)  # `pay_out` sends it again
        raise AssertionError("the jobs queue tasks without end")

    def pay_out(self) -> list[tuple[str, int]]:
        """Follow every payout of the shop's until it is paid, then have the jobs look; recipients and amounts."""
        waiting = (
            "SELECT id FROM payouts WHERE treasury = 'shop' AND state NOT IN ('PAID', 'HELD') ORDER BY requested_at"
        )
        for (payout,) in self.sql.execute_simple(waiting).rows:
            self.payouts.try_to_send(UUID(str(payout)))
            self.payouts.finalize(UUID(str(payout)))
        self.deliver()
        self.nodes.finish()
        self.sweep("deposit_watch", "order_advance")
        return self.paid()

    def paid(self) -> list[tuple[str, int]]:
        """The recipients and amounts of the shop's paid payouts."""
        rows = self.sql.execute_simple(
            "SELECT recipient_address, amount FROM payouts WHERE treasury = 'shop' AND state = 'PAID' ORDER BY 2"
        ).rows
        return [(str(to), int(amount)) for to, amount in rows]

    def books(self) -> dict[str, int]:
        """The balances in micro-USDT of all accounts that have one, but those of the pools."""
        rows = self.sql.execute_simple(
            "SELECT account, sum(balance) FROM ledger_balances WHERE account NOT LIKE '%:member' "
            "AND account NOT LIKE 'pool:%' AND account <> 'profit:shop' GROUP BY 1 HAVING sum(balance) <> 0"
        ).rows
        return {str(account): int(balance) for account, balance in rows}


def micro(amount: object) -> int:
    """Micro-USDT of an amount of the API."""
    return int(Decimal(str(amount)) * MICRO)


def wanted(order: dict[str, Any]) -> int:
    """The micro-USDT that an order asks for."""
    return micro(order["payment"]["usdt"]["amount"])
