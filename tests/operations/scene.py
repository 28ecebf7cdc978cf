"""The members, codes and files that must exist before an example request can succeed."""

from dataclasses import dataclass
from functools import cache
from typing import Any
from uuid import UUID, uuid4

from pg8000.dbapi import Connection

from shared.auth import Role
from shared.codes.codes import CodeFilesConfig
from shared.config import read
from shared.ports import files
from tests import factories
from tests.client import Client, FunctionClient
from tests.factories import Somebody

PASSWORD = "Sesame-Open-77!"


@cache
def password_hash() -> str:
    """Return the hash of PASSWORD. It is made once, because hashing is slow."""
    return factories.password_hash(PASSWORD)


@dataclass(frozen=True)
class Scene:
    """Makes members and things for requests, through the API or as rows."""

    client: Client
    sql: Connection

    def signed_up(self) -> str:
        """The e-mail address of a new member, who is not verified yet."""
        email = f"{uuid4().hex}@example.com"
        body = {"email": email, "password": PASSWORD, "full_name": "Ada Lovelace", "date_of_birth": "1990-12-10"}
        assert self.client().post("/v1/auth/signup", body).status == 201
        return email

    def mailed_code(self, email: str) -> str:
        """The code that was mailed last."""
        found = self.sql.execute_unnamed(
            "SELECT parameters ->> 'code' FROM mails WHERE to_email = $1 ORDER BY queued_at DESC LIMIT 1", (email,)
        )
        return str(found.rows[0][0])

    def verified(self) -> str:
        """The e-mail address of a member who may sign in with PASSWORD and has no session yet."""
        somebody = factories.member()
        self.sql.execute_unnamed("DELETE FROM sessions WHERE member_id = $1", (somebody.id,))
        self.sql.execute_unnamed("UPDATE members SET password_hash = $1 WHERE id = $2", (password_hash(), somebody.id))
        return somebody.email

    def signed_in(self) -> dict[str, Any]:
        tokens: dict[str, Any] = (
            self.client().post("/v1/auth/login", {"email": self.verified(), "password": PASSWORD}).body
        )
        return tokens

    def with_password(self) -> Somebody:
        """A member who is signed in and whose password is PASSWORD."""
        somebody = factories.member()
        self.sql.execute_unnamed("UPDATE members SET password_hash = $1 WHERE id = $2", (password_hash(), somebody.id))
        return somebody

    def reset_code(self) -> tuple[str, str]:
        """The e-mail address of a member who has asked for a new password, and the code in the mail."""
        email = self.verified()
        assert self.client().post("/v1/auth/reset-password", {"email": email}).status == 202
        return email, self.mailed_code(email)

    def member(self, role: Role | None = None) -> FunctionClient:
        return self.client(factories.member(role=role).token)

    def exportable_batch(self) -> UUID:
        admin = factories.member(role=Role.OPERATIONS)
        factories.manufactured_codes(3, admin=admin)
        found = self.sql.execute_unnamed("SELECT id FROM code_batches WHERE created_by = $1", (admin.id,))
        ((batch,),) = found.rows
        name = f"batches/{batch}.csv"
        files.write(read(CodeFilesConfig).codes_bucket, name, [b"code\r\n"], "text/csv")
        self.sql.execute_unnamed("UPDATE code_batches SET export_object = $1 WHERE id = $2", (name, batch))
        return UUID(str(batch))
