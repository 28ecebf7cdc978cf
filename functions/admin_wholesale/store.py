"""Wholesale accounts as people see them, as rows."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from shared.db import Tx
from shared.values.fields import Reply
from shared.values.states import MemberStatus, WholesaleStatus
from shared.web.paging import Position


class ErasableAddress(Reply):
    """The business's address in the United States, as it was given; null once it was erased."""

    address_line1: str
    address_line2: str | None
    city: str
    state: str
    zip_code: str


class AdminWholesaleAccount(Reply):
    """An account with the business that it was applied for, and the last decision. What names the business is null
    after the erasure of the member's account, what nobody has decided yet as well. `reason` is not told to the member.
    """

    id: UUID
    number: str
    status: WholesaleStatus
    member_id: UUID
    username: str
    member_status: MemberStatus
    company_name: str | None
    contact_name: str | None
    email: str | None
    phone: str | None
    business_address: ErasableAddress | None
    tax_id_last4: str | None
    created_at: datetime
    applied_at: datetime
    decided_by: UUID | None
    decided_at: datetime | None
    reason: str | None
    activated_at: datetime | None


@dataclass(frozen=True)
class Addressee:
    """The member who is told what was decided, at the address of their account."""

    email: str
    full_name: str


def accounts(
    tx: Tx,
    *,
    status: str | None = None,
    member_id: UUID | None = None,
    after: Position | None = None,
    limit: int,
) -> list[AdminWholesaleAccount]:
    """Accounts, the newest application first; of one status, or a single member's, if given. Erased ones are left out:
    there is nothing to decide about them.
    """
    return tx.all(
        AdminWholesaleAccount,
        """
        SELECT w.id, w.number, w.status, w.member_id, m.username, m.status AS member_status, w.company_name,
               w.contact_name, w.email, w.phone, w.business_address, w.tax_id_last4, w.created_at, w.applied_at,
               w.decided_by, w.decided_at, w.reason, w.activated_at
        FROM wholesale_accounts w JOIN members m ON m.id = w.member_id
        WHERE w.email IS NOT NULL
          AND (CAST(:status AS text) IS NULL OR w.status = :status)
          AND (CAST(:member_id AS uuid) IS NULL OR w.member_id = :member_id)
          AND (CAST(:at AS timestamptz) IS NULL OR (w.applied_at, w.id) < (:at, CAST(:id AS uuid)))
        ORDER BY w.applied_at DESC, w.id DESC LIMIT :limit
        """,
        status=status,
        member_id=member_id,
        at=after.at if after else None,
        id=after.id if after else None,
        limit=limit,
    )


def account(tx: Tx, account_id: UUID) -> AdminWholesaleAccount | None:
    """The account, erased or not; None if there is none."""
    return tx.first(
        AdminWholesaleAccount,
        """
        SELECT w.id, w.number, w.status, w.member_id, m.username, m.status AS member_status, w.company_name,
               w.contact_name, w.email, w.phone, w.business_address, w.tax_id_last4, w.created_at, w.applied_at,
               w.decided_by, w.decided_at, w.reason, w.activated_at
        FROM wholesale_accounts w JOIN members m ON m.id = w.member_id WHERE w.id = :id
        """,
        id=account_id,
    )


def lock(tx: Tx, account_id: UUID) -> None:
    """Lock the account, so that it is decided about by one person at a time."""
    tx.run_later("SELECT 1 FROM wholesale_accounts WHERE id = :id FOR NO KEY UPDATE", id=account_id)


def decide(tx: Tx, account_id: UUID, status: WholesaleStatus, *, decided_by: UUID, reason: str, now: datetime) -> None:
    """Record a decision and who made it."""
    tx.run(
        """
        UPDATE wholesale_accounts SET status = :status, decided_by = :decided_by, decided_at = :now, reason = :reason
        WHERE id = :id
        """,
        id=account_id,
        status=status.value,
        decided_by=decided_by,
        now=now,
        reason=reason,
    )


def addressee(tx: Tx, member_id: UUID) -> Addressee:
    """The member's present address and name."""
    return tx.one(Addressee, "SELECT email, full_name FROM members WHERE id = :id", id=member_id)


def sealed_tax_id(tx: Tx, account_id: UUID) -> bytes | None:
    """The sealed tax id; None once it was erased."""
    return tx.scalar_or_none(bytes, "SELECT tax_id FROM wholesale_accounts WHERE id = :id", id=account_id)
