"""Treasury admins with their authenticator apps, and the requests that they send."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

from functions.payout_recover import store
from shared import clock, db
from shared.auth import Role
from shared.credentials import totp
from shared.db import Tx
from shared.payouts import recovery, slots, treasuries
from shared.payouts.treasuries import Key
from tests import factories
from tests.client import Answer, FunctionClient
from tests.factories import Somebody
from tests.fakes.payout_rows import new_hash

PATH = "/v1/admin/treasury"
EXCHANGE = "0x52908400098527886E0F7030069857D2E4169EE7"
SEND = f"{PATH}/send"


@dataclass
class TreasuryAdmin:
    """A person who may approve."""

    somebody: Somebody
    secret: bytes
    client: FunctionClient

    def code(self, ahead: int = 0) -> str:
        """The code of this moment, made usable again, because a test has no time to wait for the next one."""
        unused = "UPDATE second_factors SET last_step = 0 WHERE member_id = :id"
        db.atomically(lambda tx: tx.run(unused, id=self.somebody.id))
        return totp.code(self.secret, totp.step_of(clock.now()) + ahead)

    def send(self, **other: Any) -> Answer:
        """Request a transfer from a treasury."""
        key = other.pop("key", None) or str(uuid4())
        body = {"pool": "member", "to_address": EXCHANGE, "amount": 25.5, "reason": "to the exchange"} | other
        return self.client.post(SEND, {"totp": body.get("totp") or self.code()} | body, **{"Idempotency-Key": key})

    def approve(self, transfer: str, code: str | None = None) -> Answer:
        body = {"totp": code or self.code(), "note": "read back by phone"}
        return self.client.post(f"{PATH}/transfers/{transfer}/approve", body)

    def explain(self, nonce: tuple[str, int], payout_id: UUID | None, why: str = "looked at the chain") -> Answer:
        """Explain a foreign nonce."""
        body = {"payout_id": str(payout_id) if payout_id else None, "explanation": why, "totp": self.code()}
        return self.client.post(f"{PATH}/foreign-nonces/{nonce[0]}/{nonce[1]}/explain", body)

    def approve_payout(self, payout_id: UUID) -> Answer:
        """Approve a payout, whatever its hold."""
        body = {"totp": self.code(), "note": "read back by phone"}
        return self.client.post(f"{PATH}/payouts/{payout_id}/approve", body)

    def resume(self, treasury: str = "member") -> Answer:
        body = {"reason": "everything is answered", "totp": self.code()}
        return self.client.post(f"{PATH}/pools/{treasury}/resume", body)

    def cancel(self, transfer: str) -> Answer:
        return self.client.post(f"{PATH}/transfers/{transfer}/cancel", {"reason": "no longer needed"})


def treasury_admin(client: Callable[..., FunctionClient], role: Role = Role.TREASURY) -> TreasuryAdmin:
    """A new treasury admin."""
    somebody = factories.member(role=role)
    return TreasuryAdmin(somebody, factories.second_factor(somebody), client(somebody.token))


def finding(by: Somebody) -> UUID:
    """A finding of that person's reconciliation: the member treasury has a cent more than the books say."""
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


def foreign_nonce(recipient: str = EXCHANGE, amount_micro: int = 7_000_000) -> tuple[str, int]:
    """Have the next nonce of the member treasury's key used by somebody else, to pay the recipient.

    Leaves the state that payout_recover leaves: the treasury is paused, the nonce is FOREIGN without a payout, and its
    evidence is in the diary. Returns key and nonce.
    """

    def find(tx: Tx) -> tuple[str, int]:
        now = clock.now()
        key = next(it for it in treasuries.keys(tx) if it.treasury == "member" and it.status == "active")
        store.take_nonce(tx, key.address, now)
        (slot,) = slots.reload_locked(tx, key.address, [key.next_nonce])
        recovery.call_foreign(tx, slot, "used by somebody else", _proof(key, recipient, amount_micro), now)
        return key.address, key.next_nonce

    return db.atomically(find)


def _proof(key: Key, recipient: str, amount_micro: int) -> dict[str, object]:
    token, sender, paid = (it.lower() for it in (key.token_address, key.address, recipient))
    return {
        "hash": new_hash(),
        "fee_per_gas_wei_max": 10**11,
        "gas_limit": 120_000,
        "priority_fee_per_gas_wei_max": 10**10,
        "block_number": 7,
        "block_hash": new_hash(),
        "succeeded": True,
        "moved": [{"token": token, "sender": sender, "recipient": paid, "amount_micro": amount_micro}],
    }
