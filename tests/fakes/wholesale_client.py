"""A member who wants a wholesale account and an admin who decides about it, through the API."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

from pg8000.dbapi import Connection

from shared.auth import Role
from tests import factories
from tests.client import Answer, Client, FunctionClient
from tests.factories import Somebody

ADMIN = "/v1/admin/wholesale"


def application(**said: object) -> dict[str, object]:
    """A whole application, with another e-mail address each time."""
    address = {"address_line1": "12 Commerce Way", "city": "Reno", "state": "NV", "zip_code": "89501-1234"}
    return {
        "company_name": "Lovelace Tobacco LLC", "contact_name": "Ada Lovelace", "phone": "(775) 555-0100",
        "email": f"{uuid4().hex}@business.example.com", "business_address": address, "tax_id": "12-3456789",
    } | said  # fmt: skip


@dataclass(frozen=True)
class WholesaleClient:
    """Requests of a member about their account, and of an admin of the role operations about any."""

    somebody: Somebody
    member: FunctionClient
    staff: Somebody
    admin: FunctionClient
    sql: Connection

    def apply(self, **said: object) -> Answer:
        return self.member.post("/v1/wholesale/apply", application(**said))

    def account(self) -> dict[str, Any]:
        """The member's account as they see it."""
        answer = self.member.get("/v1/wholesale/account")
        assert answer.status == 200, answer.body
        return dict(answer.body)

    def applied(self) -> UUID:
        """The id of the account for which the member has just applied."""
        assert self.apply().status == 201
        return self.account_id()

    def account_id(self) -> UUID:
        """The id of the member's account, which only admins see."""
        (found,) = self.admin.get(f"{ADMIN}/applications?member_id={self.somebody.id}").body["items"]
        return UUID(found["id"])

    def decide(self, account: UUID, decision: str = "approve", **said: object) -> Answer:
        body = {"decision": decision, "reason": "The register knows it"} | said
        return self.admin.put(f"{ADMIN}/{account}/approve", body)

    def suspend(self, account: UUID) -> Answer:
        return self.admin.post(f"{ADMIN}/{account}/suspend", {"reason": "Invoices are open"})

    def activate(self, account: UUID) -> Answer:
        return self.admin.post(f"{ADMIN}/{account}/activate", {"reason": "All invoices are paid"})

    def tax_id(self, account: UUID, **headers: str) -> Answer:
        return self.admin.post(f"{ADMIN}/{account}/tax-id", {"reason": "To compare it"}, **headers)

    def shown(self, account: UUID) -> dict[str, Any]:
        """The account as an admin sees it."""
        answer = self.admin.get(f"{ADMIN}/{account}")
        assert answer.status == 200, answer.body
        return dict(answer.body)

    def told(self) -> list[tuple[str, str]]:
        """The code of each notification of the member's, and the mail of the same event; oldest first."""
        notes = "SELECT code FROM notifications WHERE member_id = $1 ORDER BY created_at, id"
        sent = "SELECT template FROM mails WHERE member_id = $1 ORDER BY queued_at, id"
        codes, templates = (
            [name for (name,) in self.sql.execute_unnamed(query, (self.somebody.id,)).rows] for query in (notes, sent)
        )
        return list(zip(codes, templates, strict=True))


def wholesale_client(client: Client, sql: Connection) -> WholesaleClient:
    """Return the requests of a new member and a new admin."""
    member, admin = factories.member(), factories.member(role=Role.OPERATIONS)
    return WholesaleClient(member, client(member.token), admin, client(admin.token), sql)
