"""Treasury admins with their authenticator apps, and what they send."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

from shared import clock, db, totp
from shared.auth import Role
from shared.db import Tx
from tests import factories
from tests.client import Answer, FunctionClient
from tests.factories import Somebody

PATH = "/v1/admin/treasury"
EXCHANGE = "0x52908400098527886E0F7030069857D2E4169EE7"
SEND = f"{PATH}/send"


@dataclass
class Treasurer:
    """A person who may approve."""

    somebody: Somebody
    secret: bytes
    client: FunctionClient

    def code(self, ahead: int = 0) -> str:
        """Of this moment, as good as unused: a test has no time to wait for the next one."""
        unused = "UPDATE second_factors SET last_step = 0 WHERE member_id = :id"
        db.atomically(lambda tx: tx.run(unused, id=self.somebody.id))
        return totp.code(self.secret, totp.step_of(clock.now()) + ahead)

    def send(self, **other: Any) -> Answer:
        """Ask for a transfer."""
        key = other.pop("key", None) or str(uuid4())
        body = {"pool": "member", "to_address": EXCHANGE, "amount": 25.5, "reason": "to the exchange"} | other
        return self.client.post(SEND, {"totp": body.get("totp") or self.code()} | body, **{"Idempotency-Key": key})

    def approve(self, transfer: str, code: str | None = None) -> Answer:
        body = {"totp": code or self.code(), "note": "read back by phone"}
        return self.client.post(f"{PATH}/transfers/{transfer}/approve", body)

    def cancel(self, transfer: str) -> Answer:
        return self.client.post(f"{PATH}/transfers/{transfer}/cancel", {"reason": "no longer needed"})


def treasurer(client: Callable[..., FunctionClient], role: Role = Role.TREASURY) -> Treasurer:
    """Somebody new."""
    somebody = factories.member(role=role)
    return Treasurer(somebody, factories.second_factor(somebody), client(somebody.token))


def finding(by: Somebody) -> UUID:
    """The balance of the member treasury was a cent more than the books say, as that person's reconciliation found."""
    made, run = uuid4(), uuid4()

    def insert(tx: Tx) -> None:
        tx.run(
            "INSERT INTO reconciliations (id, requested_by, requested_at) VALUES (:run, :by, :now)",
            run=run,
            by=by.id,
            now=factories.NOW,
        )
        tx.run(
            """
            INSERT INTO reconciliation_findings (id, reconciliation_id, treasury, kind, ref, expected, found, found_at)
            VALUES (:id, :run, 'member', 'balance_differs', :ref, 0, 10000, :now)
            """,
            id=made,
            run=run,
            ref=str(made),
            now=factories.NOW,
        )

    db.atomically(insert)
    return made
