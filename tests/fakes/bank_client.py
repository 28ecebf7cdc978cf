"""Owners who connect banks, and what is there afterwards."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from pg8000.dbapi import Connection

from emulators.bank import BankEnrollment, BankStandIn
from shared.auth import Role
from tests.client import Answer, FunctionClient
from tests.fakes.invoker import FunctionInvoker
from tests.fakes.treasury_admins import TreasuryAdmin, treasury_admin

PATH = "/v1/admin/banks"
NAMES = ("operating", "reserve", "comp_pool")


@dataclass
class BankOwner:
    """An owner with an authenticator app, and the bank's stand-in."""

    admin: TreasuryAdmin
    bank: BankStandIn

    def nonce(self) -> str:
        """A new nonce for Teller Connect."""
        return str(self.admin.client.post(f"{PATH}/nonces").body["nonce"])

    def signed_in(self, enrollment: BankEnrollment, **other: Any) -> dict[str, Any]:
        """The body that reconnects a bank after its owner has signed in there."""
        nonce = other.pop("nonce", None) or self.nonce()
        return {**self.bank.connect(nonce, enrollment), "totp": self.admin.code(), **other}

    def connection(self, enrollment: BankEnrollment, **other: Any) -> dict[str, Any]:
        """The body that connects a bank, with the first names for its accounts in their order."""
        named = [
            {"account_id": account_id, "name": name}
            for account_id, name in zip(enrollment.accounts, NAMES, strict=False)
        ]
        return {"accounts": named, **self.signed_in(enrollment, **other)}

    def send(self, body: dict[str, Any]) -> Answer:
        """Connect with this body."""
        return self.admin.client.post(f"{PATH}/connect", body)

    def connect(self, enrollment: BankEnrollment | None = None) -> UUID:
        """Connect a bank and name its accounts; returns its id."""
        answer = self.send(self.connection(enrollment or self.bank.enroll()))
        assert answer.status == 201, answer
        return UUID(answer.body["id"])

    def reconnect(self, bank_id: UUID, enrollment: BankEnrollment, **other: Any) -> Answer:
        """Reconnect a bank by signing in again."""
        return self.admin.client.post(f"{PATH}/{bank_id}/reconnect", self.signed_in(enrollment, **other))

    def disconnect(self, bank_id: UUID) -> Answer:
        """End the connection of a bank."""
        return self.admin.client.delete(f"{PATH}/{bank_id}")

    def banks(self) -> list[dict[str, Any]]:
        """All banks as admins see them."""
        return list(self.admin.client.get(PATH).body["items"])


def bank_owner(client: Callable[..., FunctionClient], bank: BankStandIn) -> BankOwner:
    """A new owner of the platform."""
    return BankOwner(treasury_admin(client, Role.OWNER), bank)


def sync(jobs: FunctionInvoker, bank_id: UUID, attempt: int = 1) -> int:
    """Deliver the task that tries a bank."""
    return jobs.task("teller_sync", "bank-sync", {"enrollment_id": str(bank_id), "attempt": attempt})


def mails(sql: Connection) -> list[str]:
    """The subjects of the mails to treasury admins about banks, the oldest first."""
    rows = sql.execute_simple(
        "SELECT parameters ->> 'subject' FROM mails WHERE template = 'treasury_notice'"
        " AND (dedupe_key LIKE 'bank%' OR dedupe_key LIKE 'teller%') ORDER BY queued_at, id"
    ).rows
    return [str(subject) for (subject,) in rows]


def balances(sql: Connection) -> list[tuple[str, str | None, str | None]]:
    """Name, ledger and available of all balances that were kept, the oldest first."""
    rows = sql.execute_simple(
        "SELECT c.name, CAST(b.ledger AS text), CAST(b.available AS text) FROM bank_balances b"
        " JOIN teller_connections c ON c.id = b.connection_id ORDER BY b.at, c.name"
    ).rows
    return [(name, ledger, available) for name, ledger, available in rows]
