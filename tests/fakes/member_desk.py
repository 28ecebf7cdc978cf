"""An admin at the desk, and the requests about a member's account that they send."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from pg8000.dbapi import Connection

from shared.auth import Role
from tests import factories
from tests.client import Answer, FunctionClient
from tests.factories import Somebody

USERS = "/v1/admin/users"


@dataclass(frozen=True)
class MemberDesk:
    """An admin, their client, and the database."""

    admin: Somebody
    client: FunctionClient
    sql: Connection

    def file(self, member: Somebody | UUID) -> Answer:
        """Read a member's file."""
        return self.client.get(f"{USERS}/{member if isinstance(member, UUID) else member.id}")

    def mend(self, member: Somebody, version: int | None = 1, **body: Any) -> Answer:
        """Change an account; what is not given of the names stays as it is."""
        names = self.sql.execute_unnamed("SELECT username, full_name FROM members WHERE id = $1", (member.id,)).rows[0]
        sent = dict(zip(("username", "full_name"), names, strict=True)) | {"reason": "a typing error"} | body
        self.client.headers.pop("If-Match", None)
        if version is not None:
            self.client.headers["If-Match"] = f'"{version}"'
        return self.client.put(f"{USERS}/{member.id}", sent)

    def audited(self) -> list[list[object]]:
        """The audit log: who did what to which thing, oldest first."""
        return list(self.sql.execute_simple("SELECT actor_id, action, resource_id FROM audit_logs ORDER BY id").rows)


def member_desk(client: Callable[..., FunctionClient], sql: Connection, role: Role = Role.OPERATIONS) -> MemberDesk:
    """A new admin at the desk."""
    admin = factories.member(role=role)
    return MemberDesk(admin, client(admin.token), sql)
