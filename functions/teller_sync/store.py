"""Enrollments at banks, their accounts and balances, as rows."""

from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from shared.db import Tx
from shared.ports.teller import TellerBalance
from shared.values.states import BankState


@dataclass(frozen=True)
class Enrollment:
    """An enrollment that is tried; `sealed_token` is None once its bank knows of its end."""

    id: UUID
    institution: str
    sealed_token: bytes | None = field(repr=False)
    state: BankState
    state_at: datetime
    refusals: int
    last_tried_at: datetime | None
    told_at: datetime


@dataclass(frozen=True)
class Connection:
    """An account that has a name and is not closed."""

    id: UUID
    teller_account_id: str
    last_four: str


@dataclass(frozen=True)
class Result:
    """The outcome of a try, as an enrollment keeps it."""

    state: BankState
    state_at: datetime
    refusals: int
    error: str | None
    synced_at: datetime | None
    told_at: datetime


def lock(tx: Tx, enrollment_id: UUID) -> Enrollment | None:
    """The enrollment, locked until the commit; None if there is none."""
    return tx.first(
        Enrollment,
        """
        SELECT id, institution, sealed_token, state, state_at, refusals, last_tried_at, told_at
        FROM teller_enrollments WHERE id = :enrollment_id FOR NO KEY UPDATE
        """,
        enrollment_id=enrollment_id,
    )


def begin(tx: Tx, enrollment_id: UUID, now: datetime) -> None:
    """Note a try: it is the newest one from now on."""
    tx.run(
        "UPDATE teller_enrollments SET last_tried_at = :now WHERE id = :enrollment_id",
        enrollment_id=enrollment_id,
        now=now,
    )


def open_connections(tx: Tx, enrollment_id: UUID) -> list[Connection]:
    """The accounts of an enrollment that are not closed."""
    return tx.all(
        Connection,
        """
        SELECT id, teller_account_id, last_four FROM teller_connections
        WHERE enrollment_id = :enrollment_id AND closed_at IS NULL ORDER BY name
        """,
        enrollment_id=enrollment_id,
    )


def keep_balance(tx: Tx, connection_id: UUID, told: TellerBalance, at: datetime) -> None:
    """Keep a balance, once for each moment, unless the account was closed since."""
    tx.run(
        """
        INSERT INTO bank_balances (connection_id, at, ledger, available)
        SELECT id, :at, :ledger, :available FROM teller_connections WHERE id = :connection_id AND closed_at IS NULL
        ON CONFLICT DO NOTHING
        """,
        connection_id=connection_id,
        at=at,
        ledger=told.ledger,
        available=told.available,
    )


def close(tx: Tx, connection_id: UUID, now: datetime) -> bool:
    """Close an account; False if it is closed already."""
    return bool(
        tx.run(
            "UPDATE teller_connections SET closed_at = :now WHERE id = :connection_id AND closed_at IS NULL",
            connection_id=connection_id,
            now=now,
        )
    )


def finish(tx: Tx, enrollment_id: UUID, result: Result) -> None:
    """Note what a try has come to."""
    tx.run(
        """
        UPDATE teller_enrollments
        SET state = :state, state_at = :state_at, refusals = :refusals, last_error = :error,
            last_synced_at = coalesce(:synced_at, last_synced_at), told_at = :told_at
        WHERE id = :enrollment_id AND state <> 'disconnected'
        """,
        enrollment_id=enrollment_id,
        state=result.state,
        state_at=result.state_at,
        refusals=result.refusals,
        error=result.error,
        synced_at=result.synced_at,
        told_at=result.told_at,
    )


def forget_token(tx: Tx, enrollment_id: UUID) -> None:
    """Forget the token of an enrollment whose bank knows of its end."""
    tx.run(
        """
        UPDATE teller_enrollments SET sealed_token = NULL, last_error = NULL
        WHERE id = :enrollment_id AND state = 'disconnected'
        """,
        enrollment_id=enrollment_id,
    )


def note_error(tx: Tx, enrollment_id: UUID, error: str) -> None:
    """Note why the bank could not be told of the end."""
    tx.run(
        "UPDATE teller_enrollments SET last_error = :error WHERE id = :enrollment_id",
        enrollment_id=enrollment_id,
        error=error,
    )


def with_token(tx: Tx) -> list[UUID]:
    """The enrollments that are tried each time: those whose balances are read, and those whose end is to be told."""
    return tx.column(UUID, "SELECT id FROM teller_enrollments WHERE is_live ORDER BY id")
