"""A member's wholesale account, and the products with what can be sold of them, as rows."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from shared.db import Tx


@dataclass(frozen=True)
class Account:
    """A member's account. The tax id itself is not read here, only its last digits."""

    id: UUID
    number: str
    status: str
    company_name: str
    contact_name: str
    email: str
    phone: str | None
    business_address: dict[str, Any]
    tax_id_last4: str
    applied_at: datetime
    decided_at: datetime | None
    activated_at: datetime | None


@dataclass(frozen=True)
class Business:
    """The content of an application: `tax_id` is sealed, `tax_id_last4` are its last digits."""

    company_name: str
    contact_name: str
    email: str
    phone: str | None
    business_address: Mapping[str, object]
    tax_id: bytes
    tax_id_last4: str


@dataclass(frozen=True)
class Product:
    """A product with what can be sold of it."""

    sku: str
    name: str
    flavor: str
    strength_mg: int
    on_sale: bool
    picture: str | None
    sellable: int


def account(tx: Tx, member_id: UUID) -> Account | None:
    """The member's account; None if the member has never applied."""
    return tx.first(
        Account,
        """
        SELECT id, number, status, company_name, contact_name, email, phone, business_address, tax_id_last4, applied_at,
               decided_at, activated_at
        FROM wholesale_accounts WHERE member_id = :member_id
        """,
        member_id=member_id,
    )


def lock(tx: Tx, member_id: UUID) -> None:
    """Lock the member's account, if there is one, so that it is applied for once at a time."""
    tx.run_later("SELECT 1 FROM wholesale_accounts WHERE member_id = :member_id FOR NO KEY UPDATE", member_id=member_id)


def status(tx: Tx, member_id: UUID) -> str | None:
    """The status of the member's account; None without one."""
    return tx.scalar_or_none(
        str, "SELECT status FROM wholesale_accounts WHERE member_id = :member_id", member_id=member_id
    )


def insert(tx: Tx, account_id: UUID, member_id: UUID, said: Business, now: datetime) -> None:
    """Record a first application. Raises ConstraintViolated when the member or the e-mail address has an account."""
    tx.run(
        """
        INSERT INTO wholesale_accounts (id, member_id, company_name, contact_name, email, phone, business_address,
                                        tax_id, tax_id_last4, applied_at)
        VALUES (:id, :member_id, :company_name, :contact_name, :email, :phone, :business_address, :tax_id,
                :tax_id_last4, :now)
        """,
        id=account_id,
        member_id=member_id,
        now=now,
        **vars(said),
    )


def apply_again(tx: Tx, account_id: UUID, said: Business, now: datetime) -> None:
    """Record another application, by which the account becomes pending. Raises ConstraintViolated when the e-mail
    address has another account.
    """
    tx.run(
        """
        UPDATE wholesale_accounts
        SET company_name = :company_name, contact_name = :contact_name, email = :email, phone = :phone,
            business_address = :business_address, tax_id = :tax_id, tax_id_last4 = :tax_id_last4, applied_at = :now
        WHERE id = :id
        """,
        id=account_id,
        now=now,
        **vars(said),
    )


def products(tx: Tx) -> list[Product]:
    """The products, by flavor and strength, with what can be sold of each."""
    return tx.all(
        Product,
        """
        SELECT sku, p.name, p.flavor, p.strength_mg, p.on_sale, p.picture, s.sellable
        FROM products p JOIN stock s USING (sku) ORDER BY p.flavor, p.strength_mg, sku
        """,
    )
