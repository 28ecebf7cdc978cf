"""Rows as a test wants them, without checks: what they refer to need not exist."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from uuid import UUID, uuid4

import pytest
from pg8000.dbapi import Connection

from shared import db
from tests.factories import NOW
from tests.fakes.wallet_driver import RECIPIENT

WITHOUT_INDEXES = "; SET enable_indexscan = off; SET enable_bitmapscan = off; SET enable_indexonlyscan = off"
SIGNER, OTHER_SIGNER = "0x" + "5" * 40, "0x" + "6" * 40


@contextmanager
def unchecked(sql: Connection) -> Iterator[None]:
    """Run the block without triggers and foreign keys."""
    sql.execute_simple("SET session_replication_role = replica")
    try:
        yield
    finally:
        sql.execute_simple("SET session_replication_role = origin")


def without_indexes(patch: pytest.MonkeyPatch) -> None:
    """Have rows come in the requested order or in none, from the next connection on: no index gives it by chance."""
    patch.setattr(db, "LIMITS", db.LIMITS + WITHOUT_INDEXES)


def at(number: int) -> datetime:
    return NOW + timedelta(minutes=number)


def put(sql: Connection, table: str, **values: object) -> None:
    names = ", ".join(values)
    places = ", ".join(f"${number}" for number in range(1, len(values) + 1))
    given = tuple(json.dumps(value) if isinstance(value, dict) else value for value in values.values())
    sql.execute_unnamed(f"INSERT INTO {table} ({names}) OVERRIDING SYSTEM VALUE VALUES ({places})", given)


def payout(sql: Connection, number: int, **other: object) -> UUID:
    """A payout requested at that minute, which waits in the member treasury."""
    identity = uuid4()
    given: dict[str, object] = {
        "id": identity, "treasury": "member", "scope": str(identity), "idempotency_key": "x", "body_hash": b"x",
        "source_kind": "test", "source_id": str(identity), "recipient_address": RECIPIENT, "amount": 1,
        "requested_at": at(number), "state_at": at(0),
    }  # fmt: skip
    put(sql, "payouts", **(given | other))
    return identity


def slot(
    sql: Connection,
    nonce: int,
    state: str = "ALLOCATED",
    signer: str = SIGNER,
    payout_id: UUID | None = None,
    **other: object,
) -> None:
    put(
        sql, "payout_slots", signer=signer, nonce=nonce, state=state, state_at=NOW, allocated_at=NOW,
        payout_id=payout_id, **other,
    )  # fmt: skip


def comp(sql: Connection, member_id: UUID, number: int, **other: object) -> UUID:
    identity = uuid4()
    put(sql, "comps", id=identity, member_id=member_id, type="manual", amount=1, source_kind="manual",
        source_id=str(identity), reason={}, awarded_at=at(number), **other)  # fmt: skip
    return identity


def withdrawal(sql: Connection, number: int, **other: object) -> UUID:
    identity = uuid4()
    given: dict[str, object] = {
        "id": identity, "member_id": uuid4(), "from_address": "0x" + identity.hex + "00000000",
        "to_address": RECIPIENT, "amount": 1, "chain_id": 137, "token_address": RECIPIENT, "nonce": 0, "gas_limit": 1,
        "fee_per_gas_wei_max": 2, "priority_fee_per_gas_wei_max": 1, "prepared_at": at(0), "expires_at": at(number),
        "state_at": at(0),
    }  # fmt: skip
    put(sql, "withdrawals", **(given | other))
    return identity
