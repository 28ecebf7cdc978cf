"""Banks, their accounts and nonces, as rows."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from shared.db import Tx
from shared.values.banks import ListedAccount
from shared.values.fields import Reply
from shared.values.states import BankState


class BankAccount(Reply):
    """An account with its newest balance, in its currency. A closed one is not read any more."""

    name: str
    last_four: str
    currency: str
    closed_at: datetime | None
    ledger: Decimal | None
    available: Decimal | None
    synced_at: datetime | None


@dataclass(frozen=True)
class Enrolled:
    """A bank as its row has it."""

    id: UUID
    enrollment_id: str
    institution: str
    state: BankState
    state_at: datetime
    connected_at: datetime
    reconnected_at: datetime | None
    last_error: str | None
    last_tried_at: datetime | None
    last_synced_at: datetime | None


@dataclass(frozen=True)
class _Placed:
    bank_id: UUID
    name: str
    last_four: str
    currency: str
    closed_at: datetime | None
    ledger: Decimal | None
    available: Decimal | None
    synced_at: datetime | None


def keep_nonce(tx: Tx, nonce: UUID, admin_id: UUID, expires_at: datetime) -> None:
    """Keep a nonce that an owner has asked for."""
    tx.run(
        "INSERT INTO bank_nonces (id, admin_id, expires_at) VALUES (:nonce, :admin_id, :expires_at)",
        nonce=nonce,
        admin_id=admin_id,
        expires_at=expires_at,
    )


def spend_nonce(tx: Tx, nonce: UUID, admin_id: UUID, now: datetime) -> bool:
    """Use up a nonce; False if it is not this owner's, too old or used up."""
    return bool(
        tx.run(
            """
            UPDATE bank_nonces SET spent_at = :now
            WHERE id = :nonce AND admin_id = :admin_id AND spent_at IS NULL AND expires_at > :now
            """,
            nonce=nonce,
            admin_id=admin_id,
            now=now,
        )
    )


def insert_bank(
    tx: Tx, bank_id: UUID, enrollment_id: str, institution: str, sealed_token: bytes, *, now: datetime
) -> bool:
    """Add a bank; False if its enrollment is connected already."""
    return bool(
        tx.run(
            """
            INSERT INTO teller_enrollments (id, teller_enrollment_id, institution, sealed_token, state, state_at,
                                            connected_at, told_at)
            VALUES (:bank_id, :enrollment_id, :institution, :sealed_token, 'active', :now, :now, :now)
            ON CONFLICT DO NOTHING
            """,
            bank_id=bank_id,
            enrollment_id=enrollment_id,
            institution=institution,
            sealed_token=sealed_token,
            now=now,
        )
    )


def insert_account(tx: Tx, connection_id: UUID, bank_id: UUID, name: str, account: ListedAccount) -> bool:
    """Add an account of a bank; False if it, one that looks the same, or its name is taken by a live one."""
    return bool(
        tx.run(
            """
            INSERT INTO teller_connections (id, enrollment_id, teller_account_id, name, institution, last_four,
                                            currency)
            VALUES (:id, :bank_id, :account_id, :name, :institution, :last_four, :currency)
            ON CONFLICT DO NOTHING
            """,
            id=connection_id,
            bank_id=bank_id,
            account_id=account.id,
            name=name,
            institution=account.institution,
            last_four=account.last_four,
            currency=account.currency,
        )
    )


def bank_of_enrollment(tx: Tx, enrollment_id: str) -> UUID | None:
    """The bank that holds a token of this enrollment."""
    return tx.scalar_or_none(
        UUID,
        "SELECT id FROM teller_enrollments WHERE teller_enrollment_id = :enrollment_id AND is_live",
        enrollment_id=enrollment_id,
    )


def bank_of_account(tx: Tx, account: ListedAccount) -> UUID | None:
    """The bank of which this account is a live one, by its id or by all that is known of it."""
    return tx.scalar_or_none(
        UUID,
        """
        SELECT enrollment_id FROM teller_connections
        WHERE closed_at IS NULL AND (teller_account_id = :account_id OR
              (institution = :institution AND last_four = :last_four AND currency = :currency))
        ORDER BY teller_account_id = :account_id DESC LIMIT 1
        """,
        account_id=account.id,
        institution=account.institution,
        last_four=account.last_four,
        currency=account.currency,
    )


def lock(tx: Tx, bank_id: UUID) -> Enrolled | None:
    """The bank, locked until the commit; None if there is none."""
    return tx.first(
        Enrolled,
        """
        SELECT id, teller_enrollment_id AS enrollment_id, institution, state, state_at, connected_at, reconnected_at,
               last_error, last_tried_at, last_synced_at
        FROM teller_enrollments WHERE id = :bank_id FOR NO KEY UPDATE
        """,
        bank_id=bank_id,
    )


def reconnect(tx: Tx, bank_id: UUID, sealed_token: bytes, state_at: datetime, now: datetime) -> None:
    """Give a bank a new token; tries that are under way with the old one are void."""
    tx.run(
        """
        UPDATE teller_enrollments
        SET sealed_token = :sealed_token, state = 'active', state_at = :state_at, reconnected_at = :now, refusals = 0,
            last_error = NULL, last_tried_at = NULL, told_at = :now
        WHERE id = :bank_id AND state <> 'disconnected'
        """,
        bank_id=bank_id,
        sealed_token=sealed_token,
        state_at=state_at,
        now=now,
    )


def disconnect(tx: Tx, bank_id: UUID, now: datetime) -> None:
    """Mark a bank as disconnected and close its accounts. Its token stays until the bank knows."""
    tx.run(
        """
        UPDATE teller_enrollments SET state = 'disconnected', state_at = :now, last_error = NULL, told_at = :now
        WHERE id = :bank_id AND state <> 'disconnected'
        """,
        bank_id=bank_id,
        now=now,
    )
    tx.run(
        "UPDATE teller_connections SET closed_at = :now WHERE enrollment_id = :bank_id AND closed_at IS NULL",
        bank_id=bank_id,
        now=now,
    )


def banks(tx: Tx, bank_id: UUID | None) -> list[Enrolled]:
    """All banks, or one, the newest first."""
    return tx.all(
        Enrolled,
        """
        SELECT id, teller_enrollment_id AS enrollment_id, institution, state, state_at, connected_at, reconnected_at,
               last_error, last_tried_at, last_synced_at
        FROM teller_enrollments WHERE CAST(:bank_id AS uuid) IS NULL OR id = :bank_id
        ORDER BY connected_at DESC, id DESC
        """,
        bank_id=bank_id,
    )


def accounts(tx: Tx, bank_id: UUID | None) -> dict[UUID, list[BankAccount]]:
    """The accounts of all banks, or of one, by bank."""
    rows = tx.all(
        _Placed,
        """
        SELECT c.enrollment_id AS bank_id, c.name, c.last_four, c.currency, c.closed_at, newest.ledger,
               newest.available, newest.at AS synced_at
        FROM teller_connections c
        LEFT JOIN LATERAL (SELECT ledger, available, at FROM bank_balances WHERE connection_id = c.id
                           ORDER BY at DESC LIMIT 1) newest ON true
        WHERE CAST(:bank_id AS uuid) IS NULL OR c.enrollment_id = :bank_id
        ORDER BY c.name, c.id
        """,
        bank_id=bank_id,
    )
    found: dict[UUID, list[BankAccount]] = {}
    for row in rows:
        shown = {name: value for name, value in vars(row).items() if name != "bank_id"}
        found.setdefault(row.bank_id, []).append(BankAccount(**shown))
    return found
