"""Wholesale accounts as rows, with the statuses that they have had one after the other."""

import json
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from shared import db
from shared.auth import Role
from shared.credentials import vault
from shared.db import Tx
from shared.values.wholesale import row_of
from tests import factories
from tests.factories import NOW, Somebody

TAX_ID = "123456789"
ADDRESS = {
    "address_line1": "12 Commerce Way",
    "address_line2": None,
    "city": "Reno",
    "state": "NV",
    "zip_code": "89501",
}
MINUTE = timedelta(minutes=1)
EMPTIED = """
    UPDATE wholesale_accounts SET company_name = NULL, contact_name = NULL, email = NULL, phone = NULL,
           business_address = NULL, tax_id = NULL, tax_id_last4 = NULL WHERE id = :id
"""


def wholesale_account(
    *statuses: str,
    member: Somebody | None = None,
    admin: Somebody | None = None,
    at: datetime = NOW,
    tax_id: str = TAX_ID,
    emptied: bool = False,
) -> UUID:
    """An account that was applied for at that moment; each status follows a minute after the one before."""
    account, owner = uuid4(), member or factories.member()
    by = admin or factories.member(role=Role.OPERATIONS)

    def insert(tx: Tx) -> None:
        tx.run(
            """
            INSERT INTO wholesale_accounts (id, member_id, company_name, contact_name, email, phone, business_address,
                                            tax_id, tax_id_last4, applied_at)
            VALUES (:id, :member_id, 'Lovelace Tobacco LLC', 'Ada Lovelace', :email, '+17755550100', :address, :tax_id,
                    :last4, :at)
            """,
            id=account,
            member_id=owner.id,
            email=f"{account.hex}@business.example.com",
            address=json.dumps(ADDRESS),
            tax_id=vault.seal(tx, tax_id.encode(), row_of(account)),
            last4=tax_id[-4:],
            at=at,
        )
        for number, status in enumerate(statuses, 1):
            _set(tx, account, status, by, at + number * MINUTE)
        if emptied:
            tx.run(EMPTIED, id=account)

    db.atomically(insert)
    return account


def wholesale_member() -> UUID:
    """The id of a new member who has an account."""
    member = factories.member()
    wholesale_account(member=member)
    return member.id


def _set(tx: Tx, account: UUID, status: str, admin: Somebody, at: datetime) -> None:
    if status == "active":
        tx.run("UPDATE wholesale_accounts SET status = 'active', activated_at = :at WHERE id = :id", id=account, at=at)
        return
    tx.run(
        """
        UPDATE wholesale_accounts SET status = :status, decided_by = :admin, decided_at = :at, reason = 'We looked'
        WHERE id = :id
        """,
        id=account,
        status=status,
        admin=admin.id,
        at=at,
    )
