"""Tops up a treasury through the API, with both chains in the test's hands, and the job that follows them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from pg8000.dbapi import Connection

from tests.client import Answer, FunctionClient
from tests.fakes.bridge import WALLET, FakeSource, Sending, deliver
from tests.fakes.invoker import FunctionInvoker
from tests.fakes.nodes import FakeNodes
from tests.fakes.treasury_admins import PATH as TREASURY
from tests.fakes.treasury_admins import TreasuryAdmin, treasury_admin

PATH = f"{TREASURY}/top-ups"
PREPARATIONS = f"{TREASURY}/top-up-preparations"
MICRO = 1_000_000
AMOUNT = 1_000
QUOTED = 999  # as FakeSource quotes it


def ask(admin: TreasuryAdmin, **other: Any) -> Answer:
    """Ask for a top-up of the member treasury."""
    key = other.pop("key", None) or str(uuid4())
    body = {"pool": "member", "amount": AMOUNT, "source_address": WALLET, "reason": "two weeks are left"} | other
    return admin.client.post(PATH, {"totp": admin.code()} | body, **{"Idempotency-Key": key})


def approve(admin: TreasuryAdmin, top_up: str) -> Answer:
    return admin.client.post(f"{PATH}/{top_up}/approve", {"totp": admin.code(), "note": "read back by phone"})


def prepare(admin: TreasuryAdmin, top_up: str) -> Answer:
    return admin.client.post(PREPARATIONS, {"totp": admin.code(), "top_up_id": top_up})


def follow(admin: TreasuryAdmin, top_up: str, transaction_hash: str) -> Answer:
    return admin.client.post(f"{PATH}/{top_up}/sent", {"totp": admin.code(), "transaction_hash": transaction_hash})


def cancel(admin: TreasuryAdmin, top_up: str) -> Answer:
    return admin.client.post(f"{PATH}/{top_up}/cancel", {"reason": "no longer needed"})


def prepared(client: Callable[..., FunctionClient]) -> tuple[TreasuryAdmin, dict[str, Any]]:
    """The admin who asked, and a top-up that two others have approved, with its transactions."""
    asks, *others = (treasury_admin(client) for _ in range(3))
    made = ask(asks)
    assert made.status == 201, made.body
    for other in others:
        assert approve(other, made.body["id"]).status == 200
    answer = prepare(asks, made.body["id"])
    assert answer.status == 200, answer.body
    return asks, answer.body


@dataclass
class TopUpDriver:
    """One top-up at a time, from the request to its arrival."""

    client: Callable[..., FunctionClient]
    source: FakeSource
    home: FakeNodes
    invoker: FunctionInvoker
    sql: Connection
    advance_clock: Callable[[float], None]

    def one(self, query: str) -> Any:
        return self.sql.execute_simple(query).rows[0][0]

    def sweep(self) -> int:
        """Have the job run once; its status."""
        return self.invoker.schedule("top_up_watch", "sweep")

    def sent(self, **other: Any) -> tuple[TreasuryAdmin, str, Sending]:
        """Prepare a top-up and send it, `other` as the person does it otherwise; the hash is told."""
        admin, body = prepared(self.client)
        sending = self.source.send(body["transactions"][-1], **other)
        assert follow(admin, body["id"], sending.hash).status == 200
        return admin, body["id"], sending

    def bridging(self) -> tuple[TreasuryAdmin, str, str]:
        """A top-up whose transaction is final; and its guid."""
        admin, top_up, sending = self.sent()
        guid = self.source.logged(sending, AMOUNT * MICRO, QUOTED * MICRO)
        self.source.finish()
        assert self.sweep() == 204
        assert self.seen(admin, top_up)["state"] == "bridging"
        return admin, top_up, guid

    def deliver(self, guid: str, micro: int = QUOTED * MICRO, to: str | None = None, **other: Any) -> str:
        """Let a message arrive in a final block, and the job look; the transaction's hash."""
        hash_ = deliver(self.home, guid, to or self.key(), micro, **other)
        self.home.finish()
        assert self.sweep() == 204
        return hash_

    def key(self) -> str:
        return str(self.one("SELECT address FROM signers WHERE treasury = 'member' AND status = 'active'"))

    def seen(self, admin: TreasuryAdmin, top_up: str) -> dict[str, Any]:
        return dict(admin.client.get(f"{PATH}/{top_up}").body)

    def balance(self, account: str) -> int:
        """The balance of an account of the ledger in micro-USDT."""
        query = f"SELECT CAST(coalesce(sum(balance), 0) AS bigint) FROM ledger_balances WHERE account = '{account}'"
        return int(self.one(query))

    def mails(self, about: str) -> int:
        """How many mails to treasury admins have this in their subject."""
        return int(self.one(f"SELECT count(*) FROM mails WHERE parameters ->> 'subject' LIKE '%{about}%'"))
