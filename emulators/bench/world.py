"""The stack that is measured, with its members, sessions and codes: rows as the functions would have written them."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import cycle
from uuid import UUID, uuid4

from pg8000.dbapi import Connection

from emulators import cloud
from emulators.stack import LOCAL, Options, Stack
from functions.auth import tokens
from functions.auth.tokens import Grant
from shared.codes import codes
from shared.values import tiers

FOLDER = LOCAL / "bench"
SCANS_PER_MEMBER_MAX = 50  # the velocity limit is 60 in an hour
SCANS_BEFORE = 100  # scans of each member in this quarter: all are whales, so that no scan of the run raises a tier
PRODUCT = "MINTICE-6"


class OutOfMembers(Exception):
    """Raised when one more scan would be refused because of the velocity limit."""


@dataclass(frozen=True)
class Somebody:
    """A member with a live session."""

    id: UUID
    token: str


class World:
    """The data that load makers need of the stack."""

    def __init__(self, stack: Stack, members: int) -> None:
        os.environ |= stack.environment  # the functions' own code makes codes and tokens, and it needs their settings
        self.stack = stack
        self._batch = uuid4()
        with self.sql() as connection:
            self._members = [Somebody(identity, "") for identity in _insert_members(connection, members)]
            self._members = _sign_in(connection, self._members)
            _insert_batch(connection, self._batch, self.admin.id)
        self._turns = cycle(self._members[1:])
        self._scans_left = SCANS_PER_MEMBER_MAX * (members - 1)

    @property
    def admin(self) -> Somebody:
        """The admin, who may do everything and does not scan."""
        return self._members[0]

    @property
    def members(self) -> list[Somebody]:
        """All members, the admin among them."""
        return self._members

    def sign_in_again(self) -> None:
        """Give all members new tokens, for a run that lasts longer than a token lives."""
        with self.sql() as connection:
            # As a replica: no trigger, so that no job has ended sessions to tell listeners of.
            connection.execute_simple("SET session_replication_role = replica")
            connection.execute_simple("UPDATE sessions SET ended_at = now(), end_reason = 'replaced'")
            connection.execute_simple("RESET session_replication_role")
            self._members = _sign_in(connection, self._members)
        self._turns = cycle(self._members[1:])

    @contextmanager
    def sql(self) -> Iterator[Connection]:
        """A connection to the database as the superuser."""
        with cloud.superuser(self.stack.postgres, cloud.DATABASE) as connection:
            yield connection

    def scans(self, count: int) -> Iterator[tuple[str, str]]:
        """Pairs of a member's token and a fresh code, `count` times. Members take turns."""
        if count > self._scans_left:
            raise OutOfMembers
        self._scans_left -= count
        made = list(codes.generate(count))
        with self.sql() as connection:
            _insert_codes(connection, self._batch, [codes.mac(code) for code in made])
        for code in made:
            yield next(self._turns).token, codes.displayed(code)

    def count_from(self, number: int) -> None:
        """Set the counter, so that the next scan takes the number after this one."""
        with self.sql() as connection:
            connection.execute_unnamed("UPDATE scan_counter SET value = $1", (number,))


@contextmanager
def started(*, isolated: bool = False) -> Iterator[Stack]:
    """A stack with a durable Postgres (fsync on) and a chain that rests; it is stopped at the end in any case."""
    stack = Stack(
        Options(folder=FOLDER / "stack", gateway_port=0, firestore="embedded", block_seconds=None, isolated=isolated)
    )
    stack.start()
    try:
        yield stack
    finally:
        stack.stop()


def _insert_members(connection: Connection, count: int) -> list[UUID]:
    """Insert members, all whales of this quarter, the first one an owner; returns their ids."""
    ids, now = [uuid4() for _ in range(count)], datetime.now(UTC)
    connection.execute_unnamed(
        """
        INSERT INTO members (id, email, email_verified_at, password_hash, username, full_name, date_of_birth, role,
                             created_at, updated_at)
        SELECT id, 'bench' || n || '@example.com', $2, 'none', 'bench' || n, 'Bench', '1990-06-15',
               CASE WHEN n = 1 THEN 'owner'::admin_role END, $2, $2
        FROM unnest(CAST($1 AS uuid[])) WITH ORDINALITY AS made (id, n)
        """,
        (ids, now),
    )
    for statement in (
        "INSERT INTO member_totals (member_id) SELECT unnest(CAST($1 AS uuid[]))",
        "INSERT INTO inboxes (member_id) SELECT unnest(CAST($1 AS uuid[]))",
    ):
        connection.execute_unnamed(statement, (ids,))
    connection.execute_unnamed(
        """
        INSERT INTO member_quarters (member_id, quarter, scans, tier)
        SELECT id, $2, $3, 'whale' FROM unnest(CAST($1 AS uuid[])) AS id
        """,
        (ids, tiers.quarter_of(now), SCANS_BEFORE),
    )
    return ids


def _sign_in(connection: Connection, members: list[Somebody]) -> list[Somebody]:
    """Give each member a session and an access token."""
    now = datetime.now(UTC)
    key_id, kms_version = connection.execute_simple("SELECT kid, kms_version FROM signing_keys").rows[0]
    sessions = [uuid4() for _ in members]
    connection.execute_unnamed(
        """
        INSERT INTO sessions (id, member_id, device_kind, created_at, last_used_at, totp_at)
        SELECT session, member, 'mobile', $3, $3, $3
        FROM unnest(CAST($1 AS uuid[]), CAST($2 AS uuid[])) AS made (session, member)
        """,
        (sessions, [member.id for member in members], now),
    )
    return [
        Somebody(
            member.id,
            tokens.issue(
                Grant(
                    member_id=member.id,
                    session_id=session,
                    key_id=key_id,
                    kms_version=kms_version,
                    issued_at=now,
                    refresh_token="",
                )
            ).access_token,
        )
        for member, session in zip(members, sessions, strict=True)
    ]


def _insert_batch(connection: Connection, batch: UUID, admin: UUID) -> None:
    connection.execute_unnamed(
        """
        INSERT INTO code_batches (id, name, product_sku, quantity, status, created_by, created_at, generated_at)
        VALUES ($1, 'Bench', $2, 1, 'generated', $3, $4, $4)
        """,
        (batch, PRODUCT, admin, datetime.now(UTC)),
    )


def _insert_codes(connection: Connection, batch: UUID, macs: list[bytes]) -> None:
    connection.execute_unnamed(
        """
        INSERT INTO codes (mac, batch_id, status, manufactured_at)
        SELECT mac, $2, 'manufactured', $3 FROM unnest(CAST($1 AS bytea[])) AS mac
        """,
        (macs, batch, datetime.now(UTC)),
    )
